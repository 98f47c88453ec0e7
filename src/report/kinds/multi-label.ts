import { invariant } from "../../errors.ts";
import type { ClassificationHead } from "../../model/heads.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import type { ClassificationPrediction } from "../../tasks/evaluation/prediction.ts";
import { averagesOf, type ClassCounts, emptyCounts } from "../figures/class-counts.ts";
import { classFigures } from "../figures/class-figures.ts";
import { type Ranking, rankingAreas, rankingCurves, rankingOf } from "../figures/ranking.ts";
import { column, lossOf, meanOfFinite } from "../figures/row-values.ts";
import { thresholdTable } from "../figures/thresholds.ts";
import type { JudgedRow } from "../rows/judged-row.ts";
import type { ReportPart } from "./part.ts";

/** Threshold tables and curves of more labels than these are left out. */
const MOST_TABLES = 20;

/** The part of a report about texts with any number of labels each. */
export function multiLabelPart(
  examples: readonly Example[],
  predictions: readonly ClassificationPrediction[],
  { labels }: ClassificationHead,
): ReportPart {
  const rows: JudgedRow[] = [];
  const truths: Uint8Array[] = [];
  const given: Uint8Array[] = [];
  const probabilities: (readonly number[])[] = [];
  examples.forEach((example, i) => {
    invariant(example.kind === "classification", "labels are given to texts");
    if (example.label === undefined) return;
    const names = Array.isArray(example.label) ? example.label : [String(example.label)];
    const { predicted, probabilities: own } = predictions[i]!;
    const chosen = Array.isArray(predicted) ? predicted : [];
    const truth = membership(labels, names);
    const choice = membership(labels, chosen);
    truths.push(truth);
    given.push(choice);
    probabilities.push(own);
    const isRight = truth.every((value, label) => value === choice[label]);
    rows.push({
      example,
      right: namesOf(names),
      predicted: namesOf(chosen),
      score: isRight ? 1 : 0,
      isRight,
      loss: own.reduce((sum, p, label) => sum + lossOf(truth[label] === 1 ? p : 1 - p), 0) / labels.length,
      margin: 2 * Math.min(...own.map((probability) => Math.abs(probability - 0.5))),
    });
  });
  const figures = new MultiLabelFigures({ labels, truths, given, probabilities });
  return {
    kind: "multi-label",
    rows,
    measure: "accuracy",
    dimensions: [
      { name: "number of labels", propertyOf: (row) => (row.right === NONE ? 0 : row.right.split(", ").length) },
    ],
    steps: rows.length * (3 + 4 * labels.length),
    figures: (weights) => figures.of(weights),
    tables: figures.tables(),
  };
}

const NONE = "(none)";

function namesOf(labels: readonly string[]): string {
  return labels.length === 0 ? NONE : [...labels].sort().join(", ");
}

function membership(labels: readonly string[], names: readonly string[]): Uint8Array {
  return Uint8Array.from(labels, (label) => (names.includes(label) ? 1 : 0));
}

/** Everything that is computed of such rows, for any weights of theirs. */
class MultiLabelFigures {
  readonly #labels: readonly string[];
  readonly #truths: readonly Uint8Array[];
  readonly #given: readonly Uint8Array[];
  readonly #probabilities: readonly (readonly number[])[];
  readonly #rankings: readonly Ranking[];

  constructor(data: {
    readonly labels: readonly string[];
    /** [rows][labels] 1 where a row has a label */
    readonly truths: readonly Uint8Array[];
    /** [rows][labels] 1 where it is given it */
    readonly given: readonly Uint8Array[];
    /** [rows][labels] */
    readonly probabilities: readonly (readonly number[])[];
  }) {
    this.#labels = data.labels;
    this.#truths = data.truths;
    this.#given = data.given;
    this.#probabilities = data.probabilities;
    this.#rankings = data.labels.map((_, label) => rankingOf(column(data.probabilities, label), this.#truthsOf(label)));
  }

  of(weights: Float64Array): Record<string, number> {
    const counts = this.#counts(weights);
    const averages = averagesOf(counts, true);
    const areas = this.#rankings.map((ranking) => rankingAreas(ranking, weights));
    let [total, exact, loss, squares] = [0, 0, 0, 0];
    weights.forEach((weight, row) => {
      if (weight === 0) return;
      const truth = this.#truths[row]!;
      let wrong = 0;
      this.#labels.forEach((_, label) => {
        const probability = this.#probabilities[row]![label]!;
        loss += weight * lossOf(truth[label] === 1 ? probability : 1 - probability);
        squares += weight * (probability - truth[label]!) ** 2;
        if (truth[label] !== this.#given[row]![label]) wrong++;
      });
      total += weight;
      if (wrong === 0) exact += weight;
    });
    const cells = total * this.#labels.length;
    return {
      eval_accuracy: exact / total,
      f1_micro: averages.micro.f1,
      f1_macro: averages.macro.f1,
      f1_weighted: averages.weighted.f1,
      roc_auc: meanOfFinite(areas.map(({ rocAuc }) => rocAuc)),
      average_precision: meanOfFinite(areas.map(({ averagePrecision }) => averagePrecision)),
      eval_loss: loss / cells,
      brier: squares / cells,
    };
  }

  tables() {
    const each = new Float64Array(this.#truths.length).fill(1);
    const counts = this.#counts(each);
    const shown = this.#labels.length <= MOST_TABLES ? this.#labels : [];
    return {
      classes: classFigures(this.#labels, counts, this.#rankings, each),
      averages: averagesOf(counts, true),
      thresholds: shown.map((label, id) => thresholdTable(label, column(this.#probabilities, id), this.#truthsOf(id))),
      curves: shown.flatMap((label, id) => rankingCurves(label, this.#rankings[id]!) ?? []),
    };
  }

  #truthsOf(label: number): Uint8Array {
    return Uint8Array.from(this.#truths, (row) => row[label]!);
  }

  #counts(weights: Float64Array): ClassCounts {
    const counts = emptyCounts(this.#labels.length);
    weights.forEach((weight, row) => {
      if (weight === 0) return;
      const truth = this.#truths[row]!;
      const given = this.#given[row]!;
      for (let label = 0; label < truth.length; label++) {
        counts.actual[label]! += weight * truth[label]!;
        counts.predicted[label]! += weight * given[label]!;
        counts.hits[label]! += weight * truth[label]! * given[label]!;
      }
    });
    return counts;
  }
}
