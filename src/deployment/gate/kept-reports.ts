import { isDeepStrictEqual } from "node:util";
import { AlbertError } from "../../errors.ts";
import type { EvaluationReport } from "../../report/evaluation-report.ts";
import type { Versions } from "../../store/versions.ts";

// Evaluation reports as they are kept with the version they are about: every one stays, and the newest is shown.

type Named = { readonly model: string; readonly version: number };

/** Keeps a report with its version. A report that equals the newest one is kept once. @throws AlbertError as `attachReport` */
export async function keepEvaluation(
  versions: Versions,
  { model, version }: Named,
  report: EvaluationReport,
): Promise<void> {
  const plain: unknown = JSON.parse(JSON.stringify(report));
  for (;;) {
    const kept = await all(versions, { model, version });
    if (isDeepStrictEqual(kept.at(-1), plain)) return;
    try {
      await versions.attachReport(model, version, kindOf(kept.length), report);
      return;
    } catch (error) {
      // Another process kept one meanwhile.
      if (!(error instanceof AlbertError && error.reason === "REPORT_EXISTS")) throw error;
    }
  }
}

/** The newest evaluation report about a version; undefined where there is none. */
export async function latestEvaluation(versions: Versions, named: Named): Promise<EvaluationReport | undefined> {
  return (await all(versions, named)).at(-1);
}

async function all(versions: Versions, { model, version }: Named): Promise<EvaluationReport[]> {
  const reports: EvaluationReport[] = [];
  for (;;) {
    const report = await versions.report(model, version, kindOf(reports.length));
    if (report === undefined) return reports;
    reports.push(report as EvaluationReport); // `keepEvaluation` wrote it
  }
}

function kindOf(index: number): string {
  return index === 0 ? "evaluation" : `evaluation.${index + 1}`;
}
