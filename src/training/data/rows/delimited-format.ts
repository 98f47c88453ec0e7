import { type DataSource, type TextLine, textLines } from "../../../tasks/datasets/data-source.ts";
import { type DelimitedFormat, delimitedRecords } from "./delimited.ts";

// How the cells of a CSV or TSV file are divided: by its name, unless its header or a person tells otherwise.

/** Names of what divides the cells of a row. */
export const SEPARATOR_NAMES = ["comma", "semicolon", "tab", "bar"] as const;
export type SeparatorName = (typeof SEPARATOR_NAMES)[number];

const BY_NAME = { comma: ",", semicolon: ";", tab: "\t", bar: "|" } as const;

/** What a separator is called. */
export function separatorName(separator: DelimitedFormat["separator"]): SeparatorName {
  return SEPARATOR_NAMES.find((name) => BY_NAME[name] === separator)!; // there are these four
}

/** A format, and what spoke for it. */
export interface RecognisedFormat {
  readonly format: DelimitedFormat;
  /** Line of the header, from 1. Spreadsheets write a line such as `sep=;` before it. */
  readonly headerLine: number;
  /** The line before the header that says so; absent where there is none. */
  readonly declared?: string;
  /** A sentence where the format is not the one that the name tells. */
  readonly found?: string;
}

const SEPARATORS = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars" } as const;
const CSV: readonly DelimitedFormat[] = ([",", ";", "\t", "|"] as const).map((separator) => ({
  separator,
  quotes: true,
}));
const TSV: readonly DelimitedFormat[] = [
  { separator: "\t", quotes: false },
  ...CSV.filter((it) => it.separator !== "\t"),
];

/**
 * The first format, that of the file's name before all others, in which the header has the columns that are needed; where there
 * is none, the one that divides the header into most columns.
 *
 * @param fits   whether a header has every needed column
 * @param given  what a person says; then nothing is looked for
 */
export async function recogniseFormat(
  source: DataSource,
  ending: "csv" | "tsv",
  fits: (header: readonly string[]) => boolean,
  given?: SeparatorName,
): Promise<RecognisedFormat> {
  const own = ending === "csv" ? CSV : TSV;
  const candidates = given === undefined ? own : own.filter(({ separator }) => separator === BY_NAME[given]);
  const named = candidates[0]!;
  for await (const line of textLines(source)) {
    const text = line.text.trim();
    if (text === "") continue;
    const declared = /^"?sep=([,;\t|])"?$/i.exec(line.text.replace(/\r$/, ""))?.[1];
    if (declared !== undefined && (given === undefined || declared === BY_NAME[given])) {
      const format = CSV.find(({ separator }) => separator === declared)!; // the pattern knows the same four
      const found = `the first line says so: sep=${declared}`;
      return { format, headerLine: line.line + 1, declared: text, found };
    }
    const headers = await Promise.all(
      candidates.map(async (format) => ({ format, cells: await cellsOf(line, format) })),
    );
    const fitting = headers.find(({ cells }) => fits(cells));
    const widest = headers.reduce((best, next) => (next.cells.length > best.cells.length ? next : best));
    const { format } = fitting ?? (headers[0]!.cells.length > 1 ? headers[0]! : widest);
    const found = `fields are separated by ${SEPARATORS[format.separator]}, where .${ending} files usually have ${SEPARATORS[named.separator]}`;
    return { format, headerLine: line.line, ...(format === named ? {} : { found }) };
  }
  return { format: named, headerLine: 1 };
}

async function cellsOf(line: TextLine, format: DelimitedFormat): Promise<string[]> {
  for await (const { cells } of delimitedRecords(oneLine(line), "", format)) return cells.map(({ text }) => text);
  return [];
}

async function* oneLine(line: TextLine): AsyncGenerator<TextLine> {
  yield line;
}
