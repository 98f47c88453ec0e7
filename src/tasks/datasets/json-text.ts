import type { AlbertError } from "../../errors.ts";
import { type DataLocation, dataError, locationAt } from "./data-source.ts";

/**
 * `JSON.parse` whose failure says where.
 *
 * @throws AlbertError invalid-input (DATA_INVALID)
 */
export function parseJson(text: string, file: string, firstLine = 1): unknown {
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

function jsonSyntaxError(text: string, file: string, firstLine: number, cause: unknown): AlbertError {
  const location = locationAt(file, text, new JsonScanner(text).firstError());
  return dataError({ ...location, line: location.line + firstLine - 1 }, "not valid JSON here", cause);
}

/** Walks over JSON without building values. */
class JsonScanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
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
