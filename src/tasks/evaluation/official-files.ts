import { pythonFloat } from "../python-json.ts";
import { nBestJson, nullOddsJson, predictionsJson } from "../question-answering/squad-predictions.ts";
import type { ClassificationPrediction, DatasetPredictions } from "./prediction.ts";

// The prediction and result files of the official scripts, as text. It writes none to the disk.

/** A file to write, by its official name. */
export interface OfficialFile {
  readonly name: string;
  readonly content: string;
}

/**
 * The prediction files of the official scripts: `test_results.tsv` and `submit_results.tsv` for GLUE, `predictions.json`,
 * `nbest_predictions.json` and (version 2) `null_odds.json` for SQuAD. The official RACE script writes no predictions; here
 * `predictions.json` maps a question to the letter of its choice. Pairs have no official script: `predictions.jsonl` says of each
 * anchor which text is nearest, and the rank of the right one.
 */
export function predictionFiles(predictions: DatasetPredictions): OfficialFile[] {
  switch (predictions.kind) {
    case "classification":
      return [
        { name: "test_results.tsv", content: predictions.rows.map(resultRow).join("") },
        {
          name: "submit_results.tsv",
          content: `index\tprediction\n${predictions.rows.map(({ id, predicted }) => `${id}\t${predictedCell(predicted)}\n`).join("")}`,
        },
      ];
    case "questions": {
      const { rows, nullThreshold } = predictions;
      return [
        { name: "predictions.json", content: predictionsJson(rows, nullThreshold) },
        { name: "nbest_predictions.json", content: nBestJson(rows) },
        ...(nullThreshold === null ? [] : [{ name: "null_odds.json", content: nullOddsJson(rows) }]),
      ];
    }
    case "choices": {
      const letters = predictions.rows.map(({ id, predicted }) => [id, String.fromCharCode(65 + predicted)]);
      return [{ name: "predictions.json", content: `${JSON.stringify(Object.fromEntries(letters), null, 4)}\n` }];
    }
    case "retrieval":
      return [
        { name: "predictions.jsonl", content: predictions.rows.map((row) => `${JSON.stringify(row)}\n`).join("") },
      ];
  }
}

/** `eval_results.txt`: metrics sorted by name, one `name = value` a line. */
export function evaluationFile(metrics: Readonly<Record<string, number>>): OfficialFile {
  const rows = Object.entries(metrics).sort(([a], [b]) => (a < b ? -1 : 1));
  return { name: "eval_results.txt", content: rows.map(([name, value]) => `${name} = ${value}\n`).join("") };
}

/** A float32 as Python prints it: the fewest digits that give the same float32 again. */
export function float32Text(value: number): string {
  const wanted = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(wanted.toPrecision(digits));
    if (Math.fround(shorter) === wanted) return pythonFloat(shorter);
  }
  return pythonFloat(Number(wanted.toPrecision(9)));
}

function resultRow({ probabilities }: ClassificationPrediction): string {
  return `${probabilities.map(float32Text).join("\t")}\n`;
}

function predictedCell(predicted: ClassificationPrediction["predicted"]): string {
  if (typeof predicted === "number") return float32Text(predicted);
  return typeof predicted === "string" ? predicted : predicted.join("|");
}
