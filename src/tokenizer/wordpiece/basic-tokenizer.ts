import { type AlignedText, AlignedTextBuilder, isHighSurrogate, isLowSurrogate, textOf } from "../aligned-text.ts";
import { CONTROL_OR_FORMAT, NONSPACING_MARK, PUNCTUATION, SPACE_SEPARATOR, WHITESPACE } from "../unicode.ts";

// Cuts a text into words as BERT does, before WordPiece.

/** Words of a text: word i is units `bounds[2 * i]..bounds[2 * i + 1]` of `text`, which is aligned with the original. */
export interface BasicTokens {
  readonly text: AlignedText;
  readonly bounds: readonly number[];
}

/**
 * BERT's basic tokenizer: drops control characters, makes every CJK ideograph and every punctuation mark a word of its own,
 * and splits the rest at white space. With `lowerCase`, words are lower-cased and lose their accents (NFD, category Mn).
 */
export function basicTokenize(text: string, lowerCase: boolean): BasicTokens {
  const out = new AlignedTextBuilder(text.length);
  const bounds: number[] = [];
  let word: AlignedTextBuilder | undefined;

  function finishWord(): void {
    if (word !== undefined) splitAtPunctuation(lowerCase ? lowerWithoutAccents(word) : word, out, bounds);
    word = undefined;
  }

  for (let i = 0; i < text.length; ) {
    const plainEnd = word === undefined ? endOfPlainWord(text, i) : i;
    if (plainEnd > i) {
      addPlainWord(text, i, plainEnd, lowerCase, out, bounds);
      i = plainEnd;
      continue;
    }
    const codePoint = text.codePointAt(i)!;
    const end = i + (codePoint > 0xffff ? 2 : 1);
    if (isSpace(codePoint)) {
      finishWord();
    } else if (!isDropped(codePoint)) {
      const alone = isIdeograph(codePoint);
      if (alone) finishWord();
      word ??= new AlignedTextBuilder(32);
      for (let j = i; j < end; j++) word.push(text.charCodeAt(j), i, end);
      if (alone) finishWord();
    }
    i = end;
  }
  finishWord();
  return { text: out, bounds };
}

/** Where a word that begins at `start` ends, if it is nothing but visible ASCII; else `start`. Nearly all words of nearly all texts are. */
function endOfPlainWord(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x20 || unit === 0x0a || unit === 0x09 || unit === 0x0d) return i;
    if (unit < 0x21 || unit > 0x7e) return start;
  }
  return text.length;
}

/** Adds such a word, of which each character stands for itself. */
function addPlainWord(
  text: string,
  start: number,
  end: number,
  lowerCase: boolean,
  out: AlignedTextBuilder,
  bounds: number[],
): void {
  let open = out.length;
  for (let i = start; i < end; i++) {
    const unit = text.charCodeAt(i);
    const alone = isAsciiPunctuation(unit);
    if (alone && out.length > open) {
      bounds.push(open, out.length);
      open = out.length;
    }
    out.push(lowerCase && unit >= 0x41 && unit <= 0x5a ? unit + 0x20 : unit, i, i + 1);
    if (alone) {
      bounds.push(open, out.length);
      open = out.length;
    }
  }
  if (out.length > open) bounds.push(open, out.length);
}

function isSpace(codePoint: number): boolean {
  if (codePoint === 0x20 || codePoint === 0x09 || codePoint === 0x0a || codePoint === 0x0d) return true;
  return SPACE_SEPARATOR.has(codePoint) || (WHITESPACE.has(codePoint) && !isDropped(codePoint));
}

function isDropped(codePoint: number): boolean {
  return codePoint === 0 || codePoint === 0xfffd || CONTROL_OR_FORMAT.has(codePoint);
}

/** First and last code points of the blocks whose characters are words; Hangul and kana are not among them. */
const IDEOGRAPHS: readonly (readonly [number, number])[] = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b820, 0x2ceaf],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
];

function isIdeograph(codePoint: number): boolean {
  return codePoint >= 0x3400 && IDEOGRAPHS.some(([first, last]) => codePoint >= first && codePoint <= last);
}

function isPunctuation(codePoint: number): boolean {
  return isAsciiPunctuation(codePoint) || PUNCTUATION.has(codePoint);
}

/** All of ASCII that is neither letter nor digit, as BERT has it, whatever Unicode says of it. */
function isAsciiPunctuation(codePoint: number): boolean {
  return (
    (codePoint >= 33 && codePoint <= 47) ||
    (codePoint >= 58 && codePoint <= 64) ||
    (codePoint >= 91 && codePoint <= 96) ||
    (codePoint >= 123 && codePoint <= 126)
  );
}

/**
 * The letters come from treating the word as a whole (a final sigma and the order of marks depend on neighbours), their
 * origins from treating each character alone; both have the same length.
 */
function lowerWithoutAccents(word: AlignedTextBuilder): AlignedText {
  const text = textOf(word);
  const letters = withoutMarks(text.toLowerCase());
  const out = new AlignedTextBuilder(letters.length);
  let at = 0;
  for (const character of text) {
    const alone = withoutMarks(character.toLowerCase());
    const start = word.starts[at]!;
    const end = word.ends[at]!;
    if (alone === "") out.extendLast(end);
    else out.pushAll(alone, start, end);
    at += character.length;
  }
  for (let i = 0; i < letters.length; i++) out.units[i] = letters.charCodeAt(i);
  return out;
}

function withoutMarks(text: string): string {
  let kept = "";
  for (const character of text.normalize("NFD")) {
    if (!NONSPACING_MARK.has(character.codePointAt(0)!)) kept += character;
  }
  return kept;
}

function splitAtPunctuation(word: AlignedText, out: AlignedTextBuilder, bounds: number[]): void {
  let open = -1;
  for (let i = 0; i < word.length; ) {
    const unit = word.units[i]!;
    const pair = isHighSurrogate(unit) && i + 1 < word.length && isLowSurrogate(word.units[i + 1]!);
    const codePoint = pair ? 0x10000 + ((unit - 0xd800) << 10) + (word.units[i + 1]! - 0xdc00) : unit;
    const alone = isPunctuation(codePoint);
    if (alone && open >= 0) bounds.push(open, out.length);
    if (alone || open < 0) open = out.length;
    for (let j = 0; j < (pair ? 2 : 1); j++, i++) out.push(word.units[i]!, word.starts[i]!, word.ends[i]!);
    if (alone) {
      bounds.push(open, out.length);
      open = -1;
    }
  }
  if (open >= 0) bounds.push(open, out.length);
}
