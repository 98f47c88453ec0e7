import { basename } from "node:path";
import { AlbertError, type FieldViolation } from "../../errors.ts";
import { formatLocation } from "../../tasks/datasets/data-source.ts";
import type { DatasetIssue, DatasetReport, IssueOccurrence } from "./dataset-report.ts";

// What a full pass over data found, as a refusal and as warnings.

/**
 * Refuses data that nothing can be done with.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) with every kind of problem and its first places
 */
export function refuseUnusable(report: DatasetReport): void {
  if (report.usable) return;
  const errors = report.issues.filter(({ severity }) => severity === "error");
  const told = errors.map((issue) => ({ ...issue, places: issue.occurrences.map(placeOf) }));
  const lines = told.flatMap(({ kind, count, hint, places }) => [
    `${kind}, ${count}: ${hint}`,
    ...places.map(({ field, description }) => `  ${field}: ${description}`),
    ...(count > places.length ? [`  and ${count - places.length} more`] : []),
  ]);
  throw new AlbertError(
    "invalid-input",
    [`${whatCannotBeUsed(report)} cannot be used`, ...lines, ...advice(report)].join("\n"),
    {
      reason: "DATA_INVALID",
      violations: told.flatMap(({ hint, places }) =>
        places.map(({ field, description }) => ({ field, description: `${description}: ${hint}` })),
      ),
      metadata: Object.fromEntries(errors.map(({ kind, count }) => [kind, String(count)])),
    },
  );
}

/** Sentences about problems that do not stop the work, rows that are left out among them. */
export function warningsOf({ issues, erroneous, read, usable }: DatasetReport): string[] {
  const left =
    erroneous > 0 && usable ? [`${erroneous} of ${read} rows (${percent(erroneous / read)}) are left out`] : [];
  const told = issues.filter(({ severity }) => severity === "warning" || (severity === "error" && usable));
  return [...left, ...told.map(sentenceOf)];
}

function sentenceOf({ kind, count, occurrences, hint }: DatasetIssue): string {
  const [first] = occurrences;
  if (first === undefined) return `${kind}: ${count}: ${hint}`;
  const { field, description } = placeOf(first);
  return `${kind}: ${count}, first at ${field} (${description}): ${hint}`;
}

function whatCannotBeUsed({ rejected, erroneous, read, skipped, files }: DatasetReport): string {
  if (rejected === 0) return files.map((file) => basename(file)).join(", ");
  const limit =
    skipped === undefined || erroneous <= read * skipped ? "" : `, where at most ${percent(skipped)} may be,`;
  return `${rejected} of ${read} rows${limit === "" ? "" : ` (${percent(erroneous / read)})${limit}`}`;
}

/** How to go on, where only some rows are at fault. */
function advice({ issues, erroneous, accepted, read }: DatasetReport): string[] {
  if (accepted === 0 || erroneous === 0 || issues.some(({ fatal }) => fatal)) return [];
  const share = Math.min(1, Math.ceil((erroneous / read) * 1000) / 1000);
  return [
    `--skip-invalid ${share} (in a job's recipe skip_invalid=${share}) goes on without these rows;`,
    "albert datasets check names every one of them (--problems FILE) and writes the others (--write-clean FILE)",
  ];
}

function placeOf({ location, detail, excerpt }: IssueOccurrence): FieldViolation {
  const description = `${detail}${excerpt === "" ? "" : ` (${JSON.stringify(excerpt)})`}`;
  return { field: formatLocation(location), description };
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}
