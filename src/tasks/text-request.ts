import { AlbertError } from "../errors.ts";
import { piecesBetween } from "../tokenizer/packed-text.ts";
import type { TokenizedText, Tokenizer } from "../tokenizer/tokenizer.ts";
import { type EncodedSequence, encodeTexts } from "./features/sequence.ts";
import { OffsetConverter, type OffsetUnit } from "./offset-units.ts";
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
  return tokenReader(request, encoded, tokenizer, unit)(0, Number.POSITIVE_INFINITY);
}

/** Reads tokens `from..to` of a sequence, as many as there are; in order, each stretch costs its own tokens only. */
function tokenReader(
  request: TextRequest,
  { text, textPair, kept }: Pick<EncodedRequest, "text" | "textPair" | "kept">,
  tokenizer: Tokenizer,
  unit: OffsetUnit,
): (from: number, to: number) => SequenceToken[] {
  const { cls, sep } = tokenizer.special;
  const special = (id: number, segment: 0 | 1) => [
    { piece: tokenizer.pieceOf(id), id, start: 0, end: 0, segment, special: true },
  ];
  const parts: { readonly length: number; readonly read: (from: number, to: number) => SequenceToken[] }[] = [
    { length: 1, read: () => special(cls, 0) },
    { length: kept[0], read: textReader(request.text, text, 0, unit) },
    { length: 1, read: () => special(sep, 0) },
  ];
  if (request.textPair !== undefined && textPair !== undefined && kept[1] > 0) {
    parts.push({ length: kept[1], read: textReader(request.textPair, textPair, 1, unit) });
    parts.push({ length: 1, read: () => special(sep, 1) });
  }
  return (from, to) => {
    let before = 0;
    return parts.flatMap(({ length, read }) => {
      const first = Math.max(0, from - before);
      const end = Math.min(length, to - before);
      before += length;
      return first < end ? read(first, end) : [];
    });
  };
}

/** How a text is cut into pieces. */
export interface Tokenization {
  /** Tokens of the whole, special ones included, as a model would see them if nothing were too long. */
  readonly count: number;
  /** Longest sequence allowed. */
  readonly maxTokens: number;
  /** Whether all tokens fit into one sequence. */
  readonly fits: boolean;
  /** The next `count` tokens of the page; fewer at its end. */
  readonly page: (count: number) => SequenceToken[];
}

/** Which of a text's tokens are wanted: from `start` on, at most `size` of them, or all, but never more than `most`. */
export interface WantedTokens {
  readonly start: number;
  readonly size?: number;
  readonly most: number;
}

const ALL_TOKENS: WantedTokens = { start: 0, most: Number.POSITIVE_INFINITY };

/**
 * Cuts a text or pair into pieces without running anything.
 *
 * @throws AlbertError invalid-input with every wrong field; INPUT_TOO_LONG when all tokens are wanted and are too many
 */
export function tokenizeRequest(
  request: TextRequest & { readonly offsetUnit?: OffsetUnit },
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
  { start, size, most }: WantedTokens = ALL_TOKENS,
): Tokenization {
  const { tokenizer } = model;
  const checks = new RequestChecks(limits);
  checkTexts(checks, request);
  if (size !== undefined) checks.integer("page_size", size, 0, 0, most);
  const maxTokens = checks.maxTokens(request, model);
  refuseIfAny(checks.violations);
  const text = tokenizer.tokenize(request.text);
  const textPair = request.textPair === undefined ? undefined : tokenizer.tokenize(request.textPair);
  const kept = [text.ids.length, textPair?.ids.length ?? 0] as const;
  const count = kept[0] + 2 + (kept[1] > 0 ? kept[1] + 1 : 0);
  if (size === undefined && count - start > most) {
    const action = "ask for pages with page_start and page_size, or for token_count alone with page_size 0";
    throw new AlbertError("invalid-input", `the text has ${count} tokens, one reply holds at most ${most}: ${action}`, {
      reason: "INPUT_TOO_LONG",
      metadata: { tokens: String(count), limit: String(most), suggested_policy: "page_size" },
    });
  }
  const read = tokenReader(request, { text, textPair, kept }, tokenizer, request.offsetUnit ?? "utf-16");
  const end = Math.min(count, start + (size ?? count));
  let at = start;
  const page = (wanted: number) => {
    const next = Math.min(end, at + wanted);
    const tokens = at < next ? read(at, next) : [];
    at = Math.max(at, next);
    return tokens;
  };
  return { count, maxTokens, fits: count <= maxTokens, page };
}

/** Reads stretches of the pieces of one text. */
function textReader(
  text: string,
  pieces: TokenizedText,
  segment: 0 | 1,
  unit: OffsetUnit,
): (from: number, to: number) => SequenceToken[] {
  const offsets = new OffsetConverter(text, unit);
  return (from, to) => {
    const count = to - from;
    const ranges = offsets.convert([...pieces.starts.subarray(from, to), ...pieces.ends.subarray(from, to)]);
    const texts = piecesBetween(pieces, from, to);
    return Array.from({ length: count }, (_, i) => ({
      piece: texts[i]!,
      id: pieces.ids[from + i]!,
      start: ranges[i]!,
      end: ranges[count + i]!,
      segment,
      special: false,
    }));
  };
}
