import { invalidInput } from "../../../errors.ts";
import type { DatasetRow } from "../rows/dataset-row.ts";
import type { DelimitedFormat } from "../rows/delimited.ts";

// Rows with new values as lines of a file: of a table under its header, or of JSON.

/** New values under their columns or keys. */
export type Values = ReadonlyMap<string, string>;

/** The columns of a table, and how its rows are divided into them. */
export interface Table {
  readonly columns: readonly string[];
  readonly format: DelimitedFormat;
}

type Row = Extract<DatasetRow, { readonly kind: "row" }>;

/**
 * A row of a table with new values. Of a row that has not as many cells as the header, those without a new value become empty: where
 * they belong is not known.
 *
 * @throws AlbertError invalid-input for a column that the table has not, or a value that its format cannot hold
 */
export function tableLine(row: Row, values: Values, { columns, format }: Table, number: number): string {
  const refuse = (description: string) =>
    invalidInput([{ field: "edits", description: `row ${number}: ${description}` }]);
  const unknown = [...values.keys()].find((column) => !columns.includes(column));
  if (unknown !== undefined) {
    throw refuse(`there is no column ${JSON.stringify(unknown)}; the header has ${columns.join(", ")}`);
  }
  const old = row.values?.() ?? [];
  const cells = columns.map(
    (column, i) => values.get(column) ?? (old.length === columns.length ? String(old[i]![1]) : ""),
  );
  if (!format.quotes && cells.some((cell) => /[\t\r\n]/.test(cell))) {
    throw refuse("a .tsv file can hold neither tabs nor line breaks in a value");
  }
  return cells.map((cell) => (format.quotes ? quoted(cell, format.separator) : cell)).join(format.separator);
}

function quoted(cell: string, separator: string): string {
  return /["\r\n]/.test(cell) || cell.includes(separator) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** A row as a line of JSON, with new values of the kind that the old ones had; what was no object becomes one. */
export function objectLine(row: Row, values: Values): string {
  const object = Object.fromEntries(row.values?.() ?? []);
  for (const [key, text] of values) {
    // As an own property, whatever it is called.
    Object.defineProperty(object, key, {
      value: alike(object[key], text),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return JSON.stringify(object);
}

/** A text as a value of the kind that another is, where it can be read so. */
function alike(old: unknown, text: string): unknown {
  if (old === undefined || old === null || typeof old === "string") return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === typeof old && Array.isArray(value) === Array.isArray(old) ? value : text;
  } catch {
    return text;
  }
}
