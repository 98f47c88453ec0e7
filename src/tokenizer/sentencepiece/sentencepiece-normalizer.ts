import { type AlignedText, AlignedTextBuilder } from "../aligned-text.ts";
import { Charsmap, type CharsmapMatch } from "./charsmap.ts";
import { codePointAt } from "./preprocess.ts";
import type { SentencePieceModelFile } from "./sentencepiece-model.ts";

// SentencePiece's own normaliser.

/** U+2581, the visible stand-in for a space inside pieces. */
export const SPACE_SYMBOL = "\u2581";
const SPACE_UNIT = 0x2581;
const SPACE = 0x20;
const REPLACEMENT = "\ufffd";

/**
 * SentencePiece's own text normaliser: the rules of the model's charsmap (nmt_nfkc for ALBERT), removal of extra spaces, the
 * dummy prefix, and spaces written as U+2581. User-defined symbols pass unchanged.
 */
export class SentencePieceNormalizer {
  readonly #charsmap: Charsmap;
  readonly #addDummyPrefix: boolean;
  readonly #removeExtraWhitespaces: boolean;
  /** User-defined symbols by their first unit, longest first. */
  readonly #symbols = new Map<number, string[]>();
  /** ASCII characters that stand for themselves when another ASCII character (or the end) follows. */
  readonly #verbatim: Uint8Array;

  constructor(model: SentencePieceModelFile) {
    this.#charsmap = new Charsmap(model.precompiledCharsmap);
    this.#addDummyPrefix = model.addDummyPrefix;
    this.#removeExtraWhitespaces = model.removeExtraWhitespaces;
    this.#verbatim = this.#charsmap.plainAscii.slice();
    this.#verbatim[SPACE] = 0;
    for (const { text, type } of model.pieces) {
      if (type !== "user-defined") continue;
      const first = text.charCodeAt(0);
      const sameFirst = this.#symbols.get(first) ?? [];
      sameFirst.push(text);
      sameFirst.sort((a, b) => b.length - a.length);
      this.#symbols.set(first, sameFirst);
      if (first < 0x80 && text.length > 1) this.#verbatim[first] = 0;
    }
  }

  /**
   * @returns the normalised text, aligned with the original that `text` is aligned with. The dummy prefix stands for the
   *   empty range before the first character. Empty when nothing but white space is left.
   */
  normalize(text: AlignedText): AlignedText {
    const out = new AlignedTextBuilder(text.length + 1);
    const rule: CharsmapMatch = { length: 0, replacement: "" };
    let at = 0;
    if (this.#removeExtraWhitespaces) {
      while (at < text.length) {
        this.#rewrite(text, at, rule);
        if (rule.replacement !== " ") break;
        at += rule.length;
      }
    }
    if (at === text.length) return out;
    if (this.#addDummyPrefix) out.push(SPACE_UNIT, text.starts[at]!, text.starts[at]!);

    let afterSpace = this.#removeExtraWhitespaces;
    while (at < text.length) {
      const unit = text.units[at]!;
      if (unit < 0x80 && this.#verbatim[unit] && (at + 1 === text.length || text.units[at + 1]! < 0x80)) {
        out.push(unit, text.starts[at]!, text.ends[at]!);
        afterSpace = false;
        at++;
        continue;
      }
      this.#rewrite(text, at, rule);
      const { replacement, length } = rule;
      let from = 0;
      while (afterSpace && replacement.charCodeAt(from) === SPACE) from++;
      if (from < replacement.length) {
        const start = text.starts[at]!;
        const end = text.ends[at + length - 1]!;
        for (let i = from; i < replacement.length; i++) {
          const c = replacement.charCodeAt(i);
          out.push(c === SPACE ? SPACE_UNIT : c, start, end);
        }
        afterSpace = this.#removeExtraWhitespaces && replacement.charCodeAt(replacement.length - 1) === SPACE;
      }
      at += length;
    }
    if (this.#removeExtraWhitespaces) while (out.units[out.length - 1] === SPACE_UNIT && out.length > 0) out.pop();
    return out;
  }

  /** Writes what stands at unit `at`, and how many units it replaces, to `rule`. */
  #rewrite(text: AlignedText, at: number, rule: CharsmapMatch): void {
    const symbol = this.#symbols.get(text.units[at]!)?.find((candidate) => startsWith(text, at, candidate));
    if (symbol !== undefined) {
      rule.length = symbol.length;
      rule.replacement = symbol;
      return;
    }
    this.#charsmap.match(text, at, rule);
    if (rule.length > 0) return;
    const codePoint = codePointAt(text, at);
    rule.length = codePoint > 0xffff ? 2 : 1;
    rule.replacement = codePoint === 0xfffd ? REPLACEMENT : String.fromCodePoint(codePoint);
  }
}

function startsWith(text: AlignedText, at: number, symbol: string): boolean {
  if (at + symbol.length > text.length) return false;
  for (let i = 0; i < symbol.length; i++) if (text.units[at + i] !== symbol.charCodeAt(i)) return false;
  return true;
}
