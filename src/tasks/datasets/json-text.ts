import type { AlbertError } from "../../errors.ts";
import { MAX_JSON_DEPTH, tooLarge } from "./data-limits.ts";
import { type DataLocation, dataError, formatLocation, locationAt } from "./data-source.ts";

// JSON whose failures and values can be named by line and column.

/**
 * `JSON.parse` whose failure says where, and which refuses what is nested so deeply that walking over it could exhaust the stack.
 *
 * @throws AlbertError invalid-input (DATA_INVALID); invalid-input (DATA_TOO_LARGE) for deeper nesting than {@link MAX_JSON_DEPTH}
 */
export function parseJson(text: string, file: string, firstLine = 1): unknown {
  const deep = tooDeepAt(text);
  if (deep >= 0) {
    const { line, column } = locationAt(file, text, deep);
    const where = formatLocation({ file, line: line + firstLine - 1, column });
    const what = `JSON nested more than ${MAX_JSON_DEPTH} levels deep`;
    throw tooLarge(where, what, MAX_JSON_DEPTH, "no row of data looks like that; see how the file was made");
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw jsonSyntaxError(text, file, firstLine, cause);
  }
}

/** Where the value lies that a path of keys and indexes leads to; the nearest container, where the last step is missing. */
export function locateInJson(text: string, path: readonly (string | number)[], file: string): DataLocation {
  return locationAt(file, text, new JsonScanner(text).find(path));
}

/** Finds many values of one valid JSON text: what a search passes is remembered, so that a file is walked over once. */
export class JsonPlaces {
  readonly #text: string;
  readonly #file: string;
  readonly #members = new Map<number, ReadonlyMap<string | number, number>>();
  #lineStarts: number[] | undefined;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  /** As {@link locateInJson}. */
  locate(path: readonly (string | number)[]): DataLocation {
    let at = new JsonScanner(this.#text).find([]);
    for (const step of path) {
      const next = this.#membersAt(at).get(step);
      if (next === undefined) break;
      at = next;
    }
    return this.#locationOf(at);
  }

  #membersAt(container: number): ReadonlyMap<string | number, number> {
    const known = this.#members.get(container) ?? new JsonScanner(this.#text, container).members();
    this.#members.set(container, known);
    return known;
  }

  #locationOf(offset: number): DataLocation {
    this.#lineStarts ??= lineStarts(this.#text);
    let low = 0;
    for (let high = this.#lineStarts.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return { file: this.#file, line: low + 1, column: offset - this.#lineStarts[low]! + 1 };
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) starts.push(end + 1);
  return starts;
}

/** Offset of the first bracket below {@link MAX_JSON_DEPTH} others; -1 where there is none. */
function tooDeepAt(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfString(text, at);
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > MAX_JSON_DEPTH) return at;
        break;
      case 0x5d:
      case 0x7d:
        depth--;
    }
  }
  return -1;
}

/** Offset of the quote that closes the string which begins at `start`; the text's length where none does. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    at = text.indexOf('"', at);
    if (at < 0) return text.length;
    let slashes = 0;
    while (text[at - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return at;
  }
}

function jsonSyntaxError(text: string, file: string, firstLine: number, cause: unknown): AlbertError {
  const location = locationAt(file, text, new JsonScanner(text).firstError());
  return dataError({ ...location, line: location.line + firstLine - 1 }, "not valid JSON here", cause);
}

/** Walks over JSON without building values. */
class JsonScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string, at = 0) {
    this.#text = text;
    this.#at = at;
  }

  /** Offsets of the values in the container that begins here, in a text that is valid JSON; none for another value. */
  members(): ReadonlyMap<string | number, number> {
    const found = new Map<string | number, number>();
    const isObject = this.#peek() === "{";
    if (!isObject && this.#peek() !== "[") return found;
    this.#at++;
    for (this.#space(); !"]}".includes(this.#text[this.#at] ?? "]"); this.#space()) {
      let key: string | number = found.size;
      if (isObject) {
        const start = this.#at;
        this.#string();
        key = JSON.parse(this.#text.slice(start, this.#at)) as string; // a string, in valid JSON
        this.#colon();
      }
      if (!found.has(key)) found.set(key, this.#at);
      this.#value();
      this.#space();
      this.#take(",");
    }
    return found;
  }

  /** Offset of the value at `path`, in a text that is valid JSON. */
  find(path: readonly (string | number)[]): number {
    this.#space();
    for (const step of path) {
      const container = this.#at;
      if (!(typeof step === "number" ? this.#enterItem(step) : this.#enterKey(step))) return container;
    }
    return this.#at;
  }

  /** Offset of the first character that cannot be. */
  firstError(): number {
    this.#space();
    if (this.#value()) {
      this.#space();
    }
    return Math.min(this.#at, this.#text.length);
  }

  #enterKey(key: string): boolean {
    if (!this.#take("{")) return false;
    for (this.#space(); this.#peek() === '"'; this.#space()) {
      const start = this.#at;
      this.#string();
      const found = JSON.parse(this.#text.slice(start, this.#at)) === key;
      this.#space();
      this.#take(":");
      this.#space();
      if (found) return true;
      this.#value();
      this.#space();
      this.#take(",");
    }
    return false;
  }

  #enterItem(index: number): boolean {
    if (!this.#take("[")) return false;
    this.#space();
    for (let i = 0; this.#peek() !== "]" && this.#at < this.#text.length; i++) {
      if (i === index) return true;
      if (!this.#value()) return false;
      this.#space();
      this.#take(",");
      this.#space();
    }
    return false;
  }

  /** Passes one value. @returns false, standing at the offending character, when it is not one. */
  #value(): boolean {
    const first = this.#peek();
    if (first === '"') return this.#string();
    if (first === "{") return this.#members("}", () => this.#string() && this.#colon() && this.#value());
    if (first === "[") return this.#members("]", () => this.#value());
    const literal = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
    literal.lastIndex = this.#at;
    const match = literal.exec(this.#text);
    if (match === null) return false;
    this.#at += match[0].length;
    return true;
  }

  #members(close: string, member: () => boolean): boolean {
    this.#at++;
    this.#space();
    if (this.#take(close)) return true;
    for (;;) {
      this.#space();
      if (!member()) return false;
      this.#space();
      if (this.#take(close)) return true;
      if (!this.#take(",")) return false;
    }
  }

  #colon(): boolean {
    this.#space();
    if (!this.#take(":")) return false;
    this.#space();
    return true;
  }

  #string(): boolean {
    if (!this.#take('"')) return false;
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(unit) || unit < 0x20) return false;
      if (unit === 0x22) {
        this.#at++;
        return true;
      }
      if (unit !== 0x5c) this.#at++;
      else if (/^(?:["\\/bfnrt]|u[\da-fA-F]{4})/.test(this.#text.slice(this.#at + 1, this.#at + 6))) this.#at += 2;
      else return false;
    }
  }

  #take(symbol: string): boolean {
    if (this.#peek() !== symbol) return false;
    this.#at++;
    return true;
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #space(): void {
    while (this.#at < this.#text.length && " \t\r\n".includes(this.#text[this.#at]!)) this.#at++;
  }
}
