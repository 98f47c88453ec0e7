import { describe, expect, it } from "vitest";
import type { ClassificationHead, Head } from "../../../src/model/heads.ts";
import { type ComparedAnswers, compareAnswers } from "../../../src/report/comparison/model-comparison.ts";
import type { Example } from "../../../src/tasks/datasets/examples.ts";
import type { DatasetPredictions } from "../../../src/tasks/evaluation/prediction.ts";

const HEAD: ClassificationHead = {
  ...{ kind: "classification", name: "mood", problemType: "single-label", labels: ["down", "up"] },
};

const example = (i: number, label: string | number): Example => ({
  ...{ kind: "classification", id: `row-${i}`, text: `text ${i}`, label },
  location: { file: "own.csv", line: i + 2, column: 1 },
});

function answers(name: string, predicted: readonly (string | number)[], head: Head = HEAD): ComparedAnswers {
  const rows = predicted.map((value) => ({ id: "", probabilities: [], predicted: value }));
  return answersTo(name, { kind: "classification", rows }, head);
}

function answersTo(name: string, predictions: DatasetPredictions, head: Head): ComparedAnswers {
  const evaluation = { metrics: {}, predictions, examples: predictions.rows.length, tokens: 0 };
  return { name, digest: name, head, evaluation, seconds: predictions.rows.length / 500, bytes: 2e6 };
}

/** 100 texts, of which every other is up. */
const GOLDS = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? "up" : "down"));
const EXAMPLES = GOLDS.map((label, i) => example(i, label));
const wrongAt = (wrong: (row: number) => boolean) =>
  GOLDS.map((label, i) => (wrong(i) === (label === "up") ? "down" : "up"));

describe("a comparison of two models", () => {
  it("tells which examples one of them answers better, how sure the difference is, and what each costs", () => {
    const before = answers(
      "old@1",
      wrongAt((row) => row < 22),
    );
    const after = answers(
      "new@2",
      wrongAt((row) => row === 99 || row < 2),
    );
    const found = compareAnswers("classification", EXAMPLES, before, after, { rows: 3 });
    expect(found).toMatchObject({
      ...{ metric: "eval_accuracy", examples: 100, better: "after", agreement: 0.79 },
      before: { name: "old@1", value: 0.78, millisecondsPerExample: 2, bytes: 2e6 },
      after: { name: "new@2", value: 0.97 },
      fixed: { rows: 20 },
      broken: {
        rows: 1,
        list: [{ place: "own.csv:101", right: "down", before: "down", after: "up", text: "text 99" }],
      },
    });
    expect(found.fixed.list.map(({ place }) => place)).toEqual(["own.csv:4", "own.csv:5", "own.csv:6"]);
    // 21 examples that exactly one answers right, one of them lost: 2 (1 + 21) / 2^21.
    expect(found.mcnemarP).toBeCloseTo(44 / 2 ** 21, 12);
    expect(found.findings[0]).toMatch(
      /^new@2 is better than old@1 beyond chance: eval_accuracy 0\.78 -> 0\.97 \(difference 0\.\d+ to 0\.\d+ with 95 %, McNemar's exact p below 0\.0001\); of 100 examples 20 are answered better and 1 worse$/,
    );
    expect(found.findings).toContain("both give the same answer to 79.0 % of the examples");
    expect(found.findings.at(-1)).toBe(
      "old@1 takes 2.00 ms an example and 2.0 MB, new@2 2.00 ms an example and 2.0 MB",
    );
    const turned = compareAnswers("classification", EXAMPLES, after, before);
    expect(turned).toMatchObject({ better: "before", fixed: { rows: 1 }, broken: { rows: 20 } });
    expect(turned.findings[0]).toMatch(/^old@1 is worse than new@2 beyond chance/);
  });

  it("calls neither better by a few examples, nor by any number of a few", () => {
    const some = compareAnswers(
      "classification",
      EXAMPLES,
      answers(
        "a",
        wrongAt((row) => row < 5),
      ),
      answers("b", GOLDS),
    );
    expect(some).toMatchObject({ better: "neither", mcnemarP: 2 / 32 });
    expect(some.findings[0]).toMatch(/^no difference between a and b shows beyond chance/);
    const few = EXAMPLES.slice(0, 20);
    const all = compareAnswers(
      "classification",
      few,
      answers("a", wrongAt(() => true).slice(0, 20)),
      answers("b", GOLDS.slice(0, 20)),
    );
    expect(all.better).toBe("neither");
    expect(all.findings).toContain("20 examples decide nothing; at least 50 are needed");
  });

  it("takes labels that the two call otherwise for the same, in an official task", () => {
    const official = { ...HEAD, labels: ["0", "1"] };
    const examples = GOLDS.map((label, i) => example(i, label === "up" ? "1" : "0"));
    const numbers = GOLDS.map((label) => (label === "up" ? "1" : "0"));
    const found = compareAnswers("sst-2", examples, answers("a", GOLDS), answers("b", numbers, official));
    expect(found).toMatchObject({ agreement: 1, before: { value: 1 }, after: { value: 1 }, fixed: { rows: 0 } });
  });

  it("tells values by how near they are, and answers in texts by their F1", () => {
    const head: Head = { ...HEAD, problemType: "regression", labels: ["score"] };
    const examples = [1, 2, 3].map((gold, i) => example(i, gold));
    const values = compareAnswers("sts-b", examples, answers("a", [1, 3, 3], head), answers("b", [1.5, 2.5, 3], head));
    expect(values).toMatchObject({ metric: "pearson", fixed: { rows: 1 }, broken: { rows: 1 } });
    expect(values.agreement).toBeUndefined();
    expect(values.mcnemarP).toBeUndefined();
    const question: Example = {
      ...{ kind: "question", id: "q", question: "who", context: "the red dog", document: "d", isImpossible: false },
      ...{ answers: [{ text: "red dog", answerStart: 4 }], location: { file: "q.json", line: 1, column: 1 } },
    };
    const span: Head = { kind: "span", name: "span" };
    const said = (name: string, text: string) => {
      const row = { id: "q", nBest: [{ text, probability: 1, start_log_prob: 0, end_log_prob: 0 }] };
      return answersTo(name, { kind: "questions", rows: [row], nullThreshold: null }, span);
    };
    const texts = compareAnswers("squad-v1", [question], said("a", "dog"), said("b", "red dog"));
    expect(texts).toMatchObject({ metric: "f1", fixed: { rows: 1, list: [{ before: "dog", after: "red dog" }] } });
    expect(() => compareAnswers("squad-v1", [question], said("a", "dog"), answers("b", ["up"]))).toThrow(
      /after: answers otherwise than what it is compared with \(single-label, not span\)/,
    );
  });
});
