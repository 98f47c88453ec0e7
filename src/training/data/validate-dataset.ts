import { createHash } from "node:crypto";
import { basename } from "node:path";
import { nearest } from "../../config/nearest.ts";
import { invalidInput } from "../../errors.ts";
import type { ClassificationHead } from "../../model/heads.ts";
import { fileSource } from "../../tasks/datasets/data-source.ts";
import { type Example, labelIdOf, OWN_TASKS } from "../../tasks/datasets/examples.ts";
import { isOfficialTask } from "../../tasks/datasets/official-examples.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { DatasetReport } from "./dataset-report.ts";
import { contentKey, labelKey } from "./example-keys.ts";
import { IssueTally, type RowIssue, rowIssue, severityOf } from "./issues.ts";
import { type LabelRows, labelIssues, likelyMeant } from "./label-checks.ts";
import { LengthCounts } from "./length-counts.ts";
import { LengthTally, type SequenceLengths } from "./length-statistics.ts";
import type { DatasetRow } from "./rows/dataset-row.ts";
import { acceptedExamples, type DatasetSpec, datasetRows } from "./rows/dataset-rows.ts";

// The full pass over a data set before anything is trained on it.

export interface ValidationOptions {
  /** Of an existing classification head: the labels that the data must not leave. */
  readonly head?: ClassificationHead;
  /** Whether the data must also have every label of the head. */
  readonly allLabels?: boolean;
  /** Measures lengths and what would be cut. */
  readonly lengths?: { readonly tokenizer: Tokenizer } & SequenceLengths;
  /** Evaluation data, to find rows that are in both. */
  readonly evaluation?: DatasetSpec;
  /** What the data is for: one class, or as many as rows, is no fault of data that is only measured. Training when left out. */
  readonly purpose?: "training" | "evaluation";
  /** Occurrences kept of each kind of issue; 10 when left out. */
  readonly kept?: number;
  /** Receives every issue of every row, and of the set as a whole, in order. */
  readonly onIssue?: (issue: RowIssue) => void;
  /** Receives the header and every accepted row, in order. */
  readonly onAccepted?: (row: DatasetRow) => void;
  /** Receives every row that is counted, in order, with all that is wrong with it by itself and next to those before it. */
  readonly onRow?: (row: JudgedRow) => void;
  /** Whether the report says how long the usable rows are. */
  readonly countLengths?: true;
  readonly onProgress?: (rows: number) => void;
  readonly signal?: AbortSignal;
}

/** A row as validation found it. */
export interface JudgedRow {
  /** From 1, counting rows that cannot be used too. */
  readonly number: number;
  readonly row: Extract<DatasetRow, { readonly kind: "row" }>;
  readonly issues: readonly RowIssue[];
  readonly accepted: boolean;
  readonly labels: readonly string[];
}

/**
 * One full pass over a dataset, before anything is trained: every row is read, judged and accounted for. Memory grows with
 * the number of rows by a few dozen bytes each (to find duplicates), never with their text.
 *
 * @throws AlbertError not-found (FILE_NOT_READABLE); invalid-input (FORMAT_UNKNOWN)
 */
export async function validateDataset(spec: DatasetSpec, options: ValidationOptions = {}): Promise<DatasetReport> {
  const tally = new IssueTally(options.kept ?? 10, options.onIssue);
  const lengths = options.lengths === undefined ? undefined : new LengthTally(options.lengths);
  const evaluation = new Set<string>();
  if (options.evaluation !== undefined) {
    for await (const example of acceptedExamples(options.evaluation)) evaluation.add(contentKey(example));
  }
  const seen = new Map<string, { readonly label: string; readonly row: number }>();
  const ids = new Set<string>();
  const labels = new Map<string, LabelRows>();
  requireOwnColumns(spec);
  let read = 0;
  let accepted = 0;
  let erroneous = 0;
  let wrongFile = false;
  const counts = options.countLengths === undefined ? undefined : new LengthCounts();
  for await (const row of datasetRows(spec)) {
    options.signal?.throwIfAborted();
    const found: RowIssue[] = [...row.issues];
    for (const issue of row.issues) tally.add(issue);
    const note = (issue: RowIssue) => {
      tally.add(issue);
      found.push(issue);
    };
    if (row.kind === "file") {
      wrongFile ||= row.issues.some(({ kind }) => severityOf(kind) === "error");
      if (row.header !== undefined) options.onAccepted?.(row);
      continue;
    }
    read++;
    options.onProgress?.(read);
    const { example } = row;
    const unknown = example === undefined ? undefined : unknownLabel(example, spec, options.head);
    if (unknown !== undefined)
      note(rowIssue("unknown-label", example!.location, notOfHead(unknown, options.head), unknown));
    if (unknown !== undefined || row.issues.some(({ kind }) => severityOf(kind) === "error")) erroneous++;
    const labelled = example === undefined ? [] : labelsOf(example);
    const judged = { number: read, row, issues: found, labels: labelled };
    if (example === undefined || unknown !== undefined) {
      options.onRow?.({ ...judged, accepted: false });
      continue;
    }
    accepted++;
    counts?.add(example);
    options.onAccepted?.(row);
    const place = row.locate ?? example.location;
    for (const label of labelled) {
      const known = labels.get(label);
      if (known === undefined) labels.set(label, { count: 1, place });
      else known.count++;
    }
    const key = contentKey(example);
    const before = seen.get(key);
    const label = labelKey(example);
    if (before === undefined) seen.set(key, { label, row: read });
    else if (before.label === label)
      note(rowIssue("duplicate-row", place, `the same as row ${before.row}`, textOf(example)));
    else note(rowIssue("conflicting-labels", place, `row ${before.row} has another answer`, textOf(example)));
    if (evaluation.has(key)) note(rowIssue("overlap-with-eval", place, "also in the evaluation data", textOf(example)));
    if (example.kind === "question") {
      if (ids.has(example.id)) note(rowIssue("duplicate-id", place, "a question with this id came before", example.id));
      ids.add(example.id);
    }
    for (const issue of lengths?.add(example, place) ?? []) note(issue);
    options.onRow?.({ ...judged, accepted: true });
  }
  judgeWhole(tally, { spec, accepted, labels, options });
  const issues = tally.issues();
  return {
    files: spec.paths,
    digest: await digestOf(spec.paths),
    read,
    accepted,
    rejected: read - accepted,
    erroneous,
    labels: Object.fromEntries(
      [...labels].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { count }]) => [name, count]),
    ),
    issues,
    ...(spec.skipInvalid === undefined ? {} : { skipped: spec.skipInvalid }),
    ...(lengths === undefined ? {} : { lengths: lengths.statistics() }),
    ...(counts === undefined ? {} : { words: counts.bins() }),
    meant: spec.task === "classification" ? likelyMeant(labels, accepted) : new Map(),
    usable: !issues.some(({ fatal }) => fatal) && !wrongFile && erroneous <= read * (spec.skipInvalid ?? 0),
  };
}

