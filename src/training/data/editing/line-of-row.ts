import type { Example } from "../../../tasks/datasets/examples.ts";
import type { DatasetRow } from "../rows/dataset-row.ts";

/** A row, or a header, as a line of a file of the same format; rows of official documents as JSON Lines. */
export function lineOfRow(row: DatasetRow): string {
  if (row.kind === "file") return row.header ?? "";
  return row.text ?? JSON.stringify(recordOf(row.example!)); // accepted rows have an example
}

/** An example of an official document as a record of its own, in a layout that the same task reads. */
function recordOf(example: Example): object {
  switch (example.kind) {
    case "question": {
      const { id, context, question, answers, isImpossible } = example;
      const listed = answers.map(({ text, answerStart }) => ({ text, answer_start: answerStart }));
      return { id, context, question, answers: listed, is_impossible: isImpossible };
    }
    case "choice": {
      const { id, context, question, choices, answer = 0 } = example;
      const letter = String.fromCharCode(65 + answer);
      return { id, article: context, questions: [question], options: [choices], answers: [letter] };
    }
    case "pair": {
      const { anchor, positives, negatives, score } = example;
      return { anchor, positive: positives, negative: negatives, score };
    }
    case "classification":
      return { text: example.text, text_pair: example.textPair, label: example.label };
  }
}
