import { renameSync, writeFileSync } from "node:fs";
import { CheckpointStore } from "../../src/training/checkpoints.ts";
import { train } from "../../src/training/loop.ts";
import { exampleRecords, freshState, openLogisticRegression, recordSource } from "./logistic-regression.ts";

// A process to be killed: trains into argv[2] with a checkpoint every third step, and leaves the final weights beside it.
const directory = process.argv[2]!;
const outcome = await train({
  openExecutor: async (state) => openLogisticRegression(state),
  initial: freshState(),
  data: recordSource(exampleRecords(60), 11, 8),
  schedule: { shape: "official", learningRate: 0.05, totalSteps: 150, warmupSteps: 10 },
  seed: 11,
  checkpoints: await CheckpointStore.open({
    directory,
    identity: { digests: { data: "d" }, fingerprint: {} },
    keepLast: 2,
  }),
  resume: true,
  checkpointEvery: 3,
  evaluation: {
    every: 10,
    selection: { metric: "norm", goal: "highest" },
    run: async (parameters) => ({ norm: Math.hypot(...parameters.get("weights")!.data) }),
  },
  divergence: { labels: 2, fromStep: 10, windowSteps: 50 },
  maxRestarts: 1,
  logEvery: 1,
  onEvent: (event) => {
    if (event.kind === "started") process.stdout.write("started\n");
  },
  clock: () => performance.now(),
});
// Whole or not there: the kill may come between the file's first byte and its last.
writeFileSync(`${directory}.weights.part`, outcome.parameters.get("weights")!.data);
renameSync(`${directory}.weights.part`, `${directory}.weights`);