/** sha256 (hex) of the files' bytes as stored; of a folder, of its name only. */
export async function digestOf(paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) {
    try {
      for await (const chunk of fileSource(path).open()) hash.update(chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EISDIR") throw error;
      hash.update(path);
    }
  }
  return hash.digest("hex");
}

/** Official layouts have their columns; names for others would be ignored. */
function requireOwnColumns({ task, columns }: DatasetSpec): void {
  if (columns === undefined || !isOfficialTask(task)) return;
  const description = `${task} data has the official layout; own column names are for ${OWN_TASKS.join(", ")}`;
  throw invalidInput([{ field: "columns", description }]);
}

function judgeWhole(
  tally: IssueTally,
  found: {
    readonly spec: DatasetSpec;
    readonly accepted: number;
    readonly labels: ReadonlyMap<string, LabelRows>;
    readonly options: ValidationOptions;
  },
): void {
  const { spec, accepted, labels } = found;
  const { head, allLabels = false, purpose = "training" } = found.options;
  const location = { file: basename(spec.paths[0] ?? ""), line: 1, column: 1 };
  if (accepted === 0) {
    tally.add(rowIssue("no-usable-rows", location, "0 usable rows"));
    return;
  }
  const isClassification = !["squad-v1", "squad-v2", "qa", "race", "multiple-choice", "contrastive"].includes(
    spec.task,
  );
  const named = isClassification && spec.task !== "sts-b" && (spec.problemType ?? "single-label") === "single-label";
  const scored = labels.get(SCORED_PAIR);
  if (scored !== undefined && purpose === "training") {
    const detail = `${scored.count} of ${accepted} rows have a score`;
    tally.add(rowIssue("scored-pair", scored.place, detail));
  }
  if (named && labels.size === 1 && purpose === "training")
    tally.add(rowIssue("single-class", location, `every row is labelled ${[...labels.keys()][0]}`));
  if (spec.task === "classification" && spec.problemType !== "regression" && purpose === "training") {
    for (const issue of labelIssues(labels, accepted)) tally.add(issue);
  }
  if (head === undefined || head.problemType === "regression") return;
  const unused = head.labels.filter((label) => !labels.has(label));
  if (unused.length > 0 && allLabels) {
    const detail = `the model's head ${head.name} has ${head.labels.length} labels, the data ${labels.size} of them; absent: ${unused.join(", ")}`;
    tally.add(rowIssue("labels-do-not-fit-head", location, detail));
    return;
  }
  if (unused.length === head.labels.length) return;
  for (const label of unused) tally.add(rowIssue("label-never-used", location, `no row is labelled ${label}`));
}

function unknownLabel(example: Example, spec: DatasetSpec, head: ClassificationHead | undefined): string | undefined {
  if (example.kind !== "classification" || head === undefined || head.problemType === "regression") return undefined;
  const { label } = example;
  if (label === undefined || typeof label === "number") return undefined;
  const names = typeof label === "string" ? [label] : label;
  return names.find((name) => labelIdOf(name, head, spec.task) < 0);
}

function notOfHead(label: string, head: ClassificationHead | undefined): string {
  const near = nearest(label, head?.labels ?? []);
  return `not a label of the head${near === undefined ? "" : `; is ${JSON.stringify(near)} meant?`}`;
}

function textOf(example: Example): string {
  if (example.kind === "pair") return example.anchor;
  return example.kind === "classification" ? example.text : example.question;
}

/** How a report calls rows whose pair has a score. */
export const SCORED_PAIR = "pair with a score";

function countOf(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}

function labelsOf(example: Example): readonly string[] {
  if (example.kind === "question") return [example.isImpossible ? "impossible" : "answerable"];
  if (example.kind === "choice") return [`${example.choices.length} choices`];
  if (example.kind === "pair") {
    if (example.score !== undefined) return [SCORED_PAIR];
    return [example.negatives.length === 0 ? "pair" : `pair with ${countOf(example.negatives.length, "negative")}`];
  }
  const { label } = example;
  if (label === undefined || typeof label === "number") return [];
  return typeof label === "string" ? [label] : label;
}
