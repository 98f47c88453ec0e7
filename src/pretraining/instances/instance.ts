import type { TrainingRecord } from "../../training/step/collate.ts";
import { continuesWord, type PackedTokens, tokenId } from "../corpus/packed-token.ts";
import { type Chunk, joinPair, type SegmentOptions, type SegmentPair, truncateRandomly } from "../corpus/segments.ts";
import { type MaskingOptions, maskTokens } from "./masking.ts";
import type { Rng } from "./rng.ts";

// Makes one pretraining example from a chunk of a document.

/** Everything that decides what instances a text gives, besides the draws. */
export interface InstanceOptions extends SegmentOptions, MaskingOptions {}

/** The defaults of the official script, without its quirks. */
export const DEFAULT_INSTANCE_OPTIONS = {
  maxSequenceLength: 512,
  shortSequenceProb: 0.1,
  randomNextSentence: false,
  singleSentence: "random-next",
  maskedLmProb: 0.15,
  maxPredictionsPerSequence: 20,
  ngram: 3,
  favorShorterNgram: true,
  wholeWordMask: true,
  permutation: false,
  officialQuirks: false,
} as const satisfies Omit<InstanceOptions, "vocabSize" | "special">;

/** One pretraining example, without padding. T tokens, M predictions. */
export interface PretrainingInstance {
  /** `[CLS] a [SEP] b [SEP]` after masking. int32 [T] */
  readonly inputIds: Int32Array;
  /** 0 up to and including the first [SEP], then 1. int32 [T] */
  readonly segmentIds: Int32Array;
  /** 1 where a word begins, and at [CLS] and [SEP]. uint8 [T] */
  readonly tokenBoundary: Uint8Array;
  /** Positions to predict, ascending. int32 [M] */
  readonly maskedPositions: Int32Array;
  /** The original ids at those positions. int32 [M] */
  readonly maskedIds: Int32Array;
  /** Sentence order: 0 in order, 1 swapped or from another document. */
  readonly label: 0 | 1;
}

/** Most predictions of one instance: permutation adds up to as many again. */
export function maxPredictions({ maxPredictionsPerSequence, permutation }: MaskingOptions): number {
  return maxPredictionsPerSequence * (permutation ? 2 : 1);
}

/** Tokenised documents, by index; sentences and documents are never empty. */
export interface Documents {
  readonly count: number;
  sentenceCount(document: number): number;
  /** Tokens of each sentence of a document. */
  lengths(document: number): ArrayLike<number>;
  /** The tokens of `sentences` sentences from sentence `first` on, end to end. */
  read(document: number, first: number, sentences: number): PackedTokens;
  /** Whole sentences from `first` on: at least one, and as many as it takes to reach `tokens` or the document's end. */
  readAtLeast(document: number, first: number, tokens: number): PackedTokens;
}

/** Turns a chunk of a document into an instance: second segment, truncation, masking, with draws in the official order. */
export function buildInstance(
  documents: Documents,
  document: number,
  chunk: Chunk,
  options: InstanceOptions,
  rng: Rng,
): PretrainingInstance {
  const whole = choosePair(documents, document, chunk, options, rng);
  const pair = truncateRandomly(whole, options.maxSequenceLength - 3, rng);
  const { tokens, segmentIds } = joinPair(pair, options.special);
  const masked = maskTokens(tokens, options, rng);
  return {
    inputIds: masked.inputIds,
    segmentIds,
    tokenBoundary: masked.tokenBoundary,
    maskedPositions: masked.positions,
    maskedIds: Int32Array.from(masked.labels, tokenId),
    label: chunk.kind === "in-order" || chunk.kind === "split" ? 0 : 1,
  };
}

function choosePair(
  documents: Documents,
  document: number,
  { first, sentences, firstSegment, kind, targetTokens }: Chunk,
  options: InstanceOptions,
  rng: Rng,
): SegmentPair {
  const a = documents.read(document, first, firstSegment);
  switch (kind) {
    case "random-next": {
      const other = drawOtherDocument(documents.count, document, options.officialQuirks, rng);
      const start = rng.integer(0, documents.sentenceCount(other) - 1);
      return { first: a, second: documents.readAtLeast(other, start, targetTokens - a.length) };
    }
    case "split":
    case "split-swapped": {
      const cut = drawWordStart(a, rng);
      const parts = [a.subarray(0, cut), a.subarray(cut)] as const;
      return kind === "split" ? { first: parts[0], second: parts[1] } : { first: parts[1], second: parts[0] };
    }
    case "in-order":
    case "swapped": {
      const b = documents.read(document, first + firstSegment, sentences - firstSegment);
      return kind === "in-order" ? { first: a, second: b } : { first: b, second: a };
    }
  }
}

/** Officially up to ten draws over all documents, the last of which may be the same document again. */
function drawOtherDocument(count: number, document: number, officialQuirks: boolean, rng: Rng): number {
  if (!officialQuirks && count > 1) {
    const other = rng.integer(0, count - 2);
    return other < document ? other : other + 1;
  }
  let other = document;
  for (let attempt = 0; attempt < 10 && other === document; attempt++) other = rng.integer(0, count - 1);
  return other;
}

/** A random place after the first token at which a word begins, or any place in a text that is one word. */
function drawWordStart(tokens: PackedTokens, rng: Rng): number {
  const starts: number[] = [];
  for (let i = 1; i < tokens.length; i++) if (!continuesWord(tokens[i]!)) starts.push(i);
  return starts.length > 0 ? starts[rng.integer(0, starts.length - 1)]! : rng.integer(1, tokens.length - 1);
}

/** An instance as a record for `collate`, under the official feature names. */
export function trainingRecord(instance: PretrainingInstance): TrainingRecord {
  return {
    input_ids: instance.inputIds,
    segment_ids: instance.segmentIds,
    masked_lm_positions: instance.maskedPositions,
    masked_lm_ids: instance.maskedIds,
    masked_lm_weights: new Float32Array(instance.maskedPositions.length).fill(1),
    next_sentence_labels: Int32Array.of(instance.label),
    next_sentence_weights: Float32Array.of(1),
  };
}
