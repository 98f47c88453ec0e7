import type { SpecialIds } from "../../tokenizer/tokenizer.ts";
import type { Rng } from "../instances/rng.ts";
import type { PackedTokens } from "./packed-token.ts";

// Cuts documents into chunks and pairs of segments, as the official script does. It reads lengths, and tokens only
// where they are joined.

/**
 * What becomes of a chunk that holds a single sentence, so that no order of sentences can be asked of it.
 *
 * - `random-next` (as the official code, even when sentence order is the task): the second segment comes from another
 *   document, label 1.
 * - `split`: the sentence is cut at a random word start into two segments, in order or swapped.
 * - `drop`: no instance.
 */
export const SINGLE_SENTENCE = ["random-next", "split", "drop"] as const;
export type SingleSentence = (typeof SINGLE_SENTENCE)[number];

export interface SegmentOptions {
  /** Tokens of an instance, [CLS] and both [SEP] included. At least 5. */
  readonly maxSequenceLength: number;
  /** Probability that a document, for one pass, is cut to a random shorter length. */
  readonly shortSequenceProb: number;
  /** false: the negative of a sentence pair is the pair swapped (ALBERT). true: a segment of another document (BERT). */
  readonly randomNextSentence: boolean;
  readonly singleSentence: SingleSentence;
}

/** How the second segment of a chunk comes about. */
export type PairKind = "in-order" | "swapped" | "random-next" | "split" | "split-swapped";

/** A run of a document's sentences that becomes one instance. */
export interface Chunk {
  /** Index of the first sentence in its document. */
  readonly first: number;
  readonly sentences: number;
  /** How many of the sentences make up the first segment. */
  readonly firstSegment: number;
  readonly kind: PairKind;
  /** Tokens that both segments together should reach. */
  readonly targetTokens: number;
}

/**
 * Cuts one document into chunks, by lengths alone: it reads no token. Lazy, so that a caller who replays the official script
 * can make an instance's own draws between two chunks, from the same source.
 *
 * @param lengths tokens of each sentence, none empty
 */
export function* cutDocument(lengths: ArrayLike<number>, options: SegmentOptions, rng: Rng): Generator<Chunk> {
  const maxTokens = options.maxSequenceLength - 3;
  let targetTokens = maxTokens;
  if (rng.random() < options.shortSequenceProb) targetTokens = rng.integer(2, maxTokens);

  let first = 0;
  let tokens = 0;
  for (let i = 0; i < lengths.length; i++) {
    tokens += lengths[i]!;
    if (i < lengths.length - 1 && tokens < targetTokens) continue;
    const sentences = i + 1 - first;
    const firstSegment = sentences === 1 ? 1 : rng.integer(1, sentences - 1);
    const kind = sentences === 1 ? singleSentenceKind(lengths[i]!, options, rng) : pairKind(options, rng);
    if (kind !== undefined) yield { first, sentences, firstSegment, kind, targetTokens };
    if (kind === "random-next") i -= sentences - firstSegment; // the unused sentences begin the next chunk
    first = i + 1;
    tokens = 0;
  }
}

function pairKind(options: SegmentOptions, rng: Rng): PairKind {
  const negative = rng.random() < 0.5;
  if (options.randomNextSentence) return negative ? "random-next" : "in-order";
  return negative ? "swapped" : "in-order";
}

function singleSentenceKind(tokens: number, options: SegmentOptions, rng: Rng): PairKind | undefined {
  if (options.singleSentence === "random-next") return "random-next";
  if (options.singleSentence === "drop" || tokens < 2) return undefined;
  return rng.random() < 0.5 ? "split-swapped" : "split";
}

/** Both segments of an instance before they are joined. */
export interface SegmentPair {
  readonly first: PackedTokens;
  readonly second: PackedTokens;
}

/**
 * Cuts a pair to `maxTokens` together: again and again the longer segment (on a tie the second) loses its first or, as
 * likely, its last token.
 */
export function truncateRandomly({ first, second }: SegmentPair, maxTokens: number, rng: Rng): SegmentPair {
  const a = { start: 0, end: first.length };
  const b = { start: 0, end: second.length };
  while (a.end - a.start + (b.end - b.start) > maxTokens) {
    const longer = a.end - a.start > b.end - b.start ? a : b;
    if (rng.random() < 0.5) longer.start++;
    else longer.end--;
  }
  return { first: first.subarray(a.start, a.end), second: second.subarray(b.start, b.end) };
}

/** `[CLS] first [SEP] second [SEP]` and its segment ids: 0 up to and including the first [SEP], then 1. */
export function joinPair(
  { first, second }: SegmentPair,
  { cls, sep }: SpecialIds,
): { readonly tokens: PackedTokens; readonly segmentIds: Int32Array } {
  const tokens = new Uint32Array(first.length + second.length + 3);
  tokens[0] = cls;
  tokens.set(first, 1);
  tokens[first.length + 1] = sep;
  tokens.set(second, first.length + 2);
  tokens[tokens.length - 1] = sep;
  return { tokens, segmentIds: new Int32Array(tokens.length).fill(1, first.length + 2) };
}
