import { describe, expect, it } from "vitest";
import type { Head } from "../../../src/model/heads.ts";
import type { Example } from "../../../src/tasks/datasets/examples.ts";
import {
  compareAverages,
  compareWithBaseline,
  lookAtLosses,
  trivialBaseline,
} from "../../../src/training/evaluation/findings.ts";
import type { TaskData } from "../../../src/training/features/task-data.ts";

const location = { file: "rows.csv", line: 1, column: 1 };
const rows = (labels: readonly (string | number | readonly string[])[]): TaskData => ({
  digest: "d",
  count: labels.length,
  examples: async function* () {
    for (const [i, label] of labels.entries()) {
      yield { kind: "classification", id: String(i), location, text: "t", label } satisfies Example;
    }
  },
});
const repeated = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);
const head = (problemType: "single-label" | "multi-label" | "regression"): Head => ({
  name: "c",
  kind: "classification",
  problemType,
  labels: problemType === "regression" ? ["score"] : ["a", "b"],
});

describe("a run's trivial baseline", () => {
  it("is the training data's most frequent label, counted on the evaluation data", async () => {
    const train = rows([...repeated(60, "a"), ...repeated(40, "b")]);
    const evaluation = rows([...repeated(30, "a"), ...repeated(70, "b")]);
    const baseline = await trivialBaseline(head("single-label"), train, evaluation);
    expect(baseline).toMatchObject({ predictor: 'always "a"', metric: "eval_accuracy", value: 0.3 });
    expect(baseline!.noise).toBeCloseTo(2 * Math.sqrt((0.3 * 0.7) / 100), 10);
  });

  it("is the most frequent set of labels, the mean value, or any choice", async () => {
    const sets = rows([["b", "a"], ["a", "b"], ["a"]]);
    expect(await trivialBaseline(head("multi-label"), sets, sets)).toMatchObject({ value: 2 / 3 });
    const values = rows([1, 2, 3, 4]);
    const regression = await trivialBaseline(head("regression"), values, values);
    expect(regression).toMatchObject({ metric: "pearson", value: 0, noise: 1 });
    expect(await trivialBaseline({ name: "s", kind: "span" }, values, values)).toBeUndefined();
  });

  it("is told of where a run is not clearly above it", () => {
    const baseline = { predictor: 'always "a"', metric: "eval_accuracy", value: 0.3, noise: 0.09 };
    expect(compareWithBaseline(baseline, { eval_accuracy: 0.356 })).toMatchObject({
      reason: "TRIVIAL_BASELINE",
      message: expect.stringMatching(/eval_accuracy 0\.356 is within noise of always "a" \(0\.3\).*learning_rate/),
    });
    expect(compareWithBaseline(baseline, { eval_accuracy: 0.98 })).toBeUndefined();
    const mean = { predictor: "the mean value", metric: "pearson", value: 0, noise: 0.1 };
    expect(compareWithBaseline(mean, { pearson: Number.NaN })?.message).toMatch(/pearson has no value/);
    expect(compareWithBaseline(mean, { pearson: -0.4 })).toBeDefined();
  });
});

describe("a run's losses", () => {
  const noisy = (of: (share: number) => number) =>
    Array.from({ length: 200 }, (_, i) => of(i / 200) + 0.05 * Math.sin(i * 12.9898));

  it("that still fall at the end are told of", () => {
    expect(lookAtLosses(noisy((share) => 1.6 - share))).toMatchObject({ reason: "STILL_IMPROVING" });
  });

  it("that have settled are not, nor those of a run that has learnt nearly all, nor too few", () => {
    expect(lookAtLosses(noisy((share) => (share < 0.5 ? 1.6 - 2 * share : 0.6)))).toBeUndefined();
    expect(lookAtLosses(noisy((share) => 1.6 * Math.exp(-6 * share)))).toBeUndefined();
    expect(lookAtLosses([1.6, 1.4, 1.2, 1])).toBeUndefined();
  });
});

describe("averaged weights", () => {
  it("that score much unlike the plain ones are told of", () => {
    expect(compareAverages("eval_accuracy", 0.6, 0.9)?.message).toMatch(/0\.6 with the averaged.*0\.9 with the plain/);
    expect(compareAverages("eval_accuracy", 0.9, 0.91)).toBeUndefined();
    expect(compareAverages("pearson", undefined, 0.9)).toBeUndefined();
  });
});
