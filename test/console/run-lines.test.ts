import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { RunLines } from "../../src/console/parts/charts/run-lines.ts";
import { JobEventSchema } from "../../src/gen/albert/v1/training_pb.js";

const begun = (name: string, index: number) =>
  create(JobEventSchema, {
    kind: "repeat_begun",
    detailJson: JSON.stringify({ name, index, count: 2, stepsBefore: 2 * index }),
  });
/** The job counts on: its runs have two steps each. */
const event = (kind: string, step: number, told: object = {}, detail: object = {}) =>
  create(JobEventSchema, {
    kind,
    progress: { step, ...told },
    detailJson: JSON.stringify({ step, ...detail }),
  });

it("a job's curves have a line for each of its runs, and a run that went back tells its steps once", () => {
  const lines = new RunLines();
  expect(lines.add(begun("seed-3", 0))).toBe(false);
  expect(lines.add(event("step_metrics", 1, { loss: 3, learningRate: 0.5 }))).toBe(true);
  lines.add(event("step_metrics", 2, { loss: 9, learningRate: 0.4 }));
  lines.add(event("step_metrics", 2, { loss: 2, learningRate: 0.4 }));
  lines.add(event("eval_result", 2, { metrics: { eval_accuracy: 0.7 } }));
  lines.add(begun("seed-4", 1));
  lines.add(event("step_metrics", 3, { loss: 4, learningRate: 0.5 }));
  expect(lines.add(event("warning", 3))).toBe(false);
  expect(lines.names).toEqual(["loss", "learning rate", "eval_accuracy"]);
  expect(lines.of("loss")).toEqual([
    { run: "seed-3", steps: [1, 2], values: [3, 2] },
    { run: "seed-4", steps: [1], values: [4] },
  ]);
  expect(lines.of("eval_accuracy")).toEqual([{ run: "seed-3", steps: [2], values: [0.7] }]);
  expect(lines.of("absent")).toEqual([]);
});
