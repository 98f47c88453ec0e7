import type { AnswerLoss } from "../../model/directory/model-directory.ts";
import type { Verdict } from "../../report/comparison/compare.ts";
import type { Versions } from "../../store/versions.ts";
import { keepReport, reportsOf } from "./numbered-reports.ts";

// The gate's report about a version, and how it is kept in the store with that version.

const KIND = "gate";

/** What computing in fewer bits than fp32 changes in a version's answers. */
export interface PrecisionLoss extends AnswerLoss {
  /** "int8", "bf16" or "fp16". */
  readonly precision: string;
}

/** What the gate found about a version, stored with it forever. */
export interface GateReport {
  readonly id: string;
  readonly verdict: Verdict;
  /** Better than the champion beyond chance, or there is no champion to compare with. */
  readonly better: boolean;
  /** Version that was the champion then; absent where there was none. */
  readonly champion?: number;
  /** Official name of the metric that decides. */
  readonly metric: string;
  /** Absent where there is no champion, or it cannot answer this set. */
  readonly championValue?: number;
  readonly candidateValue: number;
  /** 95 % interval of candidate minus champion, by a paired bootstrap; absent as `championValue` is. */
  readonly difference?: readonly [low: number, high: number];
  /** McNemar's exact p-value, where answers are right or wrong. */
  readonly mcnemarP?: number;
  /** Examples that the version answers better than the champion, and worse; absent as `championValue` is. */
  readonly fixed?: number;
  readonly broken?: number;
  readonly examples: number;
  /** Digest of the evaluation set. */
  readonly dataset: string;
  readonly findings: readonly string[];
  /** Absent where fp32 serves. */
  readonly precisionLoss?: PrecisionLoss;
}

/** The gate's newest report about a version; undefined where the gate never ran. */
export async function latestGateReport(
  versions: Versions,
  model: string,
  version: number,
): Promise<GateReport | undefined> {
  return (await reportsOf<GateReport>(versions, { model, version }, KIND)).at(-1);
}

/** What a precision changes in a version's answers by the newest report that measured it; undefined where none did. */
export async function measuredPrecisionLoss(
  versions: Versions,
  { model, version }: { readonly model: string; readonly version: number },
  precision: string,
): Promise<PrecisionLoss | undefined> {
  if (precision === "fp32") return undefined;
  const losses = (await reportsOf<GateReport>(versions, { model, version }, KIND)).map(
    ({ precisionLoss }) => precisionLoss,
  );
  return losses.findLast((loss) => loss?.precision === precision);
}

/**
 * Keeps a report with its version. The gate may run again, against another champion or on another set: every report
 * stays, and the newest counts. The same report is kept once.
 */
export async function keepGateReport(
  versions: Versions,
  model: string,
  version: number,
  report: GateReport,
): Promise<void> {
  await keepReport(versions, { model, version }, KIND, { report, isSame: ({ id }) => id === report.id });
}
