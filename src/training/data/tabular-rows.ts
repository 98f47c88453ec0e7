import { AlbertError } from "../../errors.ts";
import { type DataSource, type TextLine, textLines } from "../../tasks/datasets/data-source.ts";
import { locateInJson, parseJson } from "../../tasks/datasets/json-text.ts";
import { type DelimitedFormat, delimitedRecords } from "./delimited.ts";
import { type ColumnNames, type FieldName, type FieldRow, fieldKey, fieldNames, numberedKeys } from "./fields.ts";
import { type RowIssue, rejectsRow, rowIssue } from "./issues.ts";
import { lineMarks, type WindowsText } from "./windows-text.ts";

/** A row, or what is wrong with the file as a whole. */
export type TabularRow =
  | { readonly kind: "row"; readonly row: FieldRow }
  | { readonly kind: "rejected"; readonly issues: readonly RowIssue[] }
  | { readonly kind: "file"; readonly issues: readonly RowIssue[] };

/** Which fields a file must have; of each inner list at least one. */
export type RequiredFields = readonly (readonly FieldName[])[];

/** Rows of a CSV or TSV file with a header. */
export async function* delimitedRows(
  source: DataSource,
  format: DelimitedFormat,
  columns: ColumnNames,
  required: RequiredFields,
  windowsText: WindowsText,
): AsyncGenerator<TabularRow> {
  let keys: readonly string[] | undefined;
  for await (const record of delimitedRecords(textLines(source), source.name, format)) {
    const issues = record.lines.flatMap((line) => lineIssues(line, source.name, windowsText));
    if (record.badQuoteAt !== undefined) {
      const text = record.lines[0]!.text;
      yield {
        kind: "rejected",
        issues: [...issues, rowIssue("bad-quoting", record.badQuoteAt, "a quote without its partner", text)],
      };
      continue;
    }
    if (record.cells.length === 0) {
      yield { kind: "file", issues: [rowIssue("blank-line", record.location, "blank line")] };
      continue;
    }
    if (keys === undefined) {
      keys = record.cells.map(({ text }) => text);
      const missing = missingColumns(keys, columns, required);
      const found = keys.join(", ");
      yield {
        kind: "file",
        issues: [
          ...issues,
          ...missing.map((names) =>
            rowIssue("missing-column", record.location, `no column ${names}; the header has ${found}`),
          ),
        ],
      };
      if (missing.length > 0) return;
      continue;
    }
    if (record.cells.length !== keys.length) {
      const detail = `${record.cells.length} columns where the header has ${keys.length}`;
      issues.push(rowIssue("wrong-column-count", record.location, detail, record.lines[0]!.text));
    }
    if (issues.some(({ kind }) => rejectsRow(kind))) yield { kind: "rejected", issues };
    else {
      const cells = new Map(keys.map((key, i) => [key, record.cells[i]!]));
      const field = (key: string | undefined) => {
        const cell = key === undefined ? undefined : cells.get(key);
        return cell === undefined ? undefined : { value: cell.text, location: cell.location };
      };
      const names = keys;
      yield {
        kind: "row",
        row: {
          location: record.location,
          issues,
          get: (name) => field(fieldKey(name, names, columns)),
          numbered: (stem) =>
            numberedKeys(names, stem)
              .flatMap((key) => field(key) ?? [])
              .filter(({ value }) => value !== ""),
        },
      };
    }
  }
}

/** Rows of a JSON Lines file: one object a line. */
export async function* jsonLineRows(
  source: DataSource,
  columns: ColumnNames,
  required: RequiredFields,
  windowsText: WindowsText,
): AsyncGenerator<TabularRow> {
  for await (const line of textLines(source)) {
    const location = { file: source.name, line: line.line, column: 1 };
    const issues = lineIssues(line, source.name, windowsText);
    if (line.text.trim() === "") {
      yield { kind: "file", issues: [rowIssue("blank-line", location, "blank line")] };
      continue;
    }
    const value = issues.some(({ kind }) => rejectsRow(kind)) ? undefined : jsonObject(line, source.name, issues);
    if (value === undefined) {
      yield { kind: "rejected", issues };
      continue;
    }
    const keys = Object.keys(value);
    for (const names of missingColumns(keys, columns, required)) {
      issues.push(rowIssue("missing-field", location, `no field ${names}`, line.text));
    }
    if (issues.some(({ kind }) => rejectsRow(kind))) {
      yield { kind: "rejected", issues };
      continue;
    }
    const field = (key: string | undefined) => {
      if (key === undefined || value[key] === undefined || value[key] === null) return undefined;
      const { column } = locateInJson(line.text, [key], source.name);
      return { value: value[key], location: { ...location, column } };
    };
    yield {
      kind: "row",
      row: {
        location,
        issues,
        get: (name) => field(fieldKey(name, keys, columns)),
        numbered: (stem) => numberedKeys(keys, stem).flatMap((key) => field(key) ?? []),
      },
    };
  }
}

/** What the bytes and the end of a line tell. */
export function lineIssues(line: TextLine, file: string, windowsText: WindowsText): RowIssue[] {
  const issues: RowIssue[] = [];
  const at = (index: number) => ({ file, line: line.line, column: Math.max(0, index) + 1 });
  if (!line.isUtf8) {
    issues.push(rowIssue("invalid-utf8", at(line.text.indexOf("\ufffd")), "bytes that are not UTF-8", line.text));
  }
  const nul = line.text.indexOf("\0");
  if (nul >= 0) issues.push(rowIssue("nul-character", at(nul), "a U+0000 character", line.text));
  return [...issues, ...lineMarks(line, file, windowsText)];
}

function jsonObject(line: TextLine, file: string, issues: RowIssue[]): Record<string, unknown> | undefined {
  try {
    const value = parseJson(line.text, file, line.line);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    issues.push(rowIssue("bad-json", { file, line: line.line, column: 1 }, "not a JSON object", line.text));
  } catch (error) {
    if (!(error instanceof AlbertError)) throw error;
    const column = Number(error.metadata["column"] ?? 1);
    issues.push(rowIssue("bad-json", { file, line: line.line, column }, "not valid JSON", line.text));
  }
  return undefined;
}

function missingColumns(keys: readonly string[], columns: ColumnNames, required: RequiredFields): string[] {
  return required
    .filter((names) => names.every((name) => fieldKey(name, keys, columns) === undefined))
    .filter((names) => !(names.includes("choices") && numberedKeys(keys, "choice").length > 0))
    .map((names) => names.map((name) => fieldNames(name, columns)).join(" or "));
}
