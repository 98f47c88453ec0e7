// The server that `bench/grpc.ts` measures, in a process of its own. Its argument is the kind of model: "null" computes
// nothing, "base" is a random model of that shape. Its second argument holds further flags as JSON. Each message asks for what was used since the last one.
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { startApp } from "../src/app.ts";
import { loadConfig } from "../src/config/load.ts";
import { type Engine, type OutputTensors, POOLED_OUTPUT } from "../src/runtime/engine.ts";
import { openEngine } from "../src/runtime/packed-engine.ts";
import type { ServableModel } from "../src/serving/models/reader.ts";
import { benchModel } from "./bench-model.ts";

/** What a server used since it was last asked. */
export interface ServerUsage {
  /** Seconds of processor time of the whole process, and of its main thread by the share it was busy. */
  readonly cpuSeconds: number;
  readonly mainThreadSeconds: number;
  /** Longest time the event loop was late, in milliseconds. */
  readonly largestGapMs: number;
}

/** Sampling interval of the event loop's timeliness: what is measured beyond it is lateness. */
const RESOLUTION_MS = 1;

const kind = process.argv[2] === "base" ? "base" : "null";
const quiet = () => {};
const further = JSON.parse(process.argv[3] ?? "{}") as Readonly<Record<string, string>>;
const { config } = loadConfig({
  flags: {
    "server-public-address": "127.0.0.1:0",
    "server-metrics-address": "",
    "server-console-address": "",
    ...further,
  },
});
const app = await startApp(
  {
    config,
    log: { debug: quiet, info: quiet, warn: quiet, error: console.error },
    openEngine: kind === "base" ? (model) => openEngine(model) : async (model) => nullEngine(model),
  },
  [],
);
const model = await benchModel(kind === "base" ? "base" : "tiny");
await app.serving.models.swap({ name: "bench", version: "1", open: async () => model });
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
let cpu = process.cpuUsage();
let utilization = performance.eventLoopUtilization();
process.on("message", () => {
  const used = process.cpuUsage(cpu);
  const busy = performance.eventLoopUtilization(utilization);
  const usage: ServerUsage = {
    cpuSeconds: (used.user + used.system) / 1e6,
    mainThreadSeconds: busy.active / 1000,
    largestGapMs: Math.max(0, delay.max / 1e6 - RESOLUTION_MS),
  };
  delay.reset();
  cpu = process.cpuUsage();
  utilization = performance.eventLoopUtilization();
  process.send!(usage);
});
// A server must not outlive who measures it.
process.on("disconnect", () => process.exit());
process.send!(app.addresses.public);

/** Answers every batch at once with zeros: what is left is the path through the server. */
function nullEngine({ heads }: ServableModel): Engine {
  const logits = new Float32Array(2);
  const output = new Map<string, OutputTensors>(heads.map(({ name }) => [name, { logits }]));
  output.set(POOLED_OUTPUT, { values: logits });
  return {
    device: "cpu",
    tokenBudget: 4096,
    predictMs: () => 0,
    run: async (sequences) => ({
      outputs: sequences.map(() => output),
      cost: { tokens: sequences.length, paddedTokens: 0, assembleMs: 0, runMs: 0 },
    }),
    close: async () => {},
  };
}
