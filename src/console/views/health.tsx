import { useRef, useState } from "preact/hooks";
import { Problems } from "../parts/calls/problems.tsx";
import { usePolling } from "../parts/calls/use-call.ts";
import { OverTime } from "../parts/charts/over-time.tsx";
import { Sparkline } from "../parts/charts/sparkline.tsx";
import { parseMetrics, quantileBetween, type Sample, total } from "../prometheus.ts";

const INTERVAL_MS = 2_000;

interface Reading {
  readonly samples: readonly Sample[];
  readonly atMs: number;
}

/** Readings a tile's line goes back: two minutes of them. */
const KEPT = 60;

interface Tile {
  readonly name: string;
  /** NaN where there is nothing to say. */
  readonly value: number;
  readonly unit?: string;
  readonly digits?: number;
}

/** What is drawn large: each line's name, the tile that it follows, and its colour. */
const CHARTS = [
  {
    title: "Latency",
    unit: "milliseconds",
    lines: [
      ["half of the requests within", "Latency p50", "--stage-2"],
      ["99 of 100 within", "Latency p99", "--stage-5"],
    ],
  },
  {
    title: "Requests and errors",
    unit: "a second",
    lines: [
      ["requests", "Requests a second", "--stage-5"],
      ["errors", "Errors a second", "--bad"],
    ],
  },
  {
    title: "Batches",
    unit: "sequences, and percent",
    lines: [
      ["sequences a batch", "Sequences a batch", "--stage-5"],
      ["padding in attention, %", "Padding in attention", "--stage-3"],
    ],
  },
  { title: "Queue", unit: "requests", lines: [["waiting", "Waiting requests", "--stage-5"]] },
  { title: "Memory", unit: "MiB", lines: [["resident", "Memory", "--stage-5"]] },
] as const;

/** How the service is doing now, read from its own `/metrics`. */
export function HealthView() {
  const [history, setHistory] = useState<readonly (readonly Tile[])[]>([]);
  const [problems, setProblems] = useState<readonly string[]>([]);
  const previous = useRef<Reading | undefined>(undefined);
  usePolling(async () => {
    try {
      const response = await fetch("/metrics");
      if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
      const reading = { samples: parseMetrics(await response.text()), atMs: performance.now() };
      const tiles = tilesOf(previous.current, reading);
      previous.current = reading;
      setHistory((before) => [...before.slice(1 - KEPT), tiles]);
      setProblems([]);
    } catch {
      setProblems(["The server does not answer. Is it still running?"]);
    }
  }, INTERVAL_MS);
  return (
    <>
      <div aria-live="polite">
        <Problems problems={problems} />
      </div>
      <dl class="tiles">
        {(history.at(-1) ?? []).map((tile, index) => (
          <div class="card tile" key={tile.name}>
            <dt>{tile.name}</dt>
            <dd>
              {Number.isNaN(tile.value) ? "–" : tile.value.toFixed(tile.digits ?? 0)}
              {!Number.isNaN(tile.value) && tile.unit !== undefined && <small> {tile.unit}</small>}
            </dd>
            <Sparkline values={history.map((tiles) => tiles[index]!.value)} length={KEPT} />
          </div>
        ))}
      </dl>
      {history.length > 0 && (
        <div class="charts">
          {CHARTS.map(({ title, unit, lines }) => (
            <OverTime
              key={title}
              title={title}
              unit={unit}
              intervalSeconds={INTERVAL_MS / 1000}
              span={(KEPT * INTERVAL_MS) / 1000}
              lines={lines.map(([name, tile, colour]) => ({
                ...{ name, colour },
                values: history.map((tiles) => tiles.find((one) => one.name === tile)?.value ?? Number.NaN),
              }))}
            />
          ))}
        </div>
      )}
      <p class="muted">
        Rates and percentiles cover the last {INTERVAL_MS / 1000} seconds, the lines the last two minutes. Everything
        there is to see is at <a href="/metrics">/metrics</a>.
      </p>
    </>
  );
}

function tilesOf(before: Reading | undefined, now: Reading): Tile[] {
  const { samples } = now;
  const rate = (name: string) =>
    before === undefined
      ? Number.NaN
      : (total(samples, name) - total(before.samples, name)) / ((now.atMs - before.atMs) / 1000);
  const quantileMs = (name: string, q: number) =>
    1000 * ((before === undefined ? undefined : quantileBetween(before.samples, samples, name, q)) ?? Number.NaN);
  const tokens = (kind: string) =>
    samples
      .filter(({ name, labels }) => name === "albert_tokens_total" && labels["kind"] === kind)
      .reduce((sum, { value }) => sum + value, 0);
  const failed = (of: readonly Sample[]) =>
    of
      .filter(({ name, labels }) => name === "albert_requests_total" && labels["code"] !== "ok")
      .reduce((sum, { value }) => sum + value, 0);
  const errors =
    before === undefined ? Number.NaN : (failed(samples) - failed(before.samples)) / ((now.atMs - before.atMs) / 1000);
  // NaN, 0 / 0, before the first batch.
  const sequences = total(samples, "albert_batch_sequences_sum") / total(samples, "albert_batch_sequences_count");
  const padding = (100 * tokens("padded")) / (tokens("real") + tokens("padded"));
  const memory = total(samples, "process_resident_memory_bytes") / 2 ** 20;
  return [
    { name: "Requests a second", value: rate("albert_requests_total"), digits: 1 },
    { name: "Errors a second", value: errors, digits: 1 },
    { name: "Latency p50", value: quantileMs("albert_request_duration_seconds", 0.5), unit: "ms", digits: 1 },
    { name: "Latency p99", value: quantileMs("albert_request_duration_seconds", 0.99), unit: "ms", digits: 1 },
    { name: "Waiting requests", value: total(samples, "albert_queue_requests") },
    { name: "Waiting tokens", value: total(samples, "albert_queue_tokens") },
    { name: "Sequences a batch", value: sequences, digits: 1 },
    { name: "Padding in attention", value: padding, unit: "%", digits: 1 },
    { name: "Refused in all", value: total(samples, "albert_shed_total") },
    { name: "Memory", value: memory, unit: "MiB" },
  ];
}
