import type { ReportedRow } from "../evaluation-report.ts";
import { type JudgedRow, reported } from "./judged-row.ts";

// The rows that a person should read, each list in its order.

/** Wrong answers, the highest loss first. */
export function worstRows(rows: readonly JudgedRow[], most: number): ReportedRow[] {
  return rows
    .filter(({ isRight }) => !isRight)
    .sort((a, b) => b.loss - a.loss || (b.confidence ?? 0) - (a.confidence ?? 0))
    .slice(0, most)
    .map(reported);
}

/** Answers, right or wrong, with the smallest distance between the first choice and the second. */
export function leastSureRows(rows: readonly JudgedRow[], most: number): ReportedRow[] {
  return rows
    .filter(({ margin }) => margin !== undefined)
    .sort((a, b) => a.margin! - b.margin!)
    .slice(0, most)
    .map(reported);
}
