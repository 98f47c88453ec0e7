import { type DataSource, type TextLine, textLines } from "../../../tasks/datasets/data-source.ts";
import { type DelimitedFormat, delimitedRecords } from "./delimited.ts";

// How the cells of a CSV or TSV file are divided: by its name, unless its header tells otherwise.

/** A format, and what spoke for it. */
export interface RecognisedFormat {
  readonly format: DelimitedFormat;
  /** Line of the header, from 1. Spreadsheets write a line such as `sep=;` before it. */
  readonly headerLine: number;
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
 * @param fits  whether a header has every needed column
 */
export async function recogniseFormat(
  source: DataSource,
  ending: "csv" | "tsv",
  fits: (header: readonly string[]) => boolean,
): Promise<RecognisedFormat> {
  const candidates = ending === "csv" ? CSV : TSV;
  const named = candidates[0]!;
  for await (const line of textLines(source)) {
    const text = line.text.trim();
    if (text === "") continue;
    const declared = /^"?sep=([,;\t|])"?$/i.exec(line.text.replace(/\r$/, ""))?.[1];
    if (declared !== undefined) {
      const format = CSV.find(({ separator }) => separator === declared)!; // the pattern knows the same four
      return { format, headerLine: line.line + 1, found: `the first line says so: sep=${declared}` };
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
