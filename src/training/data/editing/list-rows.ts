import type { Example } from "../../../tasks/datasets/examples.ts";
import type { IssueSeverity } from "../dataset-report.ts";
import { hintOf, type RowIssue, rejectsRow, severityOf } from "../issues.ts";
import { type DatasetSpec, plainRows } from "../rows/dataset-rows.ts";
import { type SeparatorName, separatorName } from "../rows/delimited-format.ts";
import { type FieldName, fieldColumns, type RowValues } from "../rows/fields.ts";
import { type JudgedRow, type ValidationOptions, validateDataset } from "../validate-dataset.ts";

// Some rows of a data set for people to look at, each with its values and with what is wrong with it.

/** Which rows are wanted. */
export interface RowsWanted {
  /** A kind of problem, or `ANY_PROBLEM`; empty: whatever they have. */
  readonly problem: string;
  readonly label: string;
  /** What they hold, in any case of letters. */
  readonly text: string;
  readonly offset: number;
  readonly limit: number;
}

/** Stands for every error and warning. */
const ANY_PROBLEM = "any";

/** One row as it is shown. */
export interface ListedRow {
  readonly number: number;
  readonly line: number;
  readonly values: readonly { readonly column: string; readonly value: string; readonly shortened: boolean }[];
  /** As it stands in the file, shortened, where it cannot be used. */
  readonly text: string;
  readonly usable: boolean;
  readonly labels: readonly string[];
  readonly problems: readonly {
    readonly kind: string;
    readonly severity: IssueSeverity;
    readonly detail: string;
    readonly hint: string;
  }[];
}

export interface ListedRows {
  readonly rows: readonly ListedRow[];
  readonly matching: number;
  readonly columns: readonly string[];
  readonly fields: Partial<Record<FieldName, string>>;
  readonly separator: SeparatorName | undefined;
}

/** Characters that are shown of a value. */
const SHOWN = 2_000;
/** Characters of all values of an answer, from which on no further row comes. */
const MOST = 1 << 20;

/** What is known of a row before it is shown. */
interface Candidate extends Pick<JudgedRow, "number" | "issues" | "accepted" | "labels"> {
  readonly values: RowValues;
  readonly text: string;
  /** Where it begins; undefined where only its issues tell. */
  readonly line: number | undefined;
}

/**
 * The rows that are wanted, and how many there are of them.
 *
 * @param spec  undefined task: rows under the file's own columns, whatever they are for
 */
export async function listRows(
  spec: Omit<DatasetSpec, "task"> & { readonly task: DatasetSpec["task"] | undefined },
  wanted: RowsWanted,
  options: ValidationOptions = {},
): Promise<ListedRows> {
  const listing = new Listing(wanted);
  const { task } = spec;
  if (task === undefined) await listPlain(spec, listing, options.signal);
  else {
    await validateDataset(
      { ...spec, task },
      {
        ...options,
        onAccepted: (row) => {
          if (row.kind === "file" && row.table !== undefined) listing.beginTable(row.table);
        },
        onRow: (judged) => {
          const { row } = judged;
          const place = row.locate?.() ?? row.example?.location;
          const values = row.values?.() ?? (row.example === undefined ? [] : valuesOf(row.example));
          listing.add({ ...judged, values, text: row.text ?? "", line: place?.line });
        },
      },
    );
  }
  const { columns, separator } = listing;
  return {
    rows: listing.rows,
    matching: listing.matching,
    columns,
    separator,
    fields: fieldColumns(columns, spec.columns ?? {}),
  };
}

async function listPlain(spec: Omit<DatasetSpec, "task">, listing: Listing, signal?: AbortSignal): Promise<void> {
  let number = 0;
  for (const path of spec.paths) {
    for await (const row of plainRows(path, spec)) {
      signal?.throwIfAborted();
      if (row.kind === "file") {
        if (row.table !== undefined) listing.beginTable(row.table);
        continue;
      }
      const { issues } = row.kind === "row" ? row.row : row;
      const values = row.kind === "row" ? row.row.values() : (row.values?.() ?? []);
      const line = row.kind === "row" ? row.row.location.line : undefined;
      const accepted = row.kind === "row";
      listing.add({ number: ++number, issues, accepted, labels: [], values, text: row.text ?? "", line });
    }
  }
}

