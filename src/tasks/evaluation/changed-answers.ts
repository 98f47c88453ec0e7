import { predictedText } from "../question-answering/squad-predictions.ts";
import type { DatasetPredictions } from "./prediction.ts";

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
      return predictions.rows.map(({ predicted }) => JSON.stringify(predicted));
    case "questions":
      return predictions.rows.map((row) => predictedText(row, predictions.nullThreshold));
  }
}
