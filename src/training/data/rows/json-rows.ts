import { AlbertError } from "../../../errors.ts";
import { type DataSource, type DecodedText, type TextLine, textLines } from "../../../tasks/datasets/data-source.ts";
import { JsonPlaces, locateInJson, parseJson } from "../../../tasks/datasets/json-text.ts";
import { type RowIssue, rejectsRow, rowIssue } from "../issues.ts";
import { lineIssues } from "../windows-text.ts";
import { type ColumnNames, choiceKeys, type FieldRow, fieldKey, negativeKeys, withoutEmptyEnd } from "./fields.ts";
import { missingFields } from "./required-fields.ts";
import type { RowReading, TabularRow } from "./tabular-rows.ts";

// Rows of JSON Lines files, and of JSON documents that are a list of rows.

/** Rows of a JSON Lines file: one object a line. */
export async function* jsonLineRows(source: DataSource, reading: RowReading): AsyncGenerator<TabularRow> {
  for await (const line of textLines(source)) {
    const location = { file: source.name, line: line.line, column: 1 };
    const issues = lineIssues(line, source.name, reading.windowsText);
    if (line.text.trim() === "") {
      yield { kind: "file", issues: [rowIssue("blank-line", location, "blank line")] };
      continue;
    }
    const value = issues.some(({ kind }) => rejectsRow(kind)) ? undefined : jsonObject(line, source.name, issues);
    if (value === undefined) {
      yield { kind: "rejected", issues, text: line.text.trim() };
      continue;
    }
    const locate = (key: string) => () => {
      const { column } = locateInJson(line.text, [key], source.name);
      return { ...location, column };
    };
    yield objectRow(value, { location, issues, locate, text: line.text }, reading);
  }
}

/**
 * Rows of a document: a list of objects, or an object whose `data` is one.
 *
 * @param json  the parsed document
 */
export function* jsonDocumentRows(
  { text }: DecodedText,
  json: unknown,
  file: string,
  reading: RowReading,
): Generator<TabularRow> {
  const places = new JsonPlaces(text, file);
  const isBare = Array.isArray(json);
  const rows: unknown = isBare ? json : (json as { data?: unknown } | null)?.data;
  if (!Array.isArray(rows)) {
    const detail = "expected a list of rows, or an object whose data is such a list";
    yield {
      kind: "rejected",
      issues: [rowIssue("bad-json", { file, line: 1, column: 1 }, detail, text.slice(0, 200))],
    };
    return;
  }
  for (const [i, value] of (rows as unknown[]).entries()) {
    const path = isBare ? [i] : ["data", i];
    const location = places.locate(path);
    if (!isObject(value)) {
      yield { kind: "rejected", issues: [rowIssue("bad-json", location, "not a JSON object", JSON.stringify(value))] };
      continue;
    }
    const locate = (key: string) => () => places.locate([...path, key]);
    yield objectRow(value, { location, issues: [], locate, text: JSON.stringify(value) }, reading);
  }
}

interface ObjectPlace {
  readonly location: FieldRow["location"];
  readonly issues: RowIssue[];
  readonly locate: (key: string) => RowIssue["location"];
  /** For the excerpt. */
  readonly text: string;
}

function objectRow(
  value: Record<string, unknown>,
  { location, issues, locate, text }: ObjectPlace,
  { columns, required }: { readonly columns: ColumnNames; readonly required: RowReading["required"] },
): TabularRow {
  const keys = Object.keys(value);
  for (const names of missingFields(keys, columns, required)) {
    const detail = `no field ${names}; the row has ${keys.join(", ")}`;
    issues.push(rowIssue("missing-field", location, detail, text));
  }
  const values = () => Object.entries(value);
  if (issues.some(({ kind }) => rejectsRow(kind))) return { kind: "rejected", issues, text: text.trim(), values };
  const field = (key: string | undefined) => {
    if (key === undefined || value[key] === undefined || value[key] === null) return undefined;
    return { value: value[key], location: locate(key) };
  };
  return {
    kind: "row",
    text: text.trim(),
    row: {
      location,
      issues,
      get: (name) => field(fieldKey(name, keys, columns)),
      column: (name) => field(name),
      values,
      choiceColumns: () => withoutEmptyEnd(choiceKeys(keys, columns).flatMap((key) => field(key) ?? [])),
      negativeColumns: () => negativeKeys(keys).flatMap((key) => field(key) ?? []),
    },
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function jsonObject(line: TextLine, file: string, issues: RowIssue[]): Record<string, unknown> | undefined {
  try {
    const value = parseJson(line.text, file, line.line);
    if (isObject(value)) return value;
    issues.push(rowIssue("bad-json", { file, line: line.line, column: 1 }, "not a JSON object", line.text));
  } catch (error) {
    if (!(error instanceof AlbertError)) throw error;
    const column = Number(error.metadata["column"] ?? 1);
    const number = /[:[,]\s*(NaN|-?Infinity)\b/.exec(line.text)?.[1];
    const why = number === undefined ? "" : `: ${number} is no number of JSON; write null`;
    const detail = error.reason === "DATA_INVALID" ? `not valid JSON${why}` : error.message;
    issues.push(rowIssue("bad-json", { file, line: line.line, column }, detail, line.text));
  }
  return undefined;
}
