import { type AlignedText, AlignedTextBuilder, textOf } from "../aligned-text.ts";
import { codePointAt } from "../sentencepiece/preprocess.ts";
import { UNKNOWN_TO_NORMALIZATION } from "./library-unicode.ts";

// Unicode's normal forms of an aligned text.

export type NormalForm = "NFC" | "NFD" | "NFKC" | "NFKD";

/**
 * A text in one of Unicode's normal forms. Characters that the library's tables do not know stay as they are and part what
 * stands around them. A unit stands for what its own character came from, or for a whole cluster of a letter and its
 * marks where those were joined or moved.
 */
export function toNormalForm(text: AlignedText, form: NormalForm): AlignedText {
  if (isAscii(text)) return text;
  const out = new AlignedTextBuilder(text.length);
  let start = 0;
  while (start < text.length) {
    const end = clusterEnd(text, start);
    pushCluster(text, start, end, form, out);
    start = end;
  }
  return out;
}

export function isAscii({ units, length }: AlignedText): boolean {
  for (let i = 0; i < length; i++) if (units[i]! >= 0x80) return false;
  return true;
}

/** What may join, move behind or follow the character before it: marks, Hangul vowels and finals, half-width voicing. */
const FOLLOWS = /^[\p{M}\u1160-\u11ff\uff9e\uff9f\uffa0-\uffdc]$/u;

function clusterEnd(text: AlignedText, start: number): number {
  const first = codePointAt(text, start);
  let end = start + sizeAt(text, start);
  if (UNKNOWN_TO_NORMALIZATION.has(first)) return end;
  while (end < text.length) {
    const next = codePointAt(text, end);
    if (next < 0x300 || UNKNOWN_TO_NORMALIZATION.has(next) || !FOLLOWS.test(String.fromCodePoint(next))) break;
    end += sizeAt(text, end);
  }
  return end;
}

function pushCluster(text: AlignedText, start: number, end: number, form: NormalForm, out: AlignedTextBuilder): void {
  const size = sizeAt(text, start);
  if (text.units[start]! < 0x80 && end === start + 1) {
    out.push(text.units[start]!, text.starts[start]!, text.ends[start]!);
    return;
  }
  if (UNKNOWN_TO_NORMALIZATION.has(codePointAt(text, start))) {
    for (let i = start; i < end; i++) out.push(text.units[i]!, text.starts[i]!, text.ends[i]!);
    return;
  }
  const whole = textOf(text, start, end).normalize(form);
  if (end === start + size) {
    out.pushAll(whole, text.starts[start]!, text.ends[end - 1]!);
    return;
  }
  const alone: string[] = [];
  for (let i = start; i < end; i += sizeAt(text, i)) alone.push(textOf(text, i, i + sizeAt(text, i)).normalize(form));
  if (alone.join("") !== whole) {
    // Marks that only moved among each other leave their letter its own range.
    const marks = textOf(text, start + size, end).normalize(form);
    const letter = alone[0] ?? "";
    const apart = letter + marks === whole;
    if (apart) out.pushAll(letter, text.starts[start]!, text.ends[start + size - 1]!);
    out.pushAll(apart ? marks : whole, text.starts[apart ? start + size : start]!, text.ends[end - 1]!);
    return;
  }
  let at = start;
  for (const part of alone) {
    const next = at + sizeAt(text, at);
    out.pushAll(part, text.starts[at]!, text.ends[next - 1]!);
    at = next;
  }
}

/** Units of the character at `i`. */
export function sizeAt(text: AlignedText, i: number): number {
  return codePointAt(text, i) > 0xffff ? 2 : 1;
}
