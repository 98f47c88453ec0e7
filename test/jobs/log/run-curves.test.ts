import { expect, it } from "vitest";
import type { JobEvent, NewJobEvent } from "../../../src/jobs/job-event.ts";
import { runCurves } from "../../../src/jobs/log/run-curves.ts";

const log = (...events: Pick<NewJobEvent, "kind" | "detail">[]): JobEvent[] =>
  events.map((event, i) => ({ summary: "", ...event, sequence: i + 1, timeMs: 1000 * i }));
const step = (at: number, loss: number | null) => ({ kind: "step_metrics" as const, detail: { step: at, loss } });
const told = (events: JobEvent[]) => runCurves(events).map(({ curve, step: at, value }) => [curve, at, value]);

it("a run's curves hold losses and metrics by the names that its own files give them, numbers only", () => {
  const metrics = { kind: "step_metrics" as const, detail: { step: 2, loss: 0.5, learningRate: 1e-4, gradNorm: 3 } };
  const judged = { kind: "eval_result" as const, detail: { step: 2, metrics: { eval_accuracy: 0.75 } } };
  expect(told(log(step(1, null), metrics, judged))).toEqual([
    ["loss", 2, 0.5],
    ["learning_rate", 2, 1e-4],
    ["gradient_norm", 2, 3],
    ["eval_accuracy", 2, 0.75],
  ]);
});

it("steps that a run took again are told once, as it took them the second time", () => {
  const events = log(step(1, 4), step(2, 3), step(3, 9), { kind: "rolled_back" }, step(2, 2), step(3, 1));
  expect(told(events)).toEqual([
    ["loss", 1, 4],
    ["loss", 2, 2],
    ["loss", 3, 1],
  ]);
});

it("the runs of one job have their curves side by side, each over its own steps", () => {
  const begun = (name: string, more: object) => ({
    kind: "repeat_begun" as const,
    detail: { name, count: 2, ...more },
  });
  const first = begun("seed 1", { index: 0, stepsBefore: 0 });
  const second = begun("seed 2", { index: 1, stepsBefore: 10 });
  expect(told(log(first, step(1, 4), step(10, 2), second, step(11, 3)))).toEqual([
    ["seed 1/loss", 1, 4],
    ["seed 1/loss", 10, 2],
    ["seed 2/loss", 1, 3],
  ]);
  const ofEarlierRelease = begun("seed 2", { index: 1 });
  expect(told(log(ofEarlierRelease, step(11, 3)))).toEqual([["seed 2/loss", 11, 3]]);
});
