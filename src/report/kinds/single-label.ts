import { invariant } from "../../errors.ts";
import type { ClassificationHead } from "../../model/heads.ts";
import { type Example, labelIdOf, type TaskName } from "../../tasks/datasets/examples.ts";
import type { ClassificationPrediction } from "../../tasks/evaluation/prediction.ts";
import type { Confusion } from "../evaluation-report.ts";
import { averagesOf, type ClassCounts, emptyCounts, matthewsOf, scoresAt } from "../figures/class-counts.ts";
import { classFigures } from "../figures/class-figures.ts";
import { type Ranking, rankingAreas, rankingCurves, rankingOf } from "../figures/ranking.ts";
import { coverageOf, reliabilityBins, weightedCalibrationError } from "../figures/reliability.ts";
import { column, lossOf, meanOfFinite } from "../figures/row-values.ts";
import { thresholdTable } from "../figures/thresholds.ts";
import type { JudgedRow } from "../rows/judged-row.ts";
import { likelyLabelErrors } from "../rows/label-errors.ts";
import type { ReportPart } from "./part.ts";

// Texts or pairs with one label each.

/** Labels and probabilities of rows with one label each. */
export interface LabelledRows {
  readonly labels: readonly string[];
  /** [rows] */
  readonly golds: readonly number[];
  /** [rows] */
  readonly given: readonly number[];
  /** [rows][labels] */
  readonly probabilities: readonly (readonly number[])[];
}

/** Curves of more labels than these are not drawn. */
const MOST_CURVES = 10;

/** The part of a report about texts or pairs with one label each. */
export function singleLabelPart(
  examples: readonly Example[],
  predictions: readonly ClassificationPrediction[],
  head: ClassificationHead,
  task: TaskName,
): ReportPart {
  const rows: JudgedRow[] = [];
  const golds: number[] = [];
  const given: number[] = [];
  const probabilities: (readonly number[])[] = [];
  examples.forEach((example, i) => {
    invariant(example.kind === "classification", "labels are given to texts");
    if (example.label === undefined) return;
    const prediction = predictions[i]!;
    const gold = labelIdOf(String(example.label), head, task);
    const predicted = head.labels.indexOf(String(prediction.predicted));
    const [first = 0, second = 0] = [...prediction.probabilities].sort((a, b) => b - a);
    golds.push(gold);
    given.push(predicted);
    probabilities.push(prediction.probabilities);
    rows.push({
      example,
      right: head.labels[gold]!,
      predicted: head.labels[predicted]!,
      score: gold === predicted ? 1 : 0,
      isRight: gold === predicted,
      loss: lossOf(prediction.probabilities[gold]!),
      confidence: prediction.probabilities[predicted]!,
      margin: first - second,
    });
  });
  const data = { labels: head.labels, golds, given, probabilities };
  const figures = new SingleLabelFigures(data);
  const { labels } = head;
  return {
    kind: "single-label",
    rows,
    measure: "accuracy",
    dimensions: [{ name: "label", propertyOf: ({ right }) => right }],
    steps: rows.length * (3 + 2 * labels.length),
    figures: (weights) => figures.of(weights),
    suspects: likelyLabelErrors(golds, probabilities, labels.length),
    tables: {
      ...figures.tables(),
      confusion: confusionOf(data),
      ...(labels.length === 2
        ? { thresholds: [thresholdTable(labels[1]!, column(probabilities, 1), truthsOf(golds, 1))] }
        : {}),
    },
  };
}

/** Everything that is computed of such rows, for any weights of theirs. */
export class SingleLabelFigures {
  readonly #data: LabelledRows;
  readonly #rankings: readonly Ranking[];
  readonly #right: Uint8Array;
  readonly #confidence: Float64Array;
  readonly #loss: Float64Array;
  readonly #squares: Float64Array;

