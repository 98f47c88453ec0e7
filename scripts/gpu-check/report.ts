import { existsSync, readFileSync } from "node:fs";
import { replaceFile } from "../../src/platform/atomic-files.ts";

// What a check has found so far: one JSON file, written after every part, from which the next run goes on.

/** What became of one part. Seconds are of its whole process, start included. */
export type Outcome =
  | { readonly status: "ran"; readonly seconds: number; readonly result: unknown }
  | { readonly status: "failed"; readonly seconds: number; readonly reason: string }
  | { readonly status: "not run"; readonly reason: string };

/** The file: the machine, and every part by its name. */
export interface Report {
  /** A result stays valid for as long as none of these values changes. */
  readonly machine: Readonly<Record<string, unknown>>;
  readonly parts: Record<string, Outcome>;
}

/** Exit statuses. */
export const EXIT = { everythingRan: 0, somethingFailed: 1, wrongUsage: 2, somethingDidNotRun: 3 } as const;

/** The report of an earlier run on the same machine and program, with the parts that ran; else an empty one. */
export function resumed(path: string, machine: Report["machine"]): Report {
  const fresh: Report = { machine, parts: {} };
  if (!existsSync(path)) return fresh;
  let earlier: Partial<Report>;
  try {
    earlier = JSON.parse(readFileSync(path, "utf8")) as Partial<Report>;
  } catch {
    return fresh; // not a report: it is replaced
  }
  if (JSON.stringify(earlier.machine) !== JSON.stringify(machine)) return fresh;
  const ran = Object.entries(earlier.parts ?? {}).filter(([, { status }]) => status === "ran");
  return { machine, parts: Object.fromEntries(ran) };
}

/** Writes the report whole, or not at all. */
export function writeReport(path: string, report: Report): Promise<void> {
  return replaceFile(path, `${JSON.stringify(report, undefined, 2)}\n`);
}

/** The exit status that a report deserves; a failure counts more than what did not run. */
export function exitStatus({ parts }: Report): number {
  const statuses = Object.values(parts).map(({ status }) => status);
  if (statuses.includes("failed")) return EXIT.somethingFailed;
  return statuses.includes("not run") ? EXIT.somethingDidNotRun : EXIT.everythingRan;
}
