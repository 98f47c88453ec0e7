import { type AlignedText, AlignedTextBuilder } from "../aligned-text.ts";
import { codePointAt } from "../sentencepiece/preprocess.ts";
import type { PreTokenizerRule } from "./definition.ts";
import { PUNCTUATION_MARKS } from "./library-unicode.ts";
import { sizeAt } from "./normal-forms.ts";
import { isWhitespace, part, prepend } from "./normalize.ts";

/**
 * Cuts a normalised text into the words that the model cuts further.
 *
 * @param atStart  whether the text begins where the caller's text does: one kind of prefix is for that place alone
 */
export function preTokenize(text: AlignedText, rules: readonly PreTokenizerRule[], atStart: boolean): AlignedText[] {
  let words: AlignedText[] = text.length === 0 ? [] : [text];
  for (const rule of rules) words = words.flatMap((word) => cut(word, rule, atStart));
  return words;
}

function cut(word: AlignedText, rule: PreTokenizerRule, atStart: boolean): AlignedText[] {
  switch (rule.type) {
    case "whitespace-split":
      return splitAtWhitespace(word);
    case "bert":
      return splitAtWhitespace(word).flatMap(isolatePunctuation);
    case "metaspace":
      return metaspace(word, rule, atStart);
  }
}

function splitAtWhitespace(text: AlignedText): AlignedText[] {
  const words: AlignedText[] = [];
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    if (i < text.length && !isWhitespace(text.units[i]!)) continue;
    if (i > start) words.push(part(text, start, i));
    start = i + 1;
  }
  return words;
}

function isolatePunctuation(text: AlignedText): AlignedText[] {
  const words: AlignedText[] = [];
  let start = 0;
  for (let i = 0; i < text.length; ) {
    const end = i + sizeAt(text, i);
    if (PUNCTUATION_MARKS.has(codePointAt(text, i))) {
      if (i > start) words.push(part(text, start, i));
      words.push(part(text, i, end));
      start = end;
    }
    i = end;
  }
  if (text.length > start) words.push(part(text, start, text.length));
  return words;
}

/** Writes spaces as a visible symbol, puts one in front, and lets each begin a word. */
function metaspace(
  text: AlignedText,
  { replacement, prepend: scheme, split }: Extract<PreTokenizerRule, { type: "metaspace" }>,
  atStart: boolean,
): AlignedText[] {
  let out = withReplacedSpaces(text, replacement);
  const wanted = scheme === "always" || (scheme === "first" && atStart && text.starts[0] === 0);
  if (wanted && !startsWith(out, 0, replacement)) out = prepend(out, replacement);
  if (!split) return [out];
  const words: AlignedText[] = [];
  let start = 0;
  for (let i = 1; i <= out.length; i++) {
    if (i < out.length && !startsWith(out, i, replacement)) continue;
    words.push(part(out, start, i));
    start = i;
  }
  return words;
}

function withReplacedSpaces(text: AlignedText, replacement: string): AlignedText {
  if (replacement.length === 1) {
    const units = text.units.slice(0, text.length);
    const symbol = replacement.charCodeAt(0);
    for (let i = 0; i < units.length; i++) if (units[i] === 0x20) units[i] = symbol;
    return { length: text.length, units, starts: text.starts, ends: text.ends };
  }
  const out = new AlignedTextBuilder(text.length);
  for (let i = 0; i < text.length; i++) {
    if (text.units[i] === 0x20) out.pushAll(replacement, text.starts[i]!, text.ends[i]!);
    else out.push(text.units[i]!, text.starts[i]!, text.ends[i]!);
  }
  return out;
}

function startsWith(text: AlignedText, at: number, symbol: string): boolean {
  for (let i = 0; i < symbol.length; i++) if (text.units[at + i] !== symbol.charCodeAt(i)) return false;
  return true;
}
