import { invalidInput } from "../../errors.ts";
import { type ClassificationHead, uncalibrated } from "../../model/heads.ts";
import { thresholdOf } from "../classification/classification.ts";
import { type ClassificationExample, labelIdOf, type TaskName } from "../datasets/examples.ts";
import {
  atTemperature,
  bestThreshold,
  expectedCalibrationError,
  f1Of,
  fitTemperature,
  logLoss,
} from "../metrics/calibration.ts";
import { evaluateClassification } from "./evaluate-classification.ts";
import type { EvaluationInput } from "./prediction.ts";

// Fits the decisions of a classification head to held-out data: a temperature, or a threshold for each label. The weights, and
// for one label a text the answers, stay as they are.

/** Fewer rows than these say nothing of frequencies. */
const FEWEST_ROWS = 50;

/** A head with its fit, and what that changes. */
export interface CalibratedHead {
  readonly head: ClassificationHead;
  readonly examples: number;
  /** Figures without a fit. */
  readonly before: Readonly<Record<string, number>>;
  /** The same figures on each half of the data with the fit of the other half. */
  readonly after: Readonly<Record<string, number>>;
}

/** Rows as a fit sees them. */
interface Rows {
  readonly probabilities: readonly (readonly number[])[];
  readonly labels: readonly (readonly number[])[];
}

/**
 * Measures a head on examples with labels and fits its temperature or thresholds to them, whatever it had before.
 *
 * @throws AlbertError invalid-input for a regression, for labels that the head does not have, and for fewer than 50 rows
 */
export async function calibrateHead(
  input: EvaluationInput<ClassificationExample>,
  given: ClassificationHead,
): Promise<CalibratedHead> {
  const head = uncalibrated(given);
  if (head.problemType === "regression") {
    throw invalidInput([
      { field: "head", description: `head ${head.name} is a regression: it gives no probabilities` },
    ]);
  }
  const labels: (readonly number[])[] = [];
  async function* labelled() {
    for await (const example of input.examples) {
      if (example.label === undefined) continue;
      labels.push(labelIdsOf(example.label, head, input.task));
      yield example;
    }
  }
  const { predictions } = await evaluateClassification({ ...input, examples: labelled() }, head);
  const probabilities = predictions.kind === "classification" ? predictions.rows.map((row) => row.probabilities) : [];
  if (labels.length < FEWEST_ROWS) {
    const description = `holds ${labels.length} examples with labels; expected at least ${FEWEST_ROWS} that the model was not trained on`;
    throw invalidInput([{ field: "data", description }]);
  }
  const rows = { probabilities, labels };
  const fit = head.problemType === "multi-label" ? multiLabelFit(head) : singleLabelFit(head);
  return {
    head: fit.of(rows),
    examples: labels.length,
    before: fit.figures(rows, () => head),
    after: crossFitted(rows, fit),
  };
}

function labelIdsOf(label: string | number | readonly string[], head: ClassificationHead, task: TaskName): number[] {
  const names = typeof label === "object" ? label : [String(label)];
  return names.map((name) => labelIdOf(name, head, task)); // the evaluation refuses those that the head does not have
}

/** A way to fit a head to rows, and the figures of rows under the head of each. */
interface Fit {
  of(rows: Rows): ClassificationHead;
  figures(rows: Rows, headOf: (row: number) => ClassificationHead): Record<string, number>;
}

function crossFitted(rows: Rows, fit: Fit): Record<string, number> {
  const halves = [0, 1].map((half) => fit.of(rowsWhere(rows, (row) => halfOf(row) !== half)));
  return fit.figures(rows, (row) => halves[halfOf(row)]!);
}

/** 0 or 1, without a pattern that the order of a file may have too (Knuth's multiplicative hash). */
function halfOf(row: number): 0 | 1 {
  return Math.imul(row + 1, 0x9e3779b1) < 0 ? 1 : 0;
}

function rowsWhere({ probabilities, labels }: Rows, keep: (row: number) => boolean): Rows {
  return {
    probabilities: probabilities.filter((_, row) => keep(row)),
    labels: labels.filter((_, row) => keep(row)),
  };
}

function singleLabelFit(head: ClassificationHead): Fit {
  const logs = ({ probabilities }: Rows) =>
    probabilities.map((row) => row.map((probability) => Math.log(Math.max(probability, Number.MIN_VALUE))));
  const firsts = ({ labels }: Rows) => labels.map(([label]) => label!);
  return {
    of: (rows) => ({ ...head, temperature: fitTemperature(logs(rows), firsts(rows)) }),
    figures: (rows, headOf) => {
      const scaled = logs(rows).map((row, i) => atTemperature(row, headOf(i).temperature ?? 1));
      return {
        expected_calibration_error: expectedCalibrationError(scaled, firsts(rows)),
        log_loss: logLoss(scaled, firsts(rows)),
      };
    },
  };
}

function multiLabelFit(head: ClassificationHead): Fit {
  const column = ({ probabilities, labels }: Rows, label: number) => ({
    scores: probabilities.map((row) => row[label]!),
    truths: labels.map((ids) => ids.includes(label)),
  });
  return {
    of: (rows) => ({
      ...head,
      thresholds: head.labels.map((_, label) => {
        const { scores, truths } = column(rows, label);
        return bestThreshold(scores, truths);
      }),
    }),
    figures: (rows, headOf) => {
      const scores = head.labels.map((_, label) => {
        const { scores: values, truths } = column(rows, label);
        const given = values.map((value, row) => value >= thresholdOf(headOf(row), label));
        return f1Of(given, truths);
      });
      return { f1_macro: scores.reduce((sum, score) => sum + score, 0) / scores.length };
    },
  };
}
