import type { AddedToken } from "./definition.ts";
import { isWhitespace } from "./normalize.ts";

// Finds the added tokens of a `tokenizer.json` in a text.

/** Units `start..end` of a text: one added token, or text between them. */
export interface Section {
  readonly start: number;
  readonly end: number;
  readonly token?: AddedToken;
}

/** Finds added tokens in a text: the leftmost, of those the longest, never two that overlap. */
export class AddedTokenFinder {
  /** By the first unit, longest first. */
  readonly #byFirst = new Map<number, { readonly pattern: string; readonly token: AddedToken }[]>();

  /** @param tokens what each token looks like in the text, and the token */
  constructor(tokens: readonly { readonly pattern: string; readonly token: AddedToken }[]) {
    for (const entry of tokens) {
      if (entry.pattern === "") continue;
      const first = entry.pattern.charCodeAt(0);
      const same = this.#byFirst.get(first) ?? [];
      same.push(entry);
      this.#byFirst.set(first, same);
    }
    for (const same of this.#byFirst.values()) same.sort((a, b) => b.pattern.length - a.pattern.length);
  }

  /** The whole text as sections in order. */
  split(text: string): Section[] {
    if (text === "") return [];
    if (this.#byFirst.size === 0) return [{ start: 0, end: text.length }];
    const sections: Section[] = [];
    let done = 0;
    for (let at = 0; at < text.length; ) {
      const found = this.#byFirst.get(text.charCodeAt(at))?.find(({ pattern }) => text.startsWith(pattern, at));
      if (found === undefined) {
        at++;
        continue;
      }
      const { token, pattern } = found;
      let start = at;
      let end = at + pattern.length;
      at = end;
      if (token.singleWord && (endsInWord(text, start) || beginsInWord(text, end))) continue;
      if (token.takesSpaceBefore) while (start > done && isWhitespace(text.charCodeAt(start - 1))) start--;
      if (token.takesSpaceAfter) while (end < text.length && isWhitespace(text.charCodeAt(end))) end++;
      start = Math.max(start, done);
      if (end <= start) continue;
      if (start > done) sections.push({ start: done, end: start });
      sections.push({ start, end, token });
      done = end;
    }
    if (done < text.length) sections.push({ start: done, end: text.length });
    return sections;
  }
}

const WORD_CHARACTER = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;

function endsInWord(text: string, end: number): boolean {
  const before = [...text.slice(Math.max(0, end - 2), end)].at(-1);
  return before !== undefined && WORD_CHARACTER.test(before);
}

function beginsInWord(text: string, start: number): boolean {
  const next = text.codePointAt(start);
  return next !== undefined && WORD_CHARACTER.test(String.fromCodePoint(next));
}
