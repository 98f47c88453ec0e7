import { invariant } from "../../errors.ts";
import { type AlignedText, AlignedTextBuilder, isHighSurrogate, isLowSurrogate, textOf } from "../aligned-text.ts";
import { COMBINING, WHITESPACE } from "../unicode.ts";

// The cleaning that ALBERT gives every text before SentencePiece.

export interface PreprocessOptions {
  /** Lower-case after normalisation (full Unicode lower-casing, final sigma included). */
  readonly lowerCase: boolean;
  /** Strip and collapse white space first. Default true; feature alignment turns it off to clean one character at a time. */
  readonly removeSpace?: boolean;
}

/**
 * The cleaning that every text of an ALBERT SentencePiece model gets first, exactly as the official
 * `preprocess_text`: collapse Python's white space, NFKD, delete every character whose canonical combining class is not
 * 0, lower-case. The order shows: NFKD may bring back spaces (U+00B4 -> " ") that are not collapsed here.
 */
export function preprocessText(text: string, options: PreprocessOptions): string {
  return textOf(preprocessAligned(text, options));
}

/**
 * {@link preprocessText} that keeps the origin of every unit. A deleted accent counts to the letter before it; a run of
 * white space is one space that stands for the whole run.
 *
 * NFKD is applied character by character: composed with the deletion that follows this equals normalising the whole
 * text, because canonical reordering moves only characters of non-zero combining class, which are deleted.
 */
export function preprocessAligned(text: string, { lowerCase, removeSpace = true }: PreprocessOptions): AlignedText {
  const out = new AlignedTextBuilder(text.length);
  let ascii = true;
  let inside = false; // past the first word; that word may have been deleted altogether
  let spaceStart = -1; // start of the white space run before position i, or -1
  for (let i = 0; i < text.length; ) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      if (removeSpace && isAsciiWhitespace(unit)) {
        if (spaceStart < 0) spaceStart = i;
      } else {
        if (spaceStart >= 0 && inside) out.push(SPACE, spaceStart, i);
        inside = true;
        spaceStart = -1;
        out.push(lowerCase && unit >= 0x41 && unit <= 0x5a ? unit + 0x20 : unit, i, i + 1);
      }
      i++;
      continue;
    }
    const codePoint = text.codePointAt(i)!;
    const end = i + (codePoint > 0xffff ? 2 : 1);
    if (removeSpace && WHITESPACE.has(codePoint)) {
      if (spaceStart < 0) spaceStart = i;
    } else {
      if (spaceStart >= 0 && inside) out.push(SPACE, spaceStart, i);
      inside = true;
      ascii = false;
      const cleaned = decompose(codePoint);
      if (cleaned !== "") out.pushAll(cleaned, i, end);
      else if (spaceStart < 0) out.extendLast(end);
      spaceStart = -1;
    }
    i = end;
  }
  if (lowerCase && !ascii) lowerInPlace(out);
  return out;
}

const SPACE = 0x20;

function isAsciiWhitespace(unit: number): boolean {
  return unit === SPACE || (unit >= 0x09 && unit <= 0x0d) || (unit >= 0x1c && unit <= 0x1f);
}

/** NFKD of one BMP character without its combining characters; bounded by the 65,536 members of the plane. */
const decomposed = new Map<number, string>();

function decompose(codePoint: number): string {
  const known = decomposed.get(codePoint);
  if (known !== undefined) return known;
  let kept = "";
  for (const character of String.fromCodePoint(codePoint).normalize("NFKD")) {
    if (!COMBINING.has(character.codePointAt(0)!)) kept += character;
  }
  if (codePoint <= 0xffff) decomposed.set(codePoint, kept);
  return kept;
}

/**
 * Lower-cases the whole text at once, since a final sigma depends on its neighbours. No character that survives the
 * decomposition changes its length (U+0130, the only one that would, has lost its dot by then).
 */
function lowerInPlace(out: AlignedTextBuilder): void {
  const lowered = textOf(out).toLowerCase();
  invariant(lowered.length === out.length, "lower-casing decomposed text keeps its length");
  for (let i = 0; i < lowered.length; i++) out.units[i] = lowered.charCodeAt(i);
}

/** The code point at `i` of an aligned text; a lone surrogate reads as U+FFFD, as its UTF-8 form would. */
export function codePointAt(text: AlignedText, i: number): number {
  const unit = text.units[i]!;
  if ((unit & 0xf800) !== 0xd800) return unit;
  const next = i + 1 < text.length ? text.units[i + 1]! : 0;
  return isHighSurrogate(unit) && isLowSurrogate(next) ? 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00) : 0xfffd;
}
