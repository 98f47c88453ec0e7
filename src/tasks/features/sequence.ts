import type { TokenizedText, Tokenizer } from "../../tokenizer/tokenizer.ts";

// Joins texts into one sequence with special tokens, cut by the official rules.

/** Ids of one sequence with its special tokens, without padding. */
export interface EncodedSequence {
  readonly inputIds: Int32Array;
  /** 0 up to and including the first [SEP], 1 after it. */
  readonly tokenTypeIds: Int32Array;
  /** Pieces of the first and second text that were kept. */
  readonly kept: readonly [number, number];
  readonly truncated: boolean;
}

/**
 * `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`, cut to `maxSequenceLength` by the official rules: a lone text keeps its
 * beginning; of a pair the longer text loses its last piece, on a tie the second, until both fit. A second text without
 * pieces makes a single-text sequence.
 */
export function encodeTexts(
  tokenizer: Tokenizer,
  text: Pick<TokenizedText, "ids">,
  textPair: Pick<TokenizedText, "ids"> | undefined,
  maxSequenceLength: number,
): EncodedSequence {
  const first = text.ids;
  const second = textPair?.ids;
  if (second === undefined || second.length === 0) {
    const kept = Math.min(first.length, Math.max(0, maxSequenceLength - 2));
    return {
      ...joinSegments(tokenizer, first.subarray(0, kept), undefined),
      kept: [kept, 0],
      truncated: kept < first.length,
    };
  }
  const [a, b] = truncatePair(first.length, second.length, Math.max(0, maxSequenceLength - 3));
  return {
    ...joinSegments(tokenizer, first.subarray(0, a), second.subarray(0, b)),
    kept: [a, b],
    truncated: a < first.length || b < second.length,
  };
}

/** `[CLS] first [SEP]`, followed by `second [SEP]` where there is a second segment (even one without pieces). */
export function joinSegments(
  tokenizer: Tokenizer,
  first: Int32Array,
  second: Int32Array | undefined,
): Pick<EncodedSequence, "inputIds" | "tokenTypeIds"> {
  const { cls, sep } = tokenizer.special;
  const boundary = first.length + 2;
  const inputIds = new Int32Array(second === undefined ? boundary : boundary + second.length + 1);
  const tokenTypeIds = new Int32Array(inputIds.length).fill(1, boundary);
  inputIds[0] = cls;
  inputIds.set(first, 1);
  inputIds[boundary - 1] = sep;
  if (second !== undefined) {
    inputIds.set(second, boundary);
    inputIds[inputIds.length - 1] = sep;
  }
  return { inputIds, tokenTypeIds };
}

/** How many pieces of each text remain when pieces are dropped one by one from the longer, on a tie from the second. */
export function truncatePair(first: number, second: number, room: number): [number, number] {
  let excess = first + second - room;
  if (excess <= 0) return [first, second];
  const fromLonger = Math.min(excess, Math.abs(first - second));
  let [a, b] = first > second ? [first - fromLonger, second] : [first, second - fromLonger];
  excess -= fromLonger;
  b -= Math.ceil(excess / 2);
  a -= Math.floor(excess / 2);
  return [Math.max(a, 0), Math.max(b, 0)];
}
