import { MAX_LINE_BYTES } from "../../../tasks/datasets/data-limits.ts";
import type { DataLocation, TextLine } from "../../../tasks/datasets/data-source.ts";

// Records of CSV and TSV files with the place of every cell, and going on behind a broken quote.

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
  readonly separator: "," | "\t" | ";" | "|";
  /** Whether `"..."` may hold separators, quotes (doubled) and line breaks, as RFC 4180 has it. */
  readonly quotes: boolean;
}

/**
 * The records of a CSV or TSV file, one at a time, blank lines included (as a record without cells). After a quote that is
 * never closed, or text behind a closing quote, the record's first line is given up and reading goes on with the next line:
 * one bad row does not swallow the rest of the file. A record of more than `maxCharacters` has an unclosed quote.
 */
export async function* delimitedRecords(
  lines: AsyncIterable<TextLine>,
  file: string,
  format: DelimitedFormat,
  maxCharacters = MAX_LINE_BYTES,
): AsyncGenerator<DelimitedRecord> {
  const records = new Records(file, format, maxCharacters);
  for await (const line of lines) yield* records.add(line);
  yield* records.end();
}

/** Puts lines together to records. */
class Records {
  readonly #file: string;
  readonly #format: DelimitedFormat;
  readonly #maxCharacters: number;
  #reader: RecordReader;
  #open: TextLine[] = [];
  #characters = 0;

  constructor(file: string, format: DelimitedFormat, maxCharacters: number) {
    this.#file = file;
    this.#format = format;
    this.#maxCharacters = maxCharacters;
    this.#reader = new RecordReader(file, format);
  }

  /** The records that this line completes. */
  *add(line: TextLine): Generator<DelimitedRecord> {
    const waiting = [line]; // the next one last
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      this.#open.push(next);
      this.#characters += next.text.length + 1;
      const state = this.#reader.read(next);
      if (state === "closed") {
        yield { cells: this.#reader.cells, location: this.#location(), lines: this.#open };
        this.#begin();
      } else if (state !== "open" || this.#characters > this.#maxCharacters) {
        yield this.#broken(state === "open" ? undefined : state);
        waiting.push(...this.#giveUp());
      }
    }
  }

  /** What is left when there are no more lines. */
  *end(): Generator<DelimitedRecord> {
    while (this.#open.length > 0) {
      yield this.#broken();
      for (const line of this.#giveUp().reverse()) yield* this.add(line);
    }
  }

  /** The lines behind the first one, which begin anew; the next one last. */
  #giveUp(): TextLine[] {
    const rest = this.#open.slice(1).reverse();
    this.#begin();
    return rest;
  }

  #begin(): void {
    this.#open = [];
    this.#characters = 0;
    this.#reader = new RecordReader(this.#file, this.#format);
  }

  #location(): DataLocation {
    return { file: this.#file, line: this.#open[0]!.line, column: 1 };
  }

  #broken(at?: DataLocation): DelimitedRecord {
    const first = this.#open[0]!;
    // Where the quote that is never closed most likely stands.
    const unclosed = { file: this.#file, line: first.line, column: first.text.lastIndexOf('"') + 1 };
    return { cells: [], location: this.#location(), lines: [first], badQuoteAt: at ?? unclosed };
  }
}

/** Reads the lines of one record. */
class RecordReader {
  readonly cells: Cell[] = [];
  readonly #file: string;
  readonly #format: DelimitedFormat;
  /** The quoted cell that goes on. */
  #quoted: { text: string; readonly location: DataLocation } | undefined;

  constructor(file: string, format: DelimitedFormat) {
    this.#file = file;
    this.#format = format;
  }

  /** Reads one more line. @returns whether a quote is open behind it, or the place of text behind a closing quote */
  read({ text: raw, line: number }: TextLine): "open" | "closed" | DataLocation {
    const { separator, quotes } = this.#format;
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line === "" && this.#quoted === undefined) return "closed";
    let at = 0;
    for (;;) {
      const location: DataLocation = { file: this.#file, line: number, column: at + 1 };
      if (this.#quoted === undefined && quotes && line[at] === '"') {
        this.#quoted = { text: "", location };
        at++;
      }
      if (this.#quoted === undefined) {
        const end = line.indexOf(separator, at);
        const stop = end < 0 ? line.length : end;
        this.cells.push({ text: line.slice(at, stop), location });
        at = stop;
      } else {
        at = this.#readQuoted(this.#quoted, line, at);
        if (at < 0) return "open";
        this.cells.push(this.#quoted);
        this.#quoted = undefined;
        if (at < line.length && line[at] !== separator) return { file: this.#file, line: number, column: at + 1 };
      }
      if (at >= line.length) return "closed";
      at++;
    }
  }

  /** Reads on in a quoted cell. @returns where its closing quote has passed; -1 where the line ends before */
  #readQuoted(cell: { text: string }, line: string, from: number): number {
    for (let at = from; ; ) {
      const close = line.indexOf('"', at);
      if (close < 0) {
        cell.text += `${line.slice(at)}\n`;
        return -1;
      }
      cell.text += line.slice(at, close);
      if (line[close + 1] !== '"') return close + 1;
      cell.text += '"';
      at = close + 2;
    }
  }
}