/** Takes rows one after the other, and keeps those that are wanted. */
class Listing {
  readonly rows: ListedRow[] = [];
  matching = 0;
  columns: readonly string[] = [];
  separator: SeparatorName | undefined;
  readonly #wanted: RowsWanted;
  readonly #needle: string;
  #characters = 0;

  constructor(wanted: RowsWanted) {
    this.#wanted = wanted;
    this.#needle = wanted.text.toLowerCase();
  }

  beginTable({
    columns,
    format,
  }: {
    readonly columns: readonly string[];
    readonly format: { readonly separator: "," | "\t" | ";" | "|" };
  }) {
    this.columns = columns;
    this.separator = separatorName(format.separator);
  }

  add(row: Candidate): void {
    if (this.columns.length === 0) this.columns = row.values.map(([column]) => column);
    if (!this.#isWanted(row)) return;
    const { offset, limit } = this.#wanted;
    const at = this.matching++;
    if (at < offset || at >= offset + limit || this.#characters > MOST) return;
    const shown = shownRow(row);
    this.rows.push(shown);
    this.#characters += shown.values.reduce((sum, { value }) => sum + value.length, shown.text.length);
  }

  #isWanted({ issues, accepted, labels, values, text }: Candidate): boolean {
    const { problem, label } = this.#wanted;
    if (problem === ANY_PROBLEM && !issues.some(({ kind }) => severityOf(kind) !== "note")) return false;
    if (problem !== "" && problem !== ANY_PROBLEM && !issues.some(({ kind }) => kind === problem)) return false;
    if (label !== "" && !(accepted && labels.includes(label))) return false;
    if (this.#needle === "") return true;
    return [text, ...values.map(([, value]) => textOf(value))].some((part) =>
      part.toLowerCase().includes(this.#needle),
    );
  }
}

function shownRow({ number, line, values, text, accepted, labels, issues }: Candidate): ListedRow {
  return {
    number,
    line: line ?? lineOf(issues),
    values: values.map(([column, value]) => {
      const whole = textOf(value);
      return { column, value: whole.slice(0, SHOWN), shortened: whole.length > SHOWN };
    }),
    text: accepted ? "" : text.slice(0, SHOWN),
    usable: accepted,
    labels,
    problems: issues.map(({ kind, detail }) => ({ kind, severity: severityOf(kind), detail, hint: hintOf(kind) })),
  };
}

/** Where a row that cannot be used begins, as far as its errors tell. */
function lineOf(issues: readonly RowIssue[]): number {
  const issue = issues.find(({ kind }) => rejectsRow(kind)) ?? issues[0];
  if (issue === undefined) return 0;
  return (typeof issue.location === "function" ? issue.location() : issue.location).line;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? "");
}

/** The values of an example of an official layout, under the names that its fields have in own data. */
function valuesOf(example: Example): RowValues {
  switch (example.kind) {
    case "classification": {
      const { text, textPair, label } = example;
      const pair = textPair === undefined ? [] : [["text_pair", textPair] as const];
      return [["text", text], ...pair, ["label", label ?? ""]];
    }
    case "question": {
      const { question, context, answers } = example;
      return [
        ["question", question],
        ["context", context],
        ["answers", answers.map(({ text }) => text).join(" | ")],
      ];
    }
    case "choice": {
      const { question, context, choices, answer } = example;
      return [
        ["question", question],
        ["context", context],
        ["choices", choices.join(" | ")],
        ["answer", answer === undefined ? "" : String.fromCharCode(65 + answer)],
      ];
    }
    case "pair": {
      const { anchor, positives, negatives, score } = example;
      return [
        ["anchor", anchor],
        ["positive", positives.join(" | ")],
        ["negative", negatives.join(" | ")],
        ["score", score === undefined ? "" : String(score)],
      ];
    }
  }
}
