import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { connectAlbert } from "../../src/client/albert-client.ts";
import { TokenizeRequestSchema } from "../../src/gen/albert/v1/inference_pb.js";
import { freePort } from "../../test/support/free-port.ts";
import { startServerProcess } from "../../test/support/server-process.ts";
import { BURNING, burn, HTTP1_ATTACKS, HTTP2_ATTACKS } from "./attacks.ts";

// `node --import tsx scripts/attacks/main.ts [--port public] [--seconds 4] [--only ATTACK] [--rest 10]`: a server, a good caller, and
// one attack after the other on one of the listeners, each from a process of its own. Prints what the good caller waits and what
// memory the server holds; the last row after a rest of so many seconds.

const PORTS = ["public", "admin", "console", "metrics"] as const;
type Port = (typeof PORTS)[number];

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "public" },
    seconds: { type: "string", default: "4" },
    only: { type: "string" },
    rest: { type: "string", default: "10" },
    attack: { type: "string" },
    at: { type: "string" },
  },
});

/** What each listener is asked for: much, or a stream. */
const PATHS: Readonly<Record<Port, string>> = {
  public: "/albert.v1.InferenceService/Tokenize",
  admin: "/albert.v1.ModelService/ListVersions",
  console: "/index.html",
  metrics: "/metrics",
};
const STREAMS: Readonly<Record<string, string>> = {
  public: "/albert.v1.InferenceService/StreamInfer",
  admin: "/grpc.health.v1.Health/Watch",
};

function messageFor(port: Port): Buffer {
  const text = "the cat and the dog ".repeat(500);
  const message =
    port === "public" ? toBinary(TokenizeRequestSchema, create(TokenizeRequestSchema, { text })) : Buffer.alloc(0);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function isHttp2(port: Port): boolean {
  return port === "public" || port === "admin";
}

/** The child process: one attack until it is killed. */
function attack(name: string, port: Port, address: string): void {
  if (name === BURNING) burn();
  const [host = "", number = ""] = address.split(":");
  const path = /idle streams|slow writers/.test(name) ? (STREAMS[port] ?? PATHS[port]) : PATHS[port];
  const attacks = isHttp2(port) ? HTTP2_ATTACKS : HTTP1_ATTACKS;
  const chosen = name === "all" ? Object.values(attacks) : [attacks[name]];
  console.log(`${name} begins`);
  setInterval(() => {}, 60_000); // sockets that neither read nor write would let the process end
  for (const begin of chosen) begin?.({ host, port: Number(number), path, message: messageFor(port) });
}

function megabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}

function quantile(sorted: readonly number[], share: number): number {
  return Number((sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN).toFixed(1));
}

async function main(port: Port, seconds: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "albert-attacked-"));
  const http = { console: `127.0.0.1:${await freePort()}`, metrics: `127.0.0.1:${await freePort()}` };
  const settings = { server: { console_address: http.console, metrics_address: http.metrics } };
  const server = startServerProcess({
    ...settings,
    store: { directory: join(directory, "store") },
    runtime: { device: "cpu", intra_threads: 1 },
  });
  const addresses = { ...http, ...(await server.ready) };
  const client = connectAlbert(addresses.public, { maxAttempts: 1 });
  const waits = async (forMs: number) => {
    const times: number[] = [];
    let failed = 0;
    let memory = 0;
    for (const until = performance.now() + forMs; performance.now() < until; ) {
      const startedAt = performance.now();
      await client.tokenize({ text: "a good call" }, { deadlineMs: 10_000 }).catch(() => failed++);
      times.push(performance.now() - startedAt);
      memory = Math.max(memory, megabytes(server.pid));
      await delay(5);
    }
    times.sort((a, b) => a - b);
    return {
      p50_ms: quantile(times, 0.5),
      p99_ms: quantile(times, 0.99),
      calls: times.length,
      failed,
      memory_mb: memory,
    };
  };
  const started = async (name: string): Promise<ChildProcess> => {
    const args = [
      "--import",
      "tsx",
      fileURLToPath(import.meta.url),
      "--attack",
      name,
      "--port",
      port,
      "--at",
      addresses[port],
    ];
    const child = spawn(process.execPath, args, { stdio: "ignore" });
    await delay(/idle/.test(name) ? 9000 : 1500); // its own start, and the time to open what then idles
    return child;
  };
  try {
    await waits(3000);
    const say = (name: string, found: object) => console.log(JSON.stringify({ port, attack: name, ...found }));
    console.log(
      JSON.stringify({ node: process.versions.node, processor: cpus()[0]?.model, processors: cpus().length }),
    );
    say("none", await waits(seconds * 1000));
    const attacks = isHttp2(port) ? HTTP2_ATTACKS : HTTP1_ATTACKS;
    const names = [BURNING, ...Object.keys(attacks)].filter(
      (name) => values.only === undefined || name === values.only,
    );
    if (names.length === 0) throw new Error(`${port} is attacked by: ${Object.keys(attacks).join("; ")}`);
    for (const name of names) {
      const child = await started(name);
      const found = await waits(seconds * 1000);
      child.kill("SIGKILL");
      await once(child, "exit");
      await waits(1500);
      say(name, { ...found, memory_after_mb: megabytes(server.pid) });
    }
    await delay(Number(values.rest) * 1000);
    say(`none, ${values.rest} s later`, await waits(seconds * 1000));
  } finally {
    client.close();
    await server.kill();
    rmSync(directory, { recursive: true });
  }
}

if (values.attack !== undefined) attack(values.attack, values.port as Port, values.at ?? "");
else await main(values.port as Port, Number(values.seconds));
