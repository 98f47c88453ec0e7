import type { EvaluationReport, Measure } from "../evaluation-report.ts";
import type { JudgedRow } from "../rows/judged-row.ts";
import type { Dimension } from "../rows/slices.ts";

/** What each kind of task adds to a report. */
export interface ReportPart {
  readonly kind: EvaluationReport["kind"];
  /** Examples with a right answer, in order. */
  readonly rows: readonly JudgedRow[];
  readonly measure: Measure;
  readonly dimensions: readonly Dimension[];
  /** Steps of one computation of the figures, roughly. */
  readonly steps: number;
  /** Headline figures of rows that count as often as their weights say, the one that decides first. */
  readonly figures: (weights: Float64Array) => Readonly<Record<string, number>>;
  /** Indices of rows whose label is likely wrong, the likeliest first; absent where that is not looked for. */
  readonly suspects?: readonly number[];
  /** Tables of this kind alone. */
  readonly tables: Partial<
    Pick<
      EvaluationReport,
      | "classes"
      | "averages"
      | "confusion"
      | "reliability"
      | "coverage"
      | "thresholds"
      | "curves"
      | "nullAnswers"
      | "residuals"
    >
  >;
}
