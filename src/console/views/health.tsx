import { useRef, useState } from "preact/hooks";
import { Problems } from "../parts/problems.tsx";
import { usePolling } from "../parts/use-call.ts";
import { parseMetrics, quantileBetween, type Sample, total } from "../prometheus.ts";

const INTERVAL_MS = 2_000;

interface Reading {
  readonly samples: readonly Sample[];
  readonly atMs: number;
}

interface Tile {
  readonly name: string;
  readonly value: string;
}

/** How the service is doing now, read from its own `/metrics`. */
export function HealthView() {
  const [tiles, setTiles] = useState<readonly Tile[]>([]);
  const [problems, setProblems] = useState<readonly string[]>([]);
  const previous = useRef<Reading | undefined>(undefined);
  usePolling(async () => {
    try {
      const response = await fetch("/metrics");
      if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
      const reading = { samples: parseMetrics(await response.text()), atMs: performance.now() };
      setTiles(tilesOf(previous.current, reading));
      previous.current = reading;
      setProblems([]);
    } catch (error) {
      setProblems([`The service does not answer: ${error instanceof Error ? error.message : String(error)}`]);
    }
  }, INTERVAL_MS);
  return (
    <>
      <Problems problems={problems} />
      <div class="tiles">
        {tiles.map((tile) => (
          <div class="tile" key={tile.name}>
            {tile.name}
            <b>{tile.value}</b>
          </div>
        ))}
      </div>
      <p class="muted">
        Rates and percentiles cover the last {INTERVAL_MS / 1000} seconds. Everything there is to see is at{" "}
        <a href="/metrics">/metrics</a>.
      </p>
    </>
  );
}

function tilesOf(before: Reading | undefined, now: Reading): Tile[] {
  const { samples } = now;
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1000;
  const rate = (name: string) =>
    before === undefined ? undefined : (total(samples, name) - total(before.samples, name)) / seconds;
  const quantileMs = (name: string, q: number) => {
    const value = before === undefined ? undefined : quantileBetween(before.samples, samples, name, q);
    return value === undefined ? "–" : `${(value * 1000).toFixed(1)} ms`;
  };
  const share = (part: number, whole: number) => (whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`);
  const kind = (name: string) =>
    samples
      .filter((s) => s.name === "albert_tokens_total" && s.labels["kind"] === name)
      .reduce((sum, s) => sum + s.value, 0);
  const batches = total(samples, "albert_batch_requests_count");
  return [
    { name: "Requests a second", value: rate("albert_requests_total")?.toFixed(1) ?? "–" },
    { name: "Latency p50", value: quantileMs("albert_request_duration_seconds", 0.5) },
    { name: "Latency p99", value: quantileMs("albert_request_duration_seconds", 0.99) },
    { name: "Waiting requests", value: String(total(samples, "albert_queue_requests")) },
    { name: "Waiting tokens", value: String(total(samples, "albert_queue_tokens")) },
    {
      name: "Sequences a batch",
      value: batches === 0 ? "–" : (total(samples, "albert_batch_requests_sum") / batches).toFixed(1),
    },
    { name: "Padding in attention", value: share(kind("padded"), kind("real") + kind("padded")) },
    { name: "Refused", value: String(total(samples, "albert_shed_total")) },
    { name: "Memory", value: `${(total(samples, "process_resident_memory_bytes") / 2 ** 20).toFixed(0)} MiB` },
  ];
}
