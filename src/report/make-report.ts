import type { Answerer } from "../model/heads.ts";
import { COSINE } from "../tasks/evaluation/evaluate-similarity.ts";
import { type EvaluationReport, REPORT_FORMAT } from "./evaluation-report.ts";
import { findingsOf } from "./findings.ts";
import { choicesPart } from "./kinds/choices.ts";
import { multiLabelPart } from "./kinds/multi-label.ts";
import type { ReportPart } from "./kinds/part.ts";
import { questionsPart } from "./kinds/questions.ts";
import { regressionPart } from "./kinds/regression.ts";
import { retrievalPart } from "./kinds/retrieval.ts";
import { singleLabelPart } from "./kinds/single-label.ts";
import type { ReportInput } from "./report-input.ts";
import { resamplingFor, withIntervals } from "./resampling/bootstrap.ts";
import { duplicatesIn } from "./rows/duplicates.ts";
import { reported } from "./rows/judged-row.ts";
import { leastSureRows, worstRows } from "./rows/row-lists.ts";
import { commonDimensions, sliceTables } from "./rows/slices.ts";

// Puts a report together from what each kind of task makes of the answers.

/** Rows of a list where nobody says how many. */
export const LISTED_ROWS = 100;

/**
 * Makes the report of one evaluation. The same answers give the same report.
 *
 * @param input  with the examples that were evaluated, in order; those without a right answer are counted and left out
 */
export async function makeReport(input: ReportInput): Promise<EvaluationReport> {
  const { examples, task, model, data, training, rows: most = LISTED_ROWS, seed = 0 } = input;
  const part = partOf(input);
  const { rows, suspects } = part;
  const resampling = resamplingFor(part.steps, seed);
  const report: Omit<EvaluationReport, "findings"> = {
    formatVersion: REPORT_FORMAT,
    kind: part.kind,
    task,
    ...(model === undefined ? {} : { model }),
    data: { ...data, examples: examples.length, judged: rows.length },
    resampling,
    figures: rows.length === 0 ? [] : withIntervals(rows.length, part.figures, resampling),
    ...part.tables,
    slices: sliceTables(rows, [...part.dimensions, ...commonDimensions(rows)], part.measure),
    worst: worstRows(rows, most),
    leastSure: leastSureRows(rows, most),
    ...(suspects === undefined
      ? {}
      : {
          labelErrors: { rows: suspects.length, list: suspects.slice(0, most).map((row) => reported(rows[row]!)) },
        }),
    ...(training === undefined ? {} : { duplicates: await duplicatesIn(training, rows, most) }),
  };
  return { ...report, findings: findingsOf(report) };
}

function partOf({ evaluation: { predictions }, examples, head, task }: ReportInput): ReportPart {
  switch (predictions.kind) {
    case "choices":
      return choicesPart(examples, predictions.rows);
    case "questions":
      return questionsPart(examples, predictions.rows, predictions.nullThreshold);
    case "retrieval":
      return retrievalPart(examples, predictions.rows);
    case "classification": {
      const own = head.kind === "classification" ? head : COSINE; // what else gives labels or values
      if (own.problemType === "multi-label") return multiLabelPart(examples, predictions.rows, own);
      if (own.problemType === "single-label") return singleLabelPart(examples, predictions.rows, own, task);
      return regressionPart(examples, predictions.rows, isCosine(own) ? "similarity" : "regression");
    }
  }
}

function isCosine(head: Answerer): boolean {
  return head === COSINE;
}
