import { type DataSource, textLines } from "../../../tasks/datasets/data-source.ts";
import { type RowIssue, rejectsRow, rowIssue } from "../issues.ts";
import { lineIssues, type WindowsText } from "../windows-text.ts";
import type { DatasetRow } from "./dataset-row.ts";
import { type DelimitedRecord, delimitedRecords } from "./delimited.ts";
import { recogniseFormat, type SeparatorName } from "./delimited-format.ts";
import {
  type ColumnNames,
  choiceKeys,
  type FieldName,
  type FieldRow,
  fieldKey,
  negativeKeys,
  type RowValues,
  withoutEmptyEnd,
} from "./fields.ts";
import { missingFields, type RequiredFields } from "./required-fields.ts";

// Rows of CSV and TSV files, each a record under the header's names.

/** A row, or what is wrong with the file as a whole. */
export type TabularRow =
  | {
      readonly kind: "row";
      readonly row: FieldRow;
      /** As it stands in the file. */
      readonly text: string;
    }
  | {
      readonly kind: "rejected";
      readonly issues: readonly RowIssue[];
      /** As it stands in the file. */
      readonly text?: string;
      /** Where it could be divided into columns. */
      readonly values?: () => RowValues;
    }
  | Extract<DatasetRow, { readonly kind: "file" }>;

/** How a file of rows is read. */
export interface RowReading {
  readonly columns: ColumnNames;
  readonly required: RequiredFields;
  readonly windowsText: WindowsText;
  /** What divides the cells of a CSV or TSV file, where a person says so. */
  readonly separator?: SeparatorName;
}

/** Rows of a CSV or TSV file with a header. */
export async function* delimitedRows(
  source: DataSource,
  ending: "csv" | "tsv",
  { columns, required, windowsText, separator }: RowReading,
): AsyncGenerator<TabularRow> {
  const fits = (header: readonly string[]) =>
    required.length === 0 ? header.length > 1 : missingFields(header, columns, required).length === 0;
  const { format, headerLine, declared, found } = await recogniseFormat(source, ending, fits, separator);
  let keys: readonly string[] | undefined;
  for await (const record of delimitedRecords(textLines(source), source.name, format)) {
    if (record.location.line < headerLine) continue;
    const issues = record.lines.flatMap((line) => lineIssues(line, source.name, windowsText));
    if (record.badQuoteAt !== undefined) {
      const text = record.lines[0]!.text;
      const detail = "a quote without its partner";
      const broken = rowIssue("bad-quoting", record.badQuoteAt, detail, text);
      yield { kind: "rejected", issues: [...issues, broken], text: textOf(record) };
    } else if (record.cells.length === 0) {
      yield { kind: "file", issues: [rowIssue("blank-line", record.location, "blank line")] };
    } else if (keys === undefined) {
      keys = record.cells.map(({ text }) => text);
      if (found !== undefined) issues.push(rowIssue("other-separator", record.location, found));
      const missing = headerIssues(keys, record, columns, required);
      const header = declared === undefined ? textOf(record) : `${declared}\n${textOf(record)}`;
      yield { kind: "file", issues: [...issues, ...missing], header, table: { columns: keys, format } };
      if (missing.length > 0) return;
    } else {
      if (record.cells.length !== keys.length) {
        const detail = `${record.cells.length} columns where the header has ${keys.length}`;
        issues.push(rowIssue("wrong-column-count", record.location, detail, record.lines[0]!.text));
      }
      if (issues.some(({ kind }) => rejectsRow(kind))) {
        const names = keys;
        yield { kind: "rejected", issues, text: textOf(record), values: () => valuesOf(record, names) };
      } else yield { kind: "row", row: recordRow(record, keys, columns, issues), text: textOf(record) };
    }
  }
}

/** Characters of a header that a message shows. */
const MOST_OF_HEADER = 200;

/** The lines of a record, without carriage returns at their ends. */
function textOf({ lines }: DelimitedRecord): string {
  return lines.map(({ text }) => text.replace(/\r$/, "")).join("\n");
}

function headerIssues(
  keys: readonly string[],
  { location }: DelimitedRecord,
  columns: ColumnNames,
  required: RequiredFields,
): RowIssue[] {
  const old = keys.some((key) => key.includes("\r"))
    ? "; its lines end in carriage returns alone: save it with line feeds (tr '\\r' '\\n' < FILE > NEW)"
    : "";
  const named = shortened(keys.map((key) => key.trim() || "(empty)").join(", "));
  const missing = missingFields(keys, columns, required).map(
    (names) => `no column ${names}; the header has ${named}${old}`,
  );
  const used = required.flat().flatMap((name) => fieldKey(name, keys, columns) ?? []);
  const twice = [...new Set(used)].filter((key) => keys.indexOf(key) !== keys.lastIndexOf(key));
  const doubled = twice.map((key) => `two columns are called ${key}: rename one of them`);
  return [...missing, ...doubled].map((detail) => rowIssue("missing-column", location, detail));
}

function shortened(header: string): string {
  return header.length <= MOST_OF_HEADER ? header : `${header.slice(0, MOST_OF_HEADER)}…`;
}

/** Cells under their columns; those beyond the header under the empty name. */
function valuesOf({ cells }: DelimitedRecord, keys: readonly string[]): RowValues {
  return cells.map(({ text }, i) => [keys[i] ?? "", text]);
}

function recordRow(
  record: DelimitedRecord,
  keys: readonly string[],
  columns: ColumnNames,
  issues: readonly RowIssue[],
): FieldRow {
  const cells = new Map(keys.map((key, i) => [key, record.cells[i]!]));
  const field = (key: string | undefined) => {
    const cell = key === undefined ? undefined : cells.get(key);
    return cell === undefined ? undefined : { value: cell.text, location: cell.location };
  };
  return {
    location: record.location,
    issues,
    get: (name: FieldName) => field(fieldKey(name, keys, columns)),
    column: (name) => field(keys.find((key) => key.trim() === name)),
    values: () => valuesOf(record, keys),
    choiceColumns: () => withoutEmptyEnd(choiceKeys(keys, columns).flatMap((key) => field(key) ?? [])),
    negativeColumns: () => negativeKeys(keys).flatMap((key) => field(key) ?? []),
  };
}
