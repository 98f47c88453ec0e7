import { type AlignedText, AlignedTextBuilder, textOf } from "../aligned-text.ts";
import { codePointAt } from "../sentencepiece/preprocess.ts";
import { WHITESPACE as PYTHON_WHITESPACE } from "../unicode.ts";
import type { NormalizerRule } from "./definition.ts";
import { CONTROLS, MARKS, NMT_DELETED, NMT_SPACES, NONSPACING_MARKS, UNKNOWN_TO_LOWERCASE } from "./library-unicode.ts";
import { isAscii, sizeAt, toNormalForm } from "./normal-forms.ts";
import { PrecompiledNormalizer } from "./precompiled.ts";

// The normalisers of a `tokenizer.json`, which rewrite a text before it is cut.

/** Rewrites a text; every unit of the outcome knows what it came from. */
export type Normalize = (text: AlignedText) => AlignedText;

/** Builds the rules of a normaliser, to be applied in order. */
export function buildNormalizer(rules: readonly NormalizerRule[]): Normalize {
  const built = rules.map(buildRule);
  return (text) => built.reduce((rewritten, rule) => rule(rewritten), text);
}

function buildRule(rule: NormalizerRule): Normalize {
  switch (rule.type) {
    case "nfc":
      return (text) => toNormalForm(text, "NFC");
    case "nfd":
      return (text) => toNormalForm(text, "NFD");
    case "nfkc":
      return (text) => toNormalForm(text, "NFKC");
    case "nfkd":
      return (text) => toNormalForm(text, "NFKD");
    case "lowercase":
      return lowercase;
    case "strip-accents":
      return (text) => (isAscii(text) ? text : withoutAccents(text, (c) => MARKS.has(c)));
    case "nmt":
      return (text) => eachCharacter(text, (c) => (NMT_DELETED.has(c) ? "" : NMT_SPACES.has(c) ? " " : undefined));
    case "strip":
      return (text) => strip(text, rule.left, rule.right);
    case "replace":
      return (text) => replace(text, rule.pattern, rule.content);
    case "prepend":
      return (text) => prepend(text, rule.content);
    case "precompiled": {
      const charsmap = new PrecompiledNormalizer(rule.charsmap);
      return (text) => charsmap.normalize(text);
    }
    case "bert":
      return (text) => bert(text, rule);
  }
}

/** White space in the sense of Unicode's property: Python's without the four separators U+001C to U+001F. */
export function isWhitespace(codePoint: number): boolean {
  return PYTHON_WHITESPACE.has(codePoint) && (codePoint < 0x1c || codePoint > 0x1f);
}

function bert(text: AlignedText, rule: Extract<NormalizerRule, { type: "bert" }>): AlignedText {
  let out = text;
  if (rule.cleanText) {
    out = eachCharacter(out, (c) => (c === 0 || CONTROLS.has(c) ? "" : isWhitespace(c) ? " " : undefined));
  }
  if (rule.handleChineseCharacters && !isAscii(out)) {
    out = eachCharacter(out, (c) => (isIdeograph(c) ? ` ${String.fromCodePoint(c)} ` : undefined));
  }
  if (rule.stripAccents && !isAscii(out)) {
    out = withoutAccents(toNormalForm(out, "NFD"), (c) => NONSPACING_MARKS.has(c));
  }
  return rule.lowercase ? lowercase(out) : out;
}

/** The library's list of ideographs; its fifth block is not BERT's, by a typing error. */
function isIdeograph(c: number): boolean {
  return (
    (c >= 0x4e00 && c <= 0x9fff) ||
    (c >= 0x3400 && c <= 0x4dbf) ||
    (c >= 0x20000 && c <= 0x2a6df) ||
    (c >= 0x2a700 && c <= 0x2b81f) ||
    (c >= 0x2b920 && c <= 0x2ceaf) ||
    (c >= 0xf900 && c <= 0xfaff) ||
    (c >= 0x2f800 && c <= 0x2fa1f)
  );
}

/** Each character lower-cased on its own: a final sigma is no exception. */
function lowercase(text: AlignedText): AlignedText {
  return eachCharacter(text, (c) => {
    if (c < 0x80) return c >= 0x41 && c <= 0x5a ? String.fromCharCode(c + 0x20) : undefined;
    if (UNKNOWN_TO_LOWERCASE.has(c)) return undefined;
    const character = String.fromCodePoint(c);
    const lowered = character.toLowerCase();
    return lowered === character ? undefined : lowered;
  });
}

/** A deleted accent counts to the letter before it. */
function withoutAccents(text: AlignedText, isAccent: (codePoint: number) => boolean): AlignedText {
  const out = new AlignedTextBuilder(text.length);
  for (let i = 0; i < text.length; ) {
    const size = sizeAt(text, i);
    if (isAccent(codePointAt(text, i))) out.extendLast(text.ends[i + size - 1]!);
    else for (let j = i; j < i + size; j++) out.push(text.units[j]!, text.starts[j]!, text.ends[j]!);
    i += size;
  }
  return out;
}

/** Rewrites characters; what `rewrite` gives nothing for stays. */
function eachCharacter(text: AlignedText, rewrite: (codePoint: number) => string | undefined): AlignedText {
  const out = new AlignedTextBuilder(text.length);
  for (let i = 0; i < text.length; ) {
    const size = sizeAt(text, i);
    const rewritten = rewrite(codePointAt(text, i));
    if (rewritten === undefined) {
      for (let j = i; j < i + size; j++) out.push(text.units[j]!, text.starts[j]!, text.ends[j]!);
    } else {
      out.pushAll(rewritten, text.starts[i]!, text.ends[i + size - 1]!);
    }
    i += size;
  }
  return out;
}

function strip(text: AlignedText, left: boolean, right: boolean): AlignedText {
  let from = 0;
  let to = text.length;
  if (left) while (from < to && isWhitespace(text.units[from]!)) from++;
  if (right) while (to > from && isWhitespace(text.units[to - 1]!)) to--;
  return part(text, from, to);
}

/** Units `from..to` as a text of their own, sharing the memory. */
export function part(text: AlignedText, from: number, to: number): AlignedText {
  if (from === 0 && to === text.length) return text;
  return {
    length: to - from,
    units: text.units.subarray(from, to),
    starts: text.starts.subarray(from, to),
    ends: text.ends.subarray(from, to),
  };
}

function replace(text: AlignedText, pattern: RegExp, content: string): AlignedText {
  const plain = textOf(text);
  const matches = [...plain.matchAll(pattern)].filter(([match]) => match !== "");
  if (matches.length === 0) return text;
  const out = new AlignedTextBuilder(text.length);
  let at = 0;
  for (const { 0: match, index } of matches) {
    for (; at < index; at++) out.push(text.units[at]!, text.starts[at]!, text.ends[at]!);
    at = index + match.length;
    out.pushAll(content, text.starts[index]!, text.ends[at - 1]!);
  }
  for (; at < text.length; at++) out.push(text.units[at]!, text.starts[at]!, text.ends[at]!);
  return out;
}

/** Puts a text before another that is not empty; it stands for the empty range where that begins. */
export function prepend(text: AlignedText, content: string): AlignedText {
  if (text.length === 0) return text;
  const out = new AlignedTextBuilder(text.length + content.length);
  out.pushAll(content, text.starts[0]!, text.starts[0]!);
  for (let i = 0; i < text.length; i++) out.push(text.units[i]!, text.starts[i]!, text.ends[i]!);
  return out;
}
