import { invalidInput } from "../../../errors.ts";
import type { DatasetSpec } from "../rows/dataset-rows.ts";
import type { ColumnNames } from "../rows/fields.ts";
import { fieldKey } from "../rows/fields.ts";
import { type JudgedRow, validateDataset } from "../validate-dataset.ts";
import { LineFile } from "./line-file.ts";
import { lineOfRow } from "./line-of-row.ts";
import { objectLine, type Table, tableLine, type Values } from "./written-rows.ts";

// Writes the rows of a data set anew: some left out, some changed, labels renamed.

/** Stands for every kind of problem that keeps a row from being used. */
export const ANY_ERROR = "any-error";

/** What is to become of the rows of a data set. Rows are numbered from 1, those that cannot be used too. */
export interface RowEdits {
  readonly leaveOut: ReadonlySet<number>;
  /** Kinds of problems whose rows are left out, or `ANY_ERROR`. */
  readonly leaveOutProblems: ReadonlySet<string>;
  /** New values by row, under their columns. */
  readonly values: ReadonlyMap<number, Values>;
  /** Labels that are to be written otherwise. */
  readonly labels: ReadonlyMap<string, string>;
}

export interface Edited {
  readonly rows: number;
  readonly leftOut: number;
  readonly changed: number;
}

/**
 * Writes what edits leave of a data set into a new file, in the format of the old one; rows of documents as JSON Lines. Rows that
 * nobody touches stay as they stand there, wrong ones too; only those of official layouts that cannot be used are left out.
 *
 * @throws AlbertError invalid-input where an edit names a row or column that is not there, or nothing would change or be left
 */
export async function writeEdited(
  spec: DatasetSpec,
  edits: RowEdits,
  output: string,
  signal?: AbortSignal,
): Promise<Edited> {
  const file = new LineFile(output);
  let [rows, leftOut, changed, read] = [0, 0, 0, 0];
  let table: Table | undefined;
  const onRow = (judged: JudgedRow) => {
    read = judged.number;
    const edited = isLeftOut(judged, edits) ? undefined : editedLine(judged, edits, spec.columns ?? {}, table);
    if (edited === undefined) leftOut++;
    else {
      rows++;
      if (edited.isNew) changed++;
      file.add(edited.line);
    }
  };
  try {
    await validateDataset(spec, {
      purpose: "evaluation",
      ...(signal === undefined ? {} : { signal }),
      onAccepted: (row) => {
        if (row.kind !== "file") return;
        table = row.table;
        file.add(lineOfRow(row));
      },
      onRow,
    });
  } finally {
    file.close();
  }
  for (const [field, numbers] of [
    ["leave_out", edits.leaveOut],
    ["edits", edits.values.keys()],
  ] as const) {
    const beyond = Math.max(0, ...numbers);
    if (beyond > read) throw invalidInput([{ field, description: `there is no row ${beyond}: the data has ${read}` }]);
  }
  if (leftOut + changed === 0) {
    throw invalidInput([
      { field: "edits", description: "nothing would change: name rows, problems or labels of the data" },
    ]);
  }
  if (rows === 0) throw invalidInput([{ field: "leave_out", description: `leaves none of ${read} rows` }]);
  return { rows, leftOut, changed };
}

function isLeftOut({ number, accepted, issues }: JudgedRow, { leaveOut, leaveOutProblems }: RowEdits): boolean {
  if (leaveOut.has(number) || (!accepted && leaveOutProblems.has(ANY_ERROR))) return true;
  return issues.some(({ kind }) => leaveOutProblems.has(kind));
}

/** The line of a row as it is to be; undefined where it cannot be written at all. */
function editedLine(
  judged: JudgedRow,
  edits: RowEdits,
  columns: ColumnNames,
  table: Table | undefined,
): { readonly line: string; readonly isNew: boolean } | undefined {
  const { row, number } = judged;
  const given = edits.values.get(number);
  const changes = given ?? renamed(judged, edits.labels, columns);
  if (changes === undefined) {
    if (row.text === undefined && row.example === undefined) return undefined;
    return { line: lineOfRow(row), isNew: false };
  }
  if (table === undefined && row.values === undefined && row.example !== undefined) {
    const description = `row ${number} is of an official layout: such rows can be left out, not changed`;
    throw invalidInput([{ field: given === undefined ? "rename_labels" : "edits", description }]);
  }
  const line = table === undefined ? objectLine(row, changes) : tableLine(row, changes, table, number);
  return { line, isNew: line !== row.text };
}

/** The new value of a row's label, where one of its labels is renamed. */
function renamed(
  { row, labels }: JudgedRow,
  names: ReadonlyMap<string, string>,
  columns: ColumnNames,
): Values | undefined {
  if (!labels.some((label) => names.has(label))) return undefined;
  const values = row.values?.() ?? [];
  const key = fieldKey(
    "label",
    values.map(([column]) => column),
    columns,
  );
  if (key === undefined) return undefined;
  const isList = Array.isArray(values.find(([column]) => column === key)?.[1]);
  const written = labels.map((label) => names.get(label) ?? label);
  return new Map([[key, isList ? JSON.stringify(written) : written.join("|")]]);
}
