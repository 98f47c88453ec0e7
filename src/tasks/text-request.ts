import type { TokenizedText, Tokenizer } from "../tokenizer/tokenizer.ts";
import { type EncodedSequence, encodeTexts } from "./features/sequence.ts";
import { convertOffsets, type OffsetUnit } from "./offset-units.ts";
import { inputTooLong, type RunOptions, refuseIfAny, type TaskLimits, type TaskModel, UNLIMITED } from "./plan.ts";
import { RequestChecks } from "./request-checks.ts";

// What tasks over one text or a pair of texts share: checks, the encoded sequence, its tokens.

/** A request about one text or a pair of texts. */
export interface TextRequest extends RunOptions {
  readonly text: string;
  /** Second text, for heads that compare two. Not empty where present. */
  readonly textPair?: string;
}

/** One sequence, with the pieces and offsets it was made of. */
export interface EncodedRequest extends EncodedSequence {
  readonly text: TokenizedText;
  readonly textPair: TokenizedText | undefined;
}

/** Collects what is wrong with the texts. */
export function checkTexts(checks: RequestChecks, request: TextRequest): void {
  checks.text("text", request.text);
  if (request.textPair !== undefined) checks.text("text_pair", request.textPair);
}

/**
 * The one sequence of a text request, cut by the official rules or refused.
 *
 * @throws AlbertError invalid-input (INPUT_TOO_LONG) when it does not fit and must not be cut
 */
export function encodeRequest(request: TextRequest, model: TaskModel, maxTokens: number): EncodedRequest {
  const { tokenizer } = model;
  const text = tokenizer.tokenize(request.text);
  const textPair = request.textPair === undefined ? undefined : tokenizer.tokenize(request.textPair);
  const encoded = encodeTexts(tokenizer, text, textPair, maxTokens);
  if (encoded.truncated && request.truncation === "error") {
    const pairPieces = textPair?.ids.length ?? 0;
    throw inputTooLong(text.ids.length + pairPieces + (pairPieces > 0 ? 3 : 2), maxTokens, "allow truncation");
  }
  return { ...encoded, text, textPair };
}

/** One token of a sequence, and where it came from. */
export interface SequenceToken {
  readonly piece: string;
  readonly id: number;
  /** Half-open range in the text of its segment; empty for a token that no character produced. */
  readonly start: number;
  readonly end: number;
  /** 0 for the first text, 1 for the second. */
  readonly segment: 0 | 1;
  /** Whether it is [CLS] or [SEP]. */
  readonly special: boolean;
}

/** Every token of a sequence, special ones included, with offsets in the caller's own texts. */
export function sequenceTokens(
  request: TextRequest,
  encoded: EncodedRequest,
  tokenizer: Tokenizer,
  unit: OffsetUnit = "utf-16",
): SequenceToken[] {
  const special = (id: number, segment: 0 | 1): SequenceToken => ({
    piece: tokenizer.pieceOf(id),
    id,
    start: 0,
    end: 0,
    segment,
    special: true,
  });
  const { cls, sep } = tokenizer.special;
  const tokens = [
    special(cls, 0),
    ...textTokens(request.text, encoded.text, encoded.kept[0], 0, unit),
    special(sep, 0),
  ];
  if (request.textPair !== undefined && encoded.textPair !== undefined && encoded.kept[1] > 0) {
    tokens.push(...textTokens(request.textPair, encoded.textPair, encoded.kept[1], 1, unit), special(sep, 1));
  }
  return tokens;
}

/** How a text is cut into pieces. */
export interface Tokenization {
  /** As a model would see them if nothing were too long. */
  readonly tokens: readonly SequenceToken[];
  /** Longest sequence allowed. */
  readonly maxTokens: number;
  /** Whether all tokens fit into one sequence. */
  readonly fits: boolean;
}

/**
 * Cuts a text or pair into pieces without running anything.
 *
 * @throws AlbertError invalid-input with every wrong field
 */
export function tokenizeRequest(
  request: TextRequest & { readonly offsetUnit?: OffsetUnit },
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
): Tokenization {
  const checks = new RequestChecks(limits);
  checkTexts(checks, request);
  const maxTokens = checks.maxTokens(request, model);
  refuseIfAny(checks.violations);
  const encoded = encodeRequest({ ...request, truncation: "truncate" }, model, Number.MAX_SAFE_INTEGER);
  const tokens = sequenceTokens(request, encoded, model.tokenizer, request.offsetUnit);
  return { tokens, maxTokens, fits: tokens.length <= maxTokens };
}

function textTokens(
  text: string,
  pieces: TokenizedText,
  kept: number,
  segment: 0 | 1,
  unit: OffsetUnit,
): SequenceToken[] {
  const ranges = Array.from({ length: 2 * kept }, (_, i) => (i < kept ? pieces.starts[i]! : pieces.ends[i - kept]!));
  const offsets = convertOffsets(text, ranges, unit);
  return Array.from({ length: kept }, (_, i) => ({
    piece: pieces.pieces[i]!,
    id: pieces.ids[i]!,
    start: offsets[i]!,
    end: offsets[kept + i]!,
    segment,
    special: false,
  }));
}
