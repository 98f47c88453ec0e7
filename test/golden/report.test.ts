import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ClassificationHead } from "../../src/model/heads.ts";
import type { EvaluationReport } from "../../src/report/evaluation-report.ts";
import { SingleLabelFigures } from "../../src/report/kinds/single-label.ts";
import { makeReport } from "../../src/report/make-report.ts";
import { likelyLabelErrors } from "../../src/report/rows/label-errors.ts";
import type { ClassificationExample } from "../../src/tasks/datasets/examples.ts";
import type { ClassificationPrediction } from "../../src/tasks/evaluation/prediction.ts";
import { BUNDLED_FIXTURES } from "../support/fixtures.ts";
import { jsonFile } from "./json-lines.ts";

type Numbers = Readonly<Record<string, number>>;

interface SingleCase {
  readonly kind: "single-label";
  readonly labels: number;
  readonly golds: readonly number[];
  readonly probabilities: readonly (readonly number[])[];
  readonly figures: Numbers;
  readonly weights: readonly number[];
  readonly weighted: Numbers;
  readonly classes: readonly Numbers[];
  readonly areas: readonly (Numbers | null)[];
  readonly averages: Readonly<Record<string, Numbers>>;
  readonly confusion: readonly (readonly number[])[];
  readonly calibration: { readonly accuracy: readonly number[]; readonly confidence: readonly number[] };
  readonly suspects: readonly number[];
}

interface MultiCase
  extends Pick<SingleCase, "labels" | "probabilities" | "figures" | "classes" | "areas" | "averages"> {
  readonly kind: "multi-label";
  readonly golds: readonly (readonly number[])[];
}

interface ValueCase {
  readonly kind: "regression";
  readonly golds: readonly number[];
  readonly predicted: readonly number[];
  readonly figures: Numbers;
  readonly quantiles: readonly number[];
  readonly standardDeviation: number;
}

const { cases } = jsonFile<{ cases: readonly (SingleCase | MultiCase | ValueCase)[] }>(
  join(BUNDLED_FIXTURES, "report/golden.json"),
);

/** Rounding alone: the same sums in another order. */
const DIGITS = 9;

function near(actual: Readonly<Record<string, unknown>>, expected: Numbers, what: string): void {
  for (const [name, value] of Object.entries(expected)) {
    expect(actual[name], `${what}: ${name}`).toBeCloseTo(value, DIGITS);
  }
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `label ${i}`);
const headOf = (problemType: ClassificationHead["problemType"], labels: readonly string[]): ClassificationHead => ({
  ...{ kind: "classification", name: "c", problemType, labels },
});
const argmaxOf = (row: readonly number[]) => row.indexOf(Math.max(...row));

function reportOf(
  head: ClassificationHead,
  labels: readonly NonNullable<ClassificationExample["label"]>[],
  rows: readonly Omit<ClassificationPrediction, "id">[],
): Promise<EvaluationReport> {
  return makeReport({
    task: "classification",
    head,
    examples: labels.map((label, i) => ({
      ...{ kind: "classification", id: `${i}`, text: `text ${i}`, label },
      location: { file: "data.csv", line: i + 2, column: 1 },
    })),
    evaluation: { predictions: { kind: "classification", rows: rows.map((row, i) => ({ id: `${i}`, ...row })) } },
  });
}

const figuresOf = ({ figures }: EvaluationReport) =>
  Object.fromEntries(figures.map(({ name, value }) => [name, value]));

function expectClasses(report: EvaluationReport, { classes, areas, averages }: SingleCase | MultiCase): void {
  expect(report.classes).toHaveLength(classes.length);
  for (const [i, expected] of classes.entries()) {
    near({ ...report.classes![i] }, expected, `label ${i}`);
    const area = areas[i];
    if (area) near({ ...report.classes![i] }, area, `areas of label ${i}`);
    else expect(report.classes![i]!.rocAuc).toBeUndefined();
  }
  for (const [name, expected] of Object.entries(averages)) {
    near({ ...report.averages![name as "micro"] }, expected, `${name} average`);
  }
}

describe("figures of a report equal scikit-learn's", () => {
  it.each(cases.flatMap((entry) => (entry.kind === "single-label" ? [entry] : [])))(
    "where each row has one of $labels labels, of all rows and of weighted ones",
    async (entry) => {
      const labels = names(entry.labels);
      const given = entry.probabilities.map(argmaxOf);
      const report = await reportOf(
        headOf("single-label", labels),
        entry.golds.map((gold) => labels[gold]!),
        entry.probabilities.map((probabilities, i) => ({ probabilities, predicted: labels[given[i]!]! })),
      );
      near(figuresOf(report), entry.figures, "all rows");
      expect(Object.keys(figuresOf(report)).sort()).toEqual(Object.keys(entry.figures).sort());
      expectClasses(report, entry);
      const weighted = new SingleLabelFigures({
        labels,
        golds: entry.golds,
        given,
        probabilities: entry.probabilities,
      });
      near(weighted.of(Float64Array.from(entry.weights)), entry.weighted, "weighted rows");
      const cells = entry.confusion.flatMap((row, right) => row.map((count, g) => [right, g, count]));
      expect(report.confusion!.cells).toEqual(cells.filter(([, , count]) => count! > 0));
      expect(report.reliability).toHaveLength(entry.calibration.accuracy.length);
      for (const [i, bin] of report.reliability!.entries()) {
        expect(bin.accuracy).toBeCloseTo(entry.calibration.accuracy[i]!, DIGITS);
        expect(bin.confidence).toBeCloseTo(entry.calibration.confidence[i]!, DIGITS);
      }
      const suspects = likelyLabelErrors(entry.golds, entry.probabilities, entry.labels);
      expect([...suspects].sort((a, b) => a - b)).toEqual(entry.suspects);
      expect(report.labelErrors!.rows).toBe(entry.suspects.length);
      expect(entry.suspects.length).toBeGreaterThan(3);
    },
  );

  it.each(cases.flatMap((entry) => (entry.kind === "multi-label" ? [entry] : [])))(
    "where each row has any of $labels labels",
    async (entry) => {
      const labels = names(entry.labels);
      const report = await reportOf(
        headOf("multi-label", labels),
        entry.golds.map((row) => labels.filter((_, label) => row[label] === 1)),
        entry.probabilities.map((probabilities) => ({
          probabilities,
          predicted: labels.filter((_, label) => probabilities[label]! >= 0.5),
        })),
      );
      near(figuresOf(report), entry.figures, "all rows");
      expectClasses(report, entry);
    },
  );

  it.each(cases.flatMap((entry) => (entry.kind === "regression" ? [entry] : [])))("of values", async (entry) => {
    const report = await reportOf(
      headOf("regression", ["score"]),
      entry.golds,
      entry.predicted.map((value) => ({ probabilities: [value], predicted: value })),
    );
    near(figuresOf(report), entry.figures, "values");
    expect(report.residuals!.standardDeviation).toBeCloseTo(entry.standardDeviation, DIGITS);
    for (const [i, { value }] of report.residuals!.quantiles.entries()) {
      expect(value).toBeCloseTo(entry.quantiles[i]!, DIGITS);
    }
  });
});
