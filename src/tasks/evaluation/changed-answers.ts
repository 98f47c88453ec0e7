import type { AnswerLoss } from "../../model/directory/model-directory.ts";
import type { TaskName } from "../datasets/examples.ts";
import { predictedText } from "../question-answering/squad-predictions.ts";
import type { DatasetEvaluation, DatasetPredictions } from "./prediction.ts";

// Compares two evaluations of one data set.

/**
 * What changed between two evaluations of one data set.
 *
 * @param before  of the same examples in the same order as `after`
 */
export function lossBetween(
  task: TaskName,
  before: Pick<DatasetEvaluation, "metrics" | "predictions" | "examples">,
  after: Pick<DatasetEvaluation, "metrics" | "predictions">,
): AnswerLoss {
  return {
    task,
    examples: before.examples,
    changedAnswers: changedAnswers(before.predictions, after.predictions),
    before: before.metrics,
    after: after.metrics,
  };
}

/**
 * Counts the examples to which a second model gives another answer than the first: another label or set of labels, text or
 * choice. A regression has a value for each, so every difference counts.
 *
 * @param before  predictions for the same examples in the same order as `after`
 */
export function changedAnswers(before: DatasetPredictions, after: DatasetPredictions): number {
  const old = answersOf(before);
  return answersOf(after).filter((answer, i) => answer !== old[i]).length;
}

function answersOf(predictions: DatasetPredictions): readonly string[] {
  switch (predictions.kind) {
    case "classification":
    case "choices":
    case "retrieval":
      return predictions.rows.map(({ predicted }) => JSON.stringify(predicted));
    case "questions":
      return predictions.rows.map((row) => predictedText(row, predictions.nullThreshold));
  }
}
