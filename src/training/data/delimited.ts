import type { DataLocation, TextLine } from "../../tasks/datasets/data-source.ts";

/** One cell, and where it begins. */
export interface Cell {
  readonly text: string;
  readonly location: DataLocation;
}

/** One record of a CSV or TSV file. */
export interface DelimitedRecord {
  readonly cells: readonly Cell[];
  readonly location: DataLocation;
  /** Lines it was read from, for judging their bytes. */
  readonly lines: readonly TextLine[];
  /** Set where a quote is wrong; `cells` is then empty. */
  readonly badQuoteAt?: DataLocation;
}

export interface DelimitedFormat {
  readonly separator: "," | "\t" | ";";
  /** Whether `"..."` may hold separators, quotes (doubled) and line breaks, as RFC 4180 has it. */
  readonly quotes: boolean;
}

/** A record that spans more lines than this has an unclosed quote. */
const MAX_LINES_OF_RECORD = 200;

/**
 * The records of a CSV or TSV file, one at a time, blank lines included (as a record without cells). After a quote that is
 * never closed, or text behind a closing quote, the record's first line is given up and reading goes on with the next line:
 * one bad row does not swallow the rest of the file.
 */
export async function* delimitedRecords(
  lines: AsyncIterable<TextLine>,
  file: string,
  format: DelimitedFormat,
): AsyncGenerator<DelimitedRecord> {
  let open: TextLine[] = [];
  const finished = function* (isLast: boolean): Generator<DelimitedRecord> {
    while (open.length > 0) {
      const record = readRecord(open, file, format);
      if (record === "unclosed" && !isLast && open.length < MAX_LINES_OF_RECORD) return;
      if (record === "unclosed" || record.badQuoteAt !== undefined) {
        const [first, ...rest] = open as [TextLine, ...TextLine[]];
        const location = { file, line: first.line, column: 1 };
        const badQuoteAt = record === "unclosed" ? lastQuote(first, file) : record.badQuoteAt!;
        yield { cells: [], location, lines: [first], badQuoteAt };
        open = rest;
      } else {
        yield record;
        open = open.slice(record.lines.length);
      }
    }
  };
  for await (const line of lines) {
    open.push(line);
    // Inside of an open field only a line with a quote can close it.
    if (open.length === 1 || line.text.includes('"')) yield* finished(false);
    else if (open.length >= MAX_LINES_OF_RECORD) yield* finished(false);
  }
  yield* finished(true);
}

/** Reads the record that begins with the first of `lines`. */
function readRecord(
  lines: readonly TextLine[],
  file: string,
  { separator, quotes }: DelimitedFormat,
): DelimitedRecord | "unclosed" {
  const textAt = (row: number) => {
    const { text } = lines[row]!;
    return text.endsWith("\r") ? text.slice(0, -1) : text;
  };
  const location = { file, line: lines[0]!.line, column: 1 };
  let line = textAt(0);
  if (line === "") return { cells: [], location, lines: lines.slice(0, 1) };
  const cells: Cell[] = [];
  let row = 0;
  let at = 0;
  for (;;) {
    const start: DataLocation = { file, line: lines[row]!.line, column: at + 1 };
    let text = "";
    if (quotes && line[at] === '"') {
      at++;
      for (;;) {
        const close = line.indexOf('"', at);
        if (close < 0) {
          text += `${line.slice(at)}\n`;
          row++;
          at = 0;
          if (row === lines.length) return "unclosed";
          line = textAt(row);
          continue;
        }
        text += line.slice(at, close);
        at = close + 1;
        if (line[at] !== '"') break;
        text += '"';
        at++;
      }
      if (at < line.length && line[at] !== separator) {
        return {
          cells: [],
          location,
          lines: lines.slice(0, row + 1),
          badQuoteAt: { file, line: lines[row]!.line, column: at + 1 },
        };
      }
    } else {
      const end = line.indexOf(separator, at);
      const stop = end < 0 ? line.length : end;
      text = line.slice(at, stop);
      at = stop;
    }
    cells.push({ text, location: start });
    if (at >= line.length) break;
    at++;
  }
  return { cells, location, lines: lines.slice(0, row + 1) };
}

/** Where the quote that is never closed most likely stands. */
function lastQuote({ text, line }: TextLine, file: string): DataLocation {
  return { file, line, column: text.lastIndexOf('"') + 1 };
}
