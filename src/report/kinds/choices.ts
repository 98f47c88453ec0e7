import { invariant } from "../../errors.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import type { ChoicePrediction } from "../../tasks/evaluation/prediction.ts";
import { coverageOf, reliabilityBins, weightedCalibrationError } from "../figures/reliability.ts";
import { lossOf } from "../figures/row-values.ts";
import type { JudgedRow } from "../rows/judged-row.ts";
import type { ReportPart } from "./part.ts";

/** The part of a report about questions with choices. */
export function choicesPart(examples: readonly Example[], predictions: readonly ChoicePrediction[]): ReportPart {
  const rows: JudgedRow[] = [];
  examples.forEach((example, i) => {
    invariant(example.kind === "choice", "choices are made in questions with choices");
    if (example.answer === undefined) return;
    const { probabilities, predicted } = predictions[i]!;
    const [first = 0, second = 0] = [...probabilities].sort((a, b) => b - a);
    rows.push({
      example,
      right: named(example.choices, example.answer),
      predicted: named(example.choices, predicted),
      score: predicted === example.answer ? 1 : 0,
      isRight: predicted === example.answer,
      loss: lossOf(probabilities[example.answer]!),
      confidence: probabilities[predicted]!,
      margin: first - second,
    });
  });
  const right = Uint8Array.from(rows, ({ score }) => score);
  const confidence = rows.map((row) => row.confidence!);
  const answers = { confidence, right };
  return {
    kind: "choices",
    rows,
    measure: "accuracy",
    dimensions: [
      {
        name: "number of options",
        propertyOf: ({ example }) => (example.kind === "choice" ? example.choices.length : undefined),
      },
      { name: "level", propertyOf: ({ example }) => (example.kind === "choice" ? example.level : undefined) },
      { name: "right option", propertyOf: ({ right: option }) => option.slice(0, 1) },
    ],
    steps: 4 * rows.length,
    figures: (weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const mean = (of: (row: JudgedRow) => number) =>
        weights.reduce((sum, weight, row) => sum + weight * of(rows[row]!), 0) / total;
      return {
        eval_accuracy: mean(({ score }) => score),
        eval_loss: mean(({ loss }) => loss),
        expected_calibration_error: weightedCalibrationError(answers, weights),
      };
    },
    tables: { reliability: reliabilityBins(answers), coverage: coverageOf(answers) },
  };
}

/** `B: text of the option` */
function named(choices: readonly string[], index: number): string {
  return `${String.fromCharCode(65 + index)}: ${choices[index] ?? ""}`;
}