  constructor(data: LabelledRows) {
    this.#data = data;
    const { labels, golds, given, probabilities } = data;
    this.#rankings = labels.map((_, label) => rankingOf(column(probabilities, label), truthsOf(golds, label)));
    this.#right = Uint8Array.from(golds, (gold, row) => (gold === given[row] ? 1 : 0));
    this.#confidence = Float64Array.from(given, (label, row) => probabilities[row]![label]!);
    this.#loss = Float64Array.from(golds, (gold, row) => lossOf(probabilities[row]![gold]!));
    this.#squares = Float64Array.from(golds, (gold, row) => brierOf(probabilities[row]!, gold));
  }

  of(weights: Float64Array): Record<string, number> {
    const { labels } = this.#data;
    const counts = this.#counts(weights);
    const { macro, weighted } = averagesOf(counts, false);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const mean = (values: ArrayLike<number>) =>
      weights.reduce((sum, weight, row) => sum + weight * values[row]!, 0) / total;
    // Of two labels either one's ranking is the other's in reverse; the second is the one that is looked for.
    const rankings = labels.length === 2 ? this.#rankings.slice(1) : this.#rankings;
    const areas = rankings.map((ranking) => rankingAreas(ranking, weights));
    return {
      eval_accuracy: mean(this.#right),
      ...(labels.length === 2 ? { f1: scoresAt(counts, 1).f1 } : {}),
      f1_macro: macro.f1,
      f1_weighted: weighted.f1,
      matthew_corr: matthewsOf(counts),
      roc_auc: meanOfFinite(areas.map(({ rocAuc }) => rocAuc)),
      average_precision: meanOfFinite(areas.map(({ averagePrecision }) => averagePrecision)),
      eval_loss: mean(this.#loss),
      brier: mean(this.#squares),
      expected_calibration_error: weightedCalibrationError(this.#answers, weights),
    };
  }

  tables() {
    const { labels, golds } = this.#data;
    const each = new Float64Array(golds.length).fill(1);
    const counts = this.#counts(each);
    const drawn = labels.length === 2 ? [1] : labels.length <= MOST_CURVES ? labels.map((_, id) => id) : [];
    return {
      classes: classFigures(labels, counts, this.#rankings, each),
      averages: averagesOf(counts, false),
      reliability: reliabilityBins(this.#answers),
      coverage: coverageOf(this.#answers),
      curves: drawn.flatMap((id) => rankingCurves(labels[id]!, this.#rankings[id]!) ?? []),
    };
  }

  get #answers() {
    return { confidence: this.#confidence, right: this.#right };
  }

  #counts(weights: Float64Array): ClassCounts {
    const { labels, golds, given } = this.#data;
    const counts = emptyCounts(labels.length);
    for (let row = 0; row < golds.length; row++) {
      const weight = weights[row]!;
      counts.actual[golds[row]!]! += weight;
      counts.predicted[given[row]!]! += weight;
      if (golds[row] === given[row]) counts.hits[golds[row]!]! += weight;
    }
    return counts;
  }
}

function confusionOf({ labels, golds, given }: LabelledRows): Confusion {
  const cells = new Map<number, number>();
  golds.forEach((gold, row) => {
    const cell = gold * labels.length + given[row]!;
    cells.set(cell, (cells.get(cell) ?? 0) + 1);
  });
  const ordered = [...cells].sort(([a], [b]) => a - b);
  return {
    labels,
    cells: ordered.map(([cell, rows]) => [Math.floor(cell / labels.length), cell % labels.length, rows]),
  };
}

/** Brier's score of one row: squared distances over all labels; of two labels, that of one, so that it is 0 to 1. */
function brierOf(probabilities: readonly number[], gold: number): number {
  const sum = probabilities.reduce((total, value, label) => total + (value - (label === gold ? 1 : 0)) ** 2, 0);
  return probabilities.length === 2 ? sum / 2 : sum;
}

function truthsOf(golds: readonly number[], label: number): Uint8Array {
  return Uint8Array.from(golds, (gold) => (gold === label ? 1 : 0));
}
