import { preprocessText } from "../../tokenizer/sentencepiece/preprocess.ts";
import type { TokenizedText, Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { SquadQuestion } from "../datasets/squad.ts";
import { joinSegments } from "../features/sequence.ts";
import { codePointStarts } from "../offset-units.ts";
import { alignPieces, type PieceAlignment } from "./alignment.ts";
import { answerMask } from "./span-plan.ts";
import { documentWindows } from "./windows.ts";

// The windows of SQuAD questions as training features, by the official rules.

/** `--max_seq_length`, `--doc_stride` and `--max_query_length`. */
export interface SquadLengths {
  readonly maxSequenceLength: number;
  readonly docStride: number;
  readonly maxQueryLength: number;
}

/**
 * How pieces are placed in the original text.
 *
 * - `official`: as Google's code aligns them, dropping questions it cannot align. Needs a SentencePiece tokenizer.
 * - `exact`: the tokenizer's own offsets; nothing is dropped.
 */
export type OffsetSource = "official" | "exact";

/** One window of one question, without padding. */
export interface SquadFeature {
  /** [CLS] question [SEP] window [SEP] */
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Int32Array;
  /** `p_mask`: 1 where no answer may start or end. */
  readonly answerMask: Uint8Array;
  /** Which window of its question this is, from 0: `doc_span_index`. */
  readonly window: number;
  /** Position of the first document piece, and how many follow. */
  readonly documentOffset: number;
  readonly length: number;
  /** [length], 1 where an answer may start: `token_is_max_context`. */
  readonly maxContext: Uint8Array;
  /** [length]: first and last (inclusive) code point of each document piece in the context. */
  readonly startCharacters: Int32Array;
  readonly endCharacters: Int32Array;
}

/** What a window is trained towards; positions count from the sequence's start. */
export interface SpanLabels {
  /** 0 ([CLS]) where the window does not hold the whole answer. */
  readonly startPosition: number;
  readonly endPosition: number;
  readonly isImpossible: boolean;
}

/** First and last piece of an answer in the whole document. */
export interface AnswerPieces {
  readonly first: number;
  readonly last: number;
}

/** A context, tokenized and placed once for all of its questions. */
export interface PreparedContext {
  readonly pieces: TokenizedText;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /**
   * The pieces that hold `length` code points from `start` on; undefined where nothing does: outside of the context, or
   * aligned to nothing.
   */
  locate(start: number, length: number): AnswerPieces | undefined;
}

/**
 * Tokenizes a context and finds where its pieces lie. Keep the outcome for all questions of the paragraph: this is most of
 * the work of making features.
 *
 * @returns undefined where the official alignment fails and the official scripts would drop the questions
 */
export function prepareContext(
  context: string,
  tokenizer: Tokenizer,
  source: OffsetSource,
): PreparedContext | undefined {
  const pieces = tokenizer.tokenize(context);
  return source === "exact" ? exactContext(context, pieces) : officialContext(context, pieces, tokenizer);
}

/** All windows of one question over a prepared context; none for a context without pieces. */
export function squadFeatures(
  question: string,
  context: PreparedContext,
  tokenizer: Tokenizer,
  lengths: SquadLengths,
): SquadFeature[] {
  const query = tokenizer.tokenize(question).ids.subarray(0, lengths.maxQueryLength);
  const { ids } = context.pieces;
  const room = lengths.maxSequenceLength - query.length - 3;
  if (room < 1) {
    throw new RangeError(
      `sequences of ${lengths.maxSequenceLength} tokens leave no room after the ${query.length} of the question`,
    );
  }
  return documentWindows(ids.length, room, lengths.docStride).map(({ start, length, maxContext }, window) => ({
    ...joinSegments(tokenizer, query, ids.subarray(start, start + length)),
    answerMask: answerMask(query.length, length),
    window,
    documentOffset: query.length + 2,
    length,
    maxContext,
    startCharacters: context.starts.subarray(start, start + length),
    endCharacters: context.ends.subarray(start, start + length),
  }));
}

/**
 * Labels of every window of a question. A window that does not hold the whole answer counts as impossible and points at
 * [CLS], in version 1 too.
 *
 * @param answer  undefined for an unanswerable question
 */
export function spanLabels(
  features: readonly SquadFeature[],
  stride: number,
  answer: AnswerPieces | undefined,
): SpanLabels[] {
  let start = 0;
  return features.map(({ length, documentOffset }) => {
    const first = start;
    start += Math.min(length, stride);
    if (answer === undefined || answer.first < first || answer.last > first + length - 1) {
      return { startPosition: 0, endPosition: 0, isImpossible: true };
    }
    return {
      startPosition: answer.first - first + documentOffset,
      endPosition: answer.last - first + documentOffset,
      isImpossible: false,
    };
  });
}

/** The one answer a training question has. @returns undefined for an unanswerable one, or one that is not trainable */
export function trainingAnswer(question: SquadQuestion, context: PreparedContext): AnswerPieces | undefined {
  const [answer] = question.answers;
  if (question.isImpossible || answer === undefined) return undefined;
  return context.locate(answer.answerStart, [...answer.text].length);
}

function officialContext(context: string, pieces: TokenizedText, tokenizer: Tokenizer): PreparedContext | undefined {
  const characters = Array.from(context);
  const alignment = alignPieces(characters, pieces.pieces, characterCleaner(tokenizer));
  if (alignment === undefined) return undefined;
  return {
    pieces,
    starts: alignment.starts,
    ends: alignment.ends,
    locate: (start, length) => locateAligned(alignment, characters.length, start, length),
  };
}

function locateAligned(
  alignment: PieceAlignment,
  characters: number,
  start: number,
  length: number,
): AnswerPieces | undefined {
  const end = start + length - 1;
  if (start < 0 || end < 0 || start >= characters || end >= characters) return undefined;
  const first = alignment.pieceAt(start, "start");
  const last = alignment.pieceAt(end, "end");
  return first <= last ? { first, last } : undefined;
}

function exactContext(context: string, pieces: TokenizedText): PreparedContext {
  const characters = codePointStarts(context);
  const codePointOf = new Int32Array(context.length + 1);
  characters.forEach((unit, i) => {
    codePointOf.fill(i, unit, (characters[i + 1] ?? unit) + 1);
  });
  const starts = pieces.starts.map((unit) => codePointOf[unit]!);
  const ends = pieces.ends.map((unit, i) => Math.max(codePointOf[unit]! - 1, starts[i]!));
  return {
    pieces,
    starts,
    ends,
    locate(start, length) {
      if (start < 0 || length < 1 || start + length > characters.length - 1) return undefined;
      const from = characters[start]!;
      const to = characters[start + length]!;
      let first = -1;
      let last = -1;
      for (let i = 0; i < pieces.ids.length; i++) {
        if (pieces.ends[i]! <= from || pieces.starts[i]! >= to) continue;
        if (first < 0) first = i;
        last = i;
      }
      return first < 0 ? undefined : { first, last };
    },
  };
}

/** What a single character becomes when it is cleaned on its own: one code point, or -1 for none or several. */
function characterCleaner(tokenizer: Tokenizer): (character: string) => number {
  const known = new Map<string, number>();
  return (character) => {
    let cleaned = known.get(character);
    if (cleaned === undefined) {
      const text = preprocessText(character, { lowerCase: tokenizer.lowerCase, removeSpace: false });
      const code = text.codePointAt(0);
      cleaned = code !== undefined && text.length === (code > 0xffff ? 2 : 1) ? code : -1;
      known.set(character, cleaned);
    }
    return cleaned;
  };
}
