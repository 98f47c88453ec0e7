import type { TokenizedText } from "../../tokenizer/tokenizer.ts";

// A token of a training text in 32 bits, and the rules that tell where words begin.

/**
 * A token of a training text in 32 bits: its id, and in the highest bit whether it continues the word of the token before
 * it. The bit is decided from the piece's text, which an unknown piece's id no longer tells.
 */
export type PackedTokens = Uint32Array;

const CONTINUES = 0x80000000;

export function tokenId(token: number): number {
  return token & 0x7fffffff;
}

export function continuesWord(token: number): boolean {
  return token >>> 31 === 1;
}

export function packToken(id: number, startsWord: boolean): number {
  return startsWord ? id : (id | CONTINUES) >>> 0;
}

/** Packs a tokenised text by the rule of its kind of vocabulary. */
export function packTokens({ pieces, ids }: TokenizedText, kind: "sentencepiece" | "wordpiece"): PackedTokens {
  const starts = kind === "sentencepiece" ? startsWordInSentencePiece : startsWordInWordPiece;
  return Uint32Array.from(ids, (id, i) => packToken(id, starts(pieces[i]!)));
}

/** Characters that are words on their own. The apostrophe and `<`, `=`, `>` are not among them, but see below. */
const LONE_MARKS = '!"#$%&()*+,-./:;?@[\\]^_`{|}~';

/**
 * Whether a SentencePiece piece begins a word, by the official rule: it begins with U+2581 or "<", is a single listed
 * mark, or holds any character that is neither an ASCII letter nor a listed mark. So digits, apostrophes and letters of
 * other scripts always begin a word.
 */
export function startsWordInSentencePiece(piece: string): boolean {
  if (piece.startsWith("\u2581") || piece.startsWith("<")) return true;
  if (piece.length === 1 && LONE_MARKS.includes(piece)) return true;
  for (const character of piece) if (!/[A-Za-z]/.test(character) && !LONE_MARKS.includes(character)) return true;
  return false;
}

/** Whether a WordPiece piece begins a word. */
export function startsWordInWordPiece(piece: string): boolean {
  return !piece.startsWith("##");
}
