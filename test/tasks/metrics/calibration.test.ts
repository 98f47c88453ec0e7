import { describe, expect, it } from "vitest";
import { invalidInput } from "../../../src/errors.ts";
import type { ClassificationHead } from "../../../src/model/heads.ts";
import { labelAnswer } from "../../../src/tasks/classification/classification.ts";
import {
  atTemperature,
  bestThreshold,
  expectedCalibrationError,
  f1Of,
  fitTemperature,
  logLoss,
} from "../../../src/tasks/metrics/calibration.ts";
import { argmax } from "../../../src/tasks/metrics/classification-metrics.ts";

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Rows of logits whose labels are drawn from their softmax at a temperature: a model that is surer than it should be by that. */
function overconfident(count: number, temperature: number, seed: number) {
  const random = randomNumbers(seed);
  const logits = Array.from({ length: count }, () => Array.from({ length: 3 }, () => 8 * (random() - 0.5)));
  const labels = logits.map((row) => {
    const shares = atTemperature(row, temperature);
    return drawn(shares, random());
  });
  return { logits, labels };
}

/** The index in whose share of the way from 0 to 1 a point lies. */
function drawn(shares: readonly number[], point: number): number {
  let passed = 0;
  const index = shares.findIndex((share) => {
    passed += share;
    return point < passed;
  });
  return Math.max(0, index);
}

const rowsAt = (logits: readonly number[][], temperature: number) =>
  logits.map((row) => atTemperature(row, temperature));

describe("a temperature", () => {
  it.each([0.5, 1, 3])("is found where labels are drawn at %s, and mends the probabilities of other rows", (truth) => {
    const seen = overconfident(4000, truth, 1);
    const unseen = overconfident(4000, truth, 2);
    const temperature = fitTemperature(seen.logits, seen.labels);
    expect(Math.abs(temperature / truth - 1)).toBeLessThan(0.06);
    const error = (at: number) => expectedCalibrationError(rowsAt(unseen.logits, at), unseen.labels);
    const loss = (at: number) => logLoss(rowsAt(unseen.logits, at), unseen.labels);
    expect(error(temperature)).toBeLessThan(0.03);
    if (truth !== 1) {
      expect(error(temperature)).toBeLessThan(error(1) / 3);
      expect(loss(temperature)).toBeLessThan(loss(1));
    }
  });

  it("has the smallest loss of all", () => {
    const { logits, labels } = overconfident(300, 2, 3);
    const temperature = fitTemperature(logits, labels);
    const loss = (at: number) => logLoss(rowsAt(logits, at), labels);
    for (const factor of [0.5, 0.95, 1.05, 2]) expect(loss(temperature)).toBeLessThan(loss(factor * temperature));
  });

  it("stays within bounds where every row is right, or every row wrong", () => {
    const logits = [
      [3, 0],
      [0, 2],
    ];
    expect(fitTemperature(logits, [0, 1])).toBeLessThan(0.06);
    expect(fitTemperature(logits, [1, 0])).toBeCloseTo(20, 4);
  });

  it("changes no answer of a head, only its probabilities", () => {
    const head: ClassificationHead = {
      ...{ kind: "classification", name: "mood", problemType: "single-label" },
      labels: ["a", "b", "c"],
    };
    const { logits } = overconfident(50, 1, 4);
    for (const row of logits) {
      const at = (temperature?: number) => {
        const answer = labelAnswer(Float32Array.from(row), temperature === undefined ? head : { ...head, temperature });
        if (answer.kind === "regression") throw invalidInput([]);
        return answer.labels;
      };
      expect(at(2.5).map(({ label, logit }) => [label, logit])).toEqual(at().map(({ label, logit }) => [label, logit]));
      const expected = atTemperature([...Float32Array.from(row)], 2.5);
      expect(at(2.5)[0]!.label).toBe(head.labels[argmax(row)]);
      for (const { label, probability } of at(2.5)) {
        expect(probability).toBeCloseTo(expected[head.labels.indexOf(label)]!, 12);
      }
    }
  });
});

describe("a threshold", () => {
  it("has the best F1 of all, and lies between two rows", () => {
    const random = randomNumbers(5);
    for (let round = 0; round < 50; round++) {
      const scores = Array.from({ length: 30 }, () => Math.round(random() * 20) / 20);
      const truths = scores.map((score) => random() < 0.15 + 0.5 * score);
      const f1 = (threshold: number) =>
        f1Of(
          scores.map((score) => score >= threshold),
          truths,
        );
      const threshold = bestThreshold(scores, truths);
      const best = Math.max(...[...scores, 0, 1].map(f1));
      expect(f1(threshold)).toBe(best);
      if (truths.some(Boolean) && threshold > 0) expect(scores).not.toContain(threshold);
    }
  });

  it("is a half where no row is true, and each label of a head has its own", () => {
    expect(bestThreshold([0.2, 0.9], [false, false])).toBe(0.5);
    const head: ClassificationHead = {
      ...{ kind: "classification", name: "topics", problemType: "multi-label" },
      ...{ labels: ["art", "law"], thresholds: [0.9, 0.2] },
    };
    const given = (threshold?: number) => {
      const answer = labelAnswer(Float32Array.of(1, -1), head, threshold === undefined ? {} : { threshold });
      return answer.kind === "regression" ? [] : answer.labels.map(({ label }) => label);
    };
    expect(given()).toEqual(["law"]); // sigmoid(1) = 0.73, sigmoid(-1) = 0.27
    expect(given(0.5)).toEqual(["art"]);
    expect(given(0)).toEqual(["art", "law"]);
  });
});

it("of two labels, one a text, decides which is the answer, whichever is more probable, and comes first", () => {
  const head: ClassificationHead = {
    ...{ kind: "classification", name: "spam", problemType: "single-label" },
    ...{ labels: ["ham", "spam"], thresholds: [0.8, 0.2] },
  };
  const answered = (spam: number, topK?: number) => {
    const answer = labelAnswer(
      Float32Array.of(0, Math.log(spam / (1 - spam))),
      head,
      topK === undefined ? {} : { topK },
    );
    return answer.kind === "regression" ? [] : answer.labels.map(({ label }) => label);
  };
  expect(answered(0.1)).toEqual(["ham", "spam"]);
  expect(answered(0.3)).toEqual(["spam", "ham"]);
  expect(answered(0.9)).toEqual(["spam", "ham"]);
  expect(answered(0.3, 1)).toEqual(["spam"]);
});

it("the calibration error is the distance from confidence to frequency, and the log-loss that of the right label", () => {
  const rows = [
    [0.8, 0.2],
    [0.8, 0.2],
    [0.2, 0.8],
    [0.45, 0.55],
  ];
  // Three rows say 0.8, two of them are right; one says 0.55 and is wrong.
  expect(expectedCalibrationError(rows, [0, 0, 0, 0])).toBeCloseTo((Math.abs(2.4 - 2) + 0.55) / 4, 12);
  expect(logLoss(rows, [0, 1, 1, 0])).toBeCloseTo(-Math.log(0.8 * 0.2 * 0.8 * 0.45) / 4, 12);
});
