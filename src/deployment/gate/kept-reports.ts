import { isDeepStrictEqual } from "node:util";
import type { EvaluationReport } from "../../report/evaluation-report.ts";
import type { Versions } from "../../store/versions.ts";
import { keepReport, type NamedVersion, reportsOf } from "./numbered-reports.ts";

// Evaluation reports as they are kept with the version they are about; the newest is shown.

const KIND = "evaluation";

/** Keeps a report with its version. A report that equals the newest one is kept once. @throws AlbertError as `keepReport` */
export async function keepEvaluation(versions: Versions, named: NamedVersion, report: EvaluationReport): Promise<void> {
  const plain: unknown = JSON.parse(JSON.stringify(report));
  await keepReport(versions, named, KIND, { report, isSame: (newest) => isDeepStrictEqual(newest, plain) });
}

/** The newest evaluation report about a version; undefined where there is none. */
export async function latestEvaluation(versions: Versions, named: NamedVersion): Promise<EvaluationReport | undefined> {
  return (await reportsOf<EvaluationReport>(versions, named, KIND)).at(-1);
}
