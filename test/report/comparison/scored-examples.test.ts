import { describe, expect, it } from "vitest";
import type { ClassificationHead, ProblemType } from "../../../src/model/heads.ts";
import { totals } from "../../../src/report/comparison/compare.ts";
import { type Scored, scoreExamples } from "../../../src/report/comparison/scored-examples.ts";
import type { ClassificationExample, Example, TaskName } from "../../../src/tasks/datasets/examples.ts";
import type { DatasetPredictions } from "../../../src/tasks/evaluation/prediction.ts";

const base = { id: "", location: { file: "f", line: 1, column: 1 } };
const labelled = (label: NonNullable<ClassificationExample["label"]>): Example => ({
  ...base,
  kind: "classification",
  text: "t",
  label,
});
const headOf = (problemType: ProblemType, labels: readonly string[]): ClassificationHead => ({
  kind: "classification",
  name: "c",
  problemType,
  labels,
});

function scored(
  task: TaskName,
  examples: readonly Example[],
  predictions: DatasetPredictions,
  head?: ClassificationHead,
): { readonly name: string; readonly value: number; readonly right: readonly number[] | undefined } {
  const evaluation = { metrics: {}, predictions, examples: examples.length, tokens: 0 };
  const { metric, set }: Scored = scoreExamples(task, examples, evaluation, head);
  expect(set.examples).toBe(examples.length);
  const right = set.right === undefined ? undefined : [...set.right];
  return { name: metric.name, value: metric.value(totals(set, metric.width)), right };
}

const classified = (...predicted: (string | readonly string[] | number)[]): DatasetPredictions => ({
  kind: "classification",
  rows: predicted.map((found) => ({ id: "", probabilities: [], predicted: found })),
});

describe("what an example contributes to its task's metric", () => {
  it("is whether its choice is right", () => {
    const choice = (answer?: number): Example => ({
      ...base,
      kind: "choice",
      question: "q",
      context: "c",
      choices: ["a", "b"],
      document: "d",
      ...(answer === undefined ? {} : { answer }),
    });
    const predictions: DatasetPredictions = {
      kind: "choices",
      rows: [0, 1, 1, 0].map((predicted) => ({ id: "", probabilities: [], predicted })),
    };
    expect(scored("race", [choice(0), choice(0), choice(1), choice(0)], predictions)).toEqual({
      name: "eval_accuracy",
      value: 0.75,
      right: [1, 0, 1, 1],
    });
    expect(() => scored("race", [choice(0), choice(), choice(1), choice(0)], predictions)).toThrow(
      /example 2 has no right answer/,
    );
  });

  it("is whether its label is right, and all of its labels", () => {
    const single = headOf("single-label", ["a", "b"]);
    expect(scored("classification", ["a", "b", "a"].map(labelled), classified("a", "b", "b"), single)).toEqual({
      name: "eval_accuracy",
      value: 2 / 3,
      right: [1, 1, 0],
    });
    const several = [["b", "a"], ["a"], []].map(labelled);
    const multi = headOf("multi-label", ["a", "b"]);
    expect(scored("classification", several, classified(["a", "b"], ["a", "b"], []), multi)).toMatchObject({
      right: [1, 0, 1],
    });
  });

  it("adds up to Matthews' correlation where that is the task's metric", () => {
    // tp 2, tn 1, fp 1, fn 0: (2 * 1 - 1 * 0) / sqrt(3 * 2 * 2 * 1)
    const examples = ["1", "1", "0", "0"].map(labelled);
    const found = scored("cola", examples, classified("1", "1", "0", "1"), headOf("single-label", ["0", "1"]));
    expect(found).toMatchObject({ name: "matthew_corr", right: [1, 1, 1, 0] });
    expect(found.value).toBeCloseTo(2 / Math.sqrt(12), 12);
  });

  it("adds up to Pearson's correlation for a regression, and to 0 where nothing varies", () => {
    const examples = [1, 2, 3].map(labelled);
    const head = headOf("regression", ["score"]);
    expect(scored("sts-b", examples, classified(2, 4, 6), head).value).toBeCloseTo(1, 12);
    expect(scored("sts-b", examples, classified(1, 3, 2), head).value).toBeCloseTo(0.5, 12);
    expect(scored("sts-b", examples, classified(2, 2, 2), head)).toEqual({
      name: "pearson",
      value: 0,
      right: undefined,
    });
  });

  it("is the F1 of its answer, given or withheld by the threshold", () => {
    const question = (...answers: string[]): Example => ({
      ...base,
      kind: "question",
      question: "q",
      context: "c",
      answers: answers.map((text) => ({ text, answerStart: 0 })),
      isImpossible: answers.length === 0,
      document: "d",
    });
    const row = (text: string, nullScore: number) => ({
      id: "",
      nullScore,
      nBest: [{ text, probability: 1, startLogit: 0, endLogit: 0 }],
    });
    const predictions = {
      kind: "questions",
      rows: [row("red house", 0), row("red house", 2), row("house", 2)],
      nullThreshold: 1,
    } as unknown as DatasetPredictions;
    const found = scored("squad-v2", [question("house"), question(), question("house")], predictions);
    expect(found.name).toBe("f1");
    expect(found.value).toBeCloseTo((100 * (2 / 3) + 100 + 0) / 3, 10);
  });
});
