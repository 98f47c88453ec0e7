import { execFileSync } from "node:child_process";
import { arch, cpus, loadavg, platform, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { availableThreads } from "../src/runtime/cpu-quota.ts";
import { benchCached, benchGrpc, benchSecured, benchTraced } from "./grpc.ts";
import { benchInt8 } from "./int8.ts";
import { benchPeers } from "./peers.ts";
import { benchRequestPath } from "./request-path.ts";
import { benchScaling } from "./scaling/scaling.ts";
import { benchServing } from "./serving.ts";
import { benchTokenizer } from "./tokenizer.ts";
import { benchTraining } from "./training.ts";
import { benchTransformers } from "./transformers.ts";

/** Each benchmark measures on this machine and returns plain numbers; units are in their names. */
const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  serving: benchServing,
  tokenizer: benchTokenizer,
  training: benchTraining,
  grpc: benchGrpc,
  secured: benchSecured,
  cached: benchCached,
  traced: benchTraced,
  "request-path": benchRequestPath,
  transformers: benchTransformers,
  scaling: benchScaling,
  peers: benchPeers,
  int8: benchInt8,
};

/** @param flags the switches that are on; @param values the options that take a value */
type Benchmark = (flags: ReadonlySet<string>, values: Readonly<Record<string, unknown>>) => Promise<unknown>;

const OPTIONS = {
  xxlarge: { type: "boolean" },
  large: { type: "boolean" },
  webgpu: { type: "boolean" },
  cuda: { type: "boolean" },
  python: { type: "string" },
  model: { type: "string" },
  device: { type: "string" },
  baseline: { type: "string" },
  texts: { type: "string" },
  chart: { type: "string" },
} as const;

/** `npm run bench -- <name>... [options]` prints one JSON object: the machine, then one entry per benchmark. */
async function main(): Promise<void> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: OPTIONS });
  const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS);
  const unknown = names.filter((name) => !Object.hasOwn(BENCHMARKS, name));
  if (unknown.length > 0) {
    console.error(`no benchmark ${unknown.join(", ")}; there are ${Object.keys(BENCHMARKS).join(", ")}`);
    process.exitCode = 2;
    return;
  }
  const flags = new Set(Object.keys(values));
  const results: Record<string, unknown> = { machine: machine() };
  for (const name of names) {
    try {
      results[name] = await BENCHMARKS[name]!(flags, values);
    } catch (error) {
      // The others are measured all the same, and what was measured before is not lost.
      results[name] = { failed: error instanceof Error ? (error.stack ?? error.message) : String(error) };
      process.exitCode = 1;
    }
  }
  console.log(JSON.stringify(results, undefined, 2));
}

function machine() {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    processors: cpus().length,
    threads: availableThreads(),
    memoryBytes: totalmem(),
    platform: `${platform()} ${arch()}`,
    node: process.version,
    commit: commit(),
    loadAverage1m: round(loadavg()[0] ?? 0, 2),
    startedAt: new Date().toISOString(),
  };
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown"; // an installed package has no history
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

await main();
