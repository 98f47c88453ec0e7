import { type FieldViolation, invalidInput } from "../../errors.ts";
import { type Answerer, type ClassificationHead, uncalibrated } from "../../model/heads.ts";
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

// Fits the decisions of a classification head to held-out data: a temperature, thresholds, or both. The weights stay as they are,
// and so do the answers where only a temperature is fitted.

/**
 * What is fitted to a head of one label a text: its temperature, or besides, of two labels, the probability from which the second
 * is the answer. Heads of any number of labels have thresholds by either.
 */
export const FITS = ["temperature", "threshold"] as const;
export type FitKind = (typeof FITS)[number];

/** Fewer rows than these say nothing of frequencies. */
export const FEWEST_FITTED_ROWS = 50;

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
  kind: FitKind = "temperature",
): Promise<CalibratedHead> {
  const head = uncalibrated(given);
  const refusal = whyUnfitted(head, kind);
  if (refusal !== undefined) throw invalidInput([refusal]);
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
  if (labels.length < FEWEST_FITTED_ROWS) {
    const description = `holds ${labels.length} examples with labels; expected at least ${FEWEST_FITTED_ROWS} that the model was not trained on`;
    throw invalidInput([{ field: "data", description }]);
  }
  const rows = { probabilities, labels };
  const fit = head.problemType === "multi-label" ? multiLabelFit(head) : singleLabelFit(head, kind);
  return {
    head: fit.of(rows),
    examples: labels.length,
    before: fit.figures(rows, () => head),
    after: crossFitted(rows, fit),
  };
}

/** Why a head has nothing of this kind to fit; undefined where it has. */
export function whyUnfitted(head: Answerer, kind: FitKind): FieldViolation | undefined {
  if (head.kind === "span-answerability") return undefined;
  const wrong = (field: string, what: string) => ({ field, description: `head ${head.name} ${what}` });
  if (head.kind !== "classification") {
    return wrong("head", `(${head.kind}) has nothing to fit: give a classification or SQuAD v2`);
  }
  if (head.problemType === "regression") return wrong("head", "is a regression: it gives no probabilities");
  if (kind === "threshold" && head.problemType === "single-label" && head.labels.length !== 2) {
    return wrong("fit", `has ${head.labels.length} labels, of which one is given: a threshold needs two`);
  }
  return undefined;
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

function singleLabelFit(head: ClassificationHead, kind: FitKind): Fit {
  const logs = ({ probabilities }: Rows) =>
    probabilities.map((row) => row.map((probability) => Math.log(Math.max(probability, Number.MIN_VALUE))));
  const firsts = ({ labels }: Rows) => labels.map(([label]) => label!);
  const seconds = (rows: Rows) => firsts(rows).map((label) => label === 1);
  return {
    of: (rows) => {
      const temperature = fitTemperature(logs(rows), firsts(rows));
      if (kind === "temperature") return { ...head, temperature };
      const scores = logs(rows).map((row) => atTemperature(row, temperature)[1]!);
      const threshold = bestThreshold(scores, seconds(rows));
      return { ...head, temperature, thresholds: [1 - threshold, threshold] };
    },
    figures: (rows, headOf) => {
      const scaled = logs(rows).map((row, i) => atTemperature(row, headOf(i).temperature ?? 1));
      const given = scaled.map((row, i) => row[1]! >= thresholdOf(headOf(i), 1));
      const right = seconds(rows).filter((truth, i) => truth === given[i]).length;
      const decisions = { f1: f1Of(given, seconds(rows)), eval_accuracy: right / given.length };
      return {
        expected_calibration_error: expectedCalibrationError(scaled, firsts(rows)),
        log_loss: logLoss(scaled, firsts(rows)),
        ...(kind === "threshold" ? decisions : {}),
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
