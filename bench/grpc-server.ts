// The server that `bench/grpc.ts` measures, in a process of its own. Its argument is the kind of model: "null" computes
// nothing, "base" is a random model of that shape. Its second argument holds further flags as JSON. Each message asks for what was used since the last one.
import { startApp } from "../src/app.ts";
import { loadConfig } from "../src/config/load.ts";
import { type Engine, type OutputTensors, POOLED_OUTPUT } from "../src/runtime/engine.ts";
import { openEngine } from "../src/runtime/packed-engine.ts";
import type { ServableModel } from "../src/serving/models/reader.ts";
import { benchModel } from "./bench-model.ts";
import { reportUsage } from "./report-usage.ts";

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
reportUsage(app.addresses.public);

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
