import type { Versions } from "../../store/versions.ts";
import type { GateReport } from "./gate-report.ts";

/** The gate's newest report about a version; undefined where the gate never ran. */
export async function latestGateReport(
  versions: Versions,
  model: string,
  version: number,
): Promise<GateReport | undefined> {
  return (await all(versions, model, version)).at(-1);
}

/**
 * Keeps a report with its version. A version may be judged again, against another champion or on another set: every report
 * stays, and the newest counts. The same judgement is kept once.
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
