import type { Example } from "../../tasks/datasets/examples.ts";
import type { DatasetPredictions } from "../../tasks/evaluation/prediction.ts";
import type { FoldRule } from "../data/folds.ts";
import type { FineTuneOutcome, PreparedFineTune } from "../fine-tune.ts";

// What the runs of a cross-validation answer to the examples that each has not seen.

/** A line of JSON for each example that a fold held out, in their order: its id, its own answer, and that of the run. */
export async function outOfFoldRows(
  { index }: FoldRule,
  { data }: PreparedFineTune,
  { predictions, head }: FineTuneOutcome,
): Promise<string[]> {
  if (data.eval === undefined || predictions === undefined) return [];
  const labels = head.kind === "classification" ? head.labels : [];
  const rows: string[] = [];
  for await (const example of data.eval.examples()) {
    const answer = answerOf(predictions, rows.length, labels);
    const { file, line } = example.location;
    rows.push(JSON.stringify({ id: example.id, file, line, fold: index + 1, right: rightOf(example), ...answer }));
  }
  return rows;
}

function rightOf(example: Example): unknown {
  switch (example.kind) {
    case "classification":
      return example.label ?? null;
    case "choice":
      return example.answer ?? null;
    case "question":
      return example.answers.map(({ text }) => text);
    case "pair":
      return example.score ?? example.positives;
  }
}

function answerOf(predictions: DatasetPredictions, row: number, labels: readonly string[]): object {
  switch (predictions.kind) {
    case "classification": {
      const { predicted, probabilities } = predictions.rows[row]!;
      if (typeof predicted === "number") return { predicted };
      return { predicted, probabilities: Object.fromEntries(labels.map((label, i) => [label, probabilities[i]])) };
    }
    case "choices": {
      const { predicted, probabilities } = predictions.rows[row]!;
      return { predicted, probabilities };
    }
    case "retrieval": {
      const { id: _, ...answer } = predictions.rows[row]!;
      return answer;
    }
    case "questions": {
      const { nBest, nullScore } = predictions.rows[row]!;
      const { nullThreshold } = predictions;
      const unanswerable = nullThreshold !== null && nullScore !== undefined && nullScore >= nullThreshold;
      return {
        predicted: unanswerable ? "" : (nBest[0]?.text ?? ""),
        ...(nullScore === undefined ? {} : { nullScore }),
      };
    }
  }
}
