import { AlbertError } from "../../errors.ts";
import type { Versions } from "../../store/versions.ts";

// Reports of one kind about a version. Every one stays; the first is called after its kind, the others are numbered from 2.

/** A stored version. */
export type NamedVersion = { readonly model: string; readonly version: number };

/** All reports of a kind, the oldest first. */
export async function reportsOf<R extends object>(
  versions: Versions,
  { model, version }: NamedVersion,
  kind: string,
): Promise<R[]> {
  const reports: R[] = [];
  for (;;) {
    const report = await versions.report(model, version, nameOf(kind, reports.length));
    if (report === undefined) return reports;
    reports.push(report as R); // `keepReport` wrote it
  }
}

/**
 * Keeps a report, unless the newest of its kind is the same.
 *
 * @throws AlbertError as `attachReport`, but for another process that kept one meanwhile
 */
export async function keepReport<R extends object>(
  versions: Versions,
  named: NamedVersion,
  kind: string,
  { report, isSame }: { readonly report: R; readonly isSame: (newest: R) => boolean },
): Promise<void> {
  for (;;) {
    const kept = await reportsOf<R>(versions, named, kind);
    const newest = kept.at(-1);
    if (newest !== undefined && isSame(newest)) return;
    try {
      return await versions.attachReport(named.model, named.version, nameOf(kind, kept.length), report);
    } catch (error) {
      if (!(error instanceof AlbertError && error.reason === "REPORT_EXISTS")) throw error;
    }
  }
}

function nameOf(kind: string, index: number): string {
  return index === 0 ? kind : `${kind}.${index + 1}`;
}
