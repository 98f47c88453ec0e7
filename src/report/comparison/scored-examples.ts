import { invalidInput, invariant } from "../../errors.ts";
import type { ClassificationHead } from "../../model/heads.ts";
import { type Example, labelIdOf, type TaskName } from "../../tasks/datasets/examples.ts";
import { selectionMetricOf } from "../../tasks/evaluation/evaluate-dataset.ts";
import type { DatasetEvaluation, RetrievalPrediction } from "../../tasks/evaluation/prediction.ts";
import { matthewsCorrelation } from "../../tasks/metrics/classification-metrics.ts";
import { answerScores } from "../../tasks/metrics/squad-metrics.ts";
import { predictedText } from "../../tasks/question-answering/squad-predictions.ts";
import type { GateMetric, ScoredSet } from "./compare.ts";

// What each example contributes to the metric of its task, so that `compare.ts` can sample examples.

/** A model's answers in the terms of the metric that decides. */
export interface Scored {
  readonly metric: GateMetric;
  readonly set: ScoredSet;
}

/**
 * Breaks an evaluation into what each example contributes to the metric of its task: accuracy for most, Matthews'
 * correlation for CoLA, Pearson's for a regression, F1 for questions, the reciprocal rank for pairs.
 *
 * @param examples  those that were evaluated, in order
 * @param head      the classification head that answered; absent for other tasks
 * @throws AlbertError invalid-input (field "dataset") when an example has no right answer to compare with
 */
export function scoreExamples(
  task: TaskName,
  examples: readonly Example[],
  { predictions }: DatasetEvaluation,
  head: ClassificationHead | undefined,
): Scored {
  switch (predictions.kind) {
    case "questions":
      return meanOf("f1", 100, predictions.rows, (row, i) => {
        const example = examples[i]!;
        invariant(example.kind === "question", "questions have question examples");
        const golds = example.answers.map(({ text }) => text);
        const version = predictions.nullThreshold === null ? "v1.1" : "v2.0";
        return 100 * answerScores(predictedText(row, predictions.nullThreshold), golds, version).f1;
      });
    case "choices":
      return accuracyOf(predictions.rows, (row, i) => {
        const example = examples[i]!;
        invariant(example.kind === "choice", "choices have choice examples");
        return row.predicted === (example.answer ?? unlabelled(i));
      });
    case "retrieval":
      return retrievalScores(predictions.rows, examples);
    case "classification": {
      invariant(head !== undefined, "classifications come from a classification head");
      if (head.problemType === "regression") {
        return pearsonOf(predictions.rows.map(({ predicted }, i) => [Number(predicted), goldNumber(examples, i)]));
      }
      if (head.problemType === "multi-label") {
        return accuracyOf(predictions.rows, ({ predicted }, i) => sameNames(predicted, goldLabel(examples, i)));
      }
      const golds = predictions.rows.map((_, i) => labelIdOf(String(goldLabel(examples, i)), head, task));
      const ids = predictions.rows.map(({ predicted }) => head.labels.indexOf(String(predicted)));
      return selectionMetricOf(task) === "matthew_corr"
        ? matthewsOf(head.labels.length, golds, ids)
        : accuracyOf(ids, (id, i) => id === golds[i]);
    }
  }
}

/** The reciprocal rank of each row; of pairs that all have a score, Pearson's correlation with it. */
function retrievalScores(rows: readonly RetrievalPrediction[], examples: readonly Example[]): Scored {
  if (rows.some(({ rank }) => rank !== undefined)) {
    const { metric, set } = meanOf("mrr", 1, rows, ({ rank }) => (rank === undefined ? 0 : 1 / rank));
    rows.forEach(({ rank }, i) => {
      if (rank === undefined) set.terms[2 * i + 1] = 0; // a row with a score counts for nothing here
    });
    return { metric, set };
  }
  return pearsonOf(
    rows.map(({ similarity }, i) => {
      const example = examples[i]!;
      invariant(example.kind === "pair", "pairs have pair examples");
      return [similarity, example.score ?? unlabelled(i)];
    }),
  );
}

function accuracyOf<T>(rows: readonly T[], isRight: (row: T, index: number) => boolean): Scored {
  const right = Uint8Array.from(rows, (row, i) => (isRight(row, i) ? 1 : 0));
  const { metric, set } = meanOf("eval_accuracy", 1, rows, (_, i) => right[i]!);
  return { metric, set: { ...set, right } };
}

function meanOf<T>(
  name: string,
  fullScale: number,
  rows: readonly T[],
  scoreOf: (row: T, index: number) => number,
): Scored {
  const terms = new Float64Array(2 * rows.length);
  rows.forEach((row, i) => {
    terms[2 * i] = scoreOf(row, i);
    terms[2 * i + 1] = 1;
  });
  return {
    metric: { name, fullScale, width: 2, value: ([sum, count]) => sum! / count! },
    set: { examples: rows.length, terms, scores: Float64Array.from(rows, (_, i) => terms[2 * i]!) },
  };
}

/** Each example counts in one cell of the confusion matrix. */
function matthewsOf(labels: number, golds: readonly number[], ids: readonly number[]): Scored {
  const width = labels * labels;
  const terms = new Float64Array(width * golds.length);
  golds.forEach((gold, i) => {
    terms[i * width + gold * labels + ids[i]!] = 1;
  });
  const value = (cells: Float64Array) =>
    matthewsCorrelation(
      Array.from({ length: labels }, (_, row) => [...cells.subarray(row * labels, (row + 1) * labels)]),
    );
  const right = Uint8Array.from(golds, (gold, i) => (gold === ids[i] ? 1 : 0));
  return {
    metric: { name: "matthew_corr", fullScale: 1, width, value },
    set: { examples: golds.length, terms, right, scores: Float64Array.from(right) },
  };
}

/** Moments of prediction and gold, from which the correlation follows; 0 where either does not vary. */
function pearsonOf(pairs: readonly (readonly [number, number])[]): Scored {
  const value = ([n, x, y, xx, yy, xy]: Float64Array) => {
    const spread = (xx! - (x! * x!) / n!) * (yy! - (y! * y!) / n!);
    return spread > 0 ? (xy! - (x! * y!) / n!) / Math.sqrt(spread) : 0;
  };
  return {
    metric: { name: "pearson", fullScale: 1, width: 6, value },
    set: {
      examples: pairs.length,
      scores: Float64Array.from(pairs, ([predicted, gold]) => -Math.abs(predicted - gold)),
      terms: Float64Array.from(pairs.flatMap(([x, y]) => [1, x, y, x * x, y * y, x * y])),
    },
  };
}

function goldLabel(examples: readonly Example[], index: number): string | readonly string[] {
  const example = examples[index]!;
  invariant(example.kind === "classification", "labels have classification examples");
  const { label } = example;
  return label === undefined ? unlabelled(index) : typeof label === "number" ? String(label) : label;
}

function goldNumber(examples: readonly Example[], index: number): number {
  const example = examples[index]!;
  invariant(example.kind === "classification", "values have classification examples");
  return typeof example.label === "number" ? example.label : unlabelled(index);
}

function sameNames(predicted: unknown, gold: string | readonly string[]): boolean {
  const golds = typeof gold === "string" ? [gold] : gold;
  return Array.isArray(predicted) && [...predicted].sort().join("\n") === [...golds].sort().join("\n");
}

function unlabelled(index: number): never {
  throw invalidInput([{ field: "dataset", description: `example ${index + 1} has no right answer to compare with` }]);
}
