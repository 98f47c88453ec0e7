import { describe, expect, it } from "vitest";
import {
  accuracy,
  argmax,
  classScores,
  confusionMatrix,
  crossEntropy,
  macroScores,
  matthewsCorrelation,
} from "../../src/tasks/metrics/classification-metrics.ts";
import {
  meanSquaredError,
  pearsonCorrelation,
  spearmanCorrelation,
} from "../../src/tasks/metrics/regression-metrics.ts";
import { fixture, missing } from "../support/fixtures.ts";
import { jsonFile } from "./json-lines.ts";

interface MetricCase {
  readonly name: string;
  readonly kind: "classification" | "regression";
  readonly num_labels: number;
  readonly labels: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly predictions: readonly number[];
  readonly is_real_example: readonly number[];
  readonly official: Readonly<Record<string, number | null>>;
  readonly reference: Readonly<Record<string, number | null | object>>;
}

const golden = fixture("metrics/golden.json");
const cases = golden === undefined ? [] : jsonFile<MetricCase[]>(golden);

function expectNear(actual: number, expected: unknown, tolerance: number, what: string): void {
  if (expected === null) {
    expect(actual, what).toBeNaN();
    return;
  }
  if (typeof expected !== "number") throw new Error(`${what} is no number`);
  const error = Math.abs(actual - expected) / Math.max(1, Math.abs(expected));
  expect(error, `${what}: ${actual} for ${expected}`).toBeLessThanOrEqual(tolerance);
}

describe.skipIf(missing("metrics", golden))("metrics", () => {
  it.each(cases.filter(({ kind }) => kind === "classification"))(
    "of $name equal the official and reference ones",
    (entry) => {
      const real = entry.is_real_example.flatMap((weight, i) => (weight > 0 ? [i] : []));
      const labels = real.map((i) => entry.labels[i]!);
      const logits = real.map((i) => entry.logits[i]!);
      const predictions = logits.map(argmax);
      expect(entry.logits.map(argmax)).toEqual(entry.predictions);
      const counts = confusionMatrix(labels, predictions, entry.num_labels);
      const macro = macroScores(counts);
      const binary = classScores(counts, 1);
      const loss = logits.reduce((sum, row, i) => sum + crossEntropy(row, labels[i]!), 0) / labels.length;
      const official: Record<string, number> = {
        eval_accuracy: accuracy(labels, predictions),
        eval_loss: loss,
        matthew_corr: matthewsCorrelation(counts),
      };
      for (const [name, value] of Object.entries(entry.official)) expectNear(official[name]!, value, 1e-5, name);
      const reference: Record<string, number> = {
        accuracy: official["eval_accuracy"]!,
        matthews: official["matthew_corr"]!,
        f1_macro: macro.f1,
        precision_macro: macro.precision,
        recall_macro: macro.recall,
        f1_binary: binary.f1,
        precision_binary: binary.precision,
        recall_binary: binary.recall,
      };
      for (const [name, value] of Object.entries(entry.reference)) {
        if (name === "confusion") {
          expect({ tn: counts[0]![0], fp: counts[0]![1], fn: counts[1]![0], tp: counts[1]![1] }).toEqual(value);
        } else expectNear(reference[name]!, value, 1e-9, name);
      }
    },
  );

  it.each(cases.filter(({ kind }) => kind === "regression"))(
    "of $name equal the official and reference ones",
    (entry) => {
      const real = entry.is_real_example.flatMap((weight, i) => (weight > 0 ? [i] : []));
      const labels = real.map((i) => entry.labels[i]!);
      const predictions = real.map((i) => entry.predictions[i]!);
      const mse = meanSquaredError(labels, predictions);
      const pearson = pearsonCorrelation(labels, predictions);
      const official: Record<string, number> = { pearson, MSE: mse, eval_loss: mse };
      for (const [name, value] of Object.entries(entry.official)) expectNear(official[name]!, value, 1e-5, name);
      const reference: Record<string, number> = { pearson, spearman: spearmanCorrelation(labels, predictions), mse };
      for (const [name, value] of Object.entries(entry.reference)) {
        if (name in reference) expectNear(reference[name]!, value, 1e-9, name);
      }
    },
  );
});
