import type { AnswerLoss } from "../../model/directory/model-directory.ts";
import type { Verdict } from "../../report/comparison/compare.ts";
import type { Versions } from "../../store/versions.ts";

// The gate's report about a version, and how it is kept in the store with that version.

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
  return (await all(versions, model, version)).at(-1);
}

/** What a precision changes in a version's answers by the newest report that measured it; undefined where none did. */
export async function measuredPrecisionLoss(
  versions: Versions,
  { model, version }: { readonly model: string; readonly version: number },
  precision: string,
): Promise<PrecisionLoss | undefined> {
  if (precision === "fp32") return undefined;
  const losses = (await all(versions, model, version)).map(({ precisionLoss }) => precisionLoss);
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
  const before = await all(versions, model, version);
  if (before.at(-1)?.id === report.id) return;
  await versions.attachReport(model, version, kindOf(before.length), report);
}

async function all(versions: Versions, model: string, version: number): Promise<GateReport[]> {
  const reports: GateReport[] = [];
  for (;;) {
    const report = await versions.report(model, version, kindOf(reports.length));
    if (report === undefined) return reports;
    reports.push(report as GateReport); // `keepGateReport` wrote it
  }
}

function kindOf(index: number): string {
  return index === 0 ? "gate" : `gate.${index + 1}`;
}
