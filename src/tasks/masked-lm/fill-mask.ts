import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { joinSegments } from "../features/sequence.ts";
import { convertOffsets, type OffsetUnit } from "../offset-units.ts";
import { finiteOutput } from "../outputs.ts";
import {
  inputTooLong,
  type RunOptions,
  refuseIfAny,
  selectHead,
  type TaskLimits,
  type TaskModel,
  type TaskPlan,
  UNLIMITED,
} from "../plan.ts";
import { softmax, topIndexes } from "../probabilities.ts";
import { isPythonSpace } from "../python-text.ts";
import { RequestChecks } from "../request-checks.ts";

// Fill-mask: from a text with masks to a plan, from logits to candidates. It runs no model.

/** What a caller writes where the model is to guess a piece. It has this meaning only here; elsewhere it is plain text. */
export const MASK_TEXT = "[MASK]";

/** Masks in a text, and candidates for each, at most. */
const MAX_MASKS = 64;
const MAX_CANDIDATES = 100;

export interface FillMaskRequest extends RunOptions {
  /** Text with at least one `[MASK]`. */
  readonly text: string;
  /** Candidates for each mask; 5 when left out. */
  readonly topK?: number;
  /** Unit of the masks' offsets; UTF-16 when left out. */
  readonly offsetUnit?: OffsetUnit;
}

export interface MaskCandidate {
  readonly id: number;
  /** The vocabulary's piece as it is, such as "▁paris" or "##s". */
  readonly piece: string;
  /** The piece as text, without its word-boundary mark. */
  readonly text: string;
  /** Softmax over the whole vocabulary. */
  readonly probability: number;
  readonly logit: number;
}

export interface FilledMask {
  /** Half-open range of this `[MASK]` in the caller's text. */
  readonly start: number;
  readonly end: number;
  /** Most probable first. */
  readonly candidates: readonly MaskCandidate[];
}

export interface FillMaskAnswer {
  /** In the order of the text. Each mask is guessed on its own, given that the others stay hidden. */
  readonly masks: readonly FilledMask[];
}

/**
 * Guesses what stands at each `[MASK]` of a text.
 *
 * @throws AlbertError invalid-input with every wrong field; INPUT_TOO_LONG, since cutting could lose a mask; precondition
 *   (HEAD_MISSING)
 */
export function planFillMask(
  request: FillMaskRequest,
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
): TaskPlan<FillMaskAnswer> {
  const head = selectHead(model, ["masked-lm"], request.head);
  const { tokenizer } = model;
  const checks = new RequestChecks(limits);
  checks.text("text", request.text);
  const topK = checkTopCandidates(checks, "top_k", request.topK);
  const masks = findMasks(request.text);
  checkMasks(checks, masks);
  const maxTokens = checks.maxTokens(request, model);
  refuseIfAny(checks.violations);

  const { ids, maskIndexes } = tokenizeMasked(tokenizer, request.text, masks);
  if (ids.length + 2 > maxTokens) {
    throw inputTooLong(ids.length + 2, maxTokens, "send the sentences around the mask only");
  }
  const sequence = joinSegments(tokenizer, ids, undefined);
  const maskedPositions = maskIndexes.map((index) => index + 1);
  return {
    head: head.name,
    sequences: [{ ...sequence, outputs: [head.name], maskedPositions }],
    tokens: sequence.inputIds.length,
    windows: 1,
    truncated: false,
    answer: ([output]) => {
      const logits = finiteOutput(output, head.name, "logits");
      return fillMaskAnswer(logits, {
        text: request.text,
        masks,
        tokenizer,
        topK,
        unit: request.offsetUnit ?? "utf-16",
      });
    },
  };
}

/** Refuses a number of candidates that is out of bounds. @returns the number to give, 5 when left out */
export function checkTopCandidates(checks: RequestChecks, field: string, topK: number | undefined): number {
  return checks.integer(field, topK, 5, 1, MAX_CANDIDATES);
}

/** Refuses a text without masks, or with too many. */
export function checkMasks(checks: RequestChecks, masks: readonly number[]): void {
  if (masks.length < 1 || masks.length > MAX_MASKS) {
    checks.refuse("text", `must hold 1 to ${MAX_MASKS} times ${MASK_TEXT}, got ${masks.length}`);
  }
}

/** The answer for all masks of one text. @param logits  [masks, V] */
export function fillMaskAnswer(
  logits: Float32Array,
  asked: {
    readonly text: string;
    readonly masks: readonly number[];
    readonly tokenizer: Tokenizer;
    readonly topK: number;
    readonly unit: OffsetUnit;
  },
): FillMaskAnswer {
  const { masks } = asked;
  const vocabulary = logits.length / masks.length;
  const ends = masks.map((start) => start + MASK_TEXT.length);
  const offsets = convertOffsets(asked.text, [...masks, ...ends], asked.unit);
  return {
    masks: masks.map((_, i) => ({
      start: offsets[i]!,
      end: offsets[masks.length + i]!,
      candidates: maskCandidates(logits.subarray(i * vocabulary, (i + 1) * vocabulary), asked.tokenizer, asked.topK),
    })),
  };
}

/** The `topK` most probable pieces of one mask's vocabulary logits [V]. */
function maskCandidates(logits: Float32Array, tokenizer: Tokenizer, topK: number): MaskCandidate[] {
  const probabilities = softmax(logits);
  return topIndexes(logits, topK).map((id) => {
    const piece = tokenizer.pieceOf(id);
    const text = piece.replace(/^(\u2581|##)/, "");
    return { id, piece, text, probability: probabilities[id]!, logit: logits[id]! };
  });
}

/** UTF-16 offsets of every `[MASK]` in a text. */
export function findMasks(text: string): number[] {
  return Array.from(text.matchAll(/\[MASK\]/g), (match) => match.index);
}

/**
 * Pieces of a text with masks. The stretches between masks are tokenized one by one; a stretch that follows its mask without
 * white space loses the lone word-boundary piece that SentencePiece puts before it, so that "[MASK]." is a word and a full
 * stop, as it was in pretraining.
 *
 * @returns the ids without special tokens, and where in them the masks stand
 */
export function tokenizeMasked(
  tokenizer: Tokenizer,
  text: string,
  starts: readonly number[],
): { readonly ids: Int32Array; readonly maskIndexes: Int32Array } {
  const ids: number[] = [];
  const maskIndexes: number[] = [];
  let from = 0;
  for (const start of [...starts, text.length]) {
    const stretch = tokenizer.tokenize(text.slice(from, start));
    const glued = from > 0 && from < start && !isPythonSpace(text.charCodeAt(from));
    const loneBoundary = glued && stretch.pieces[0] === "\u2581";
    ids.push(...(loneBoundary ? stretch.ids.subarray(1) : stretch.ids));
    if (start < text.length) {
      maskIndexes.push(ids.length);
      ids.push(tokenizer.special.mask);
    }
    from = start + MASK_TEXT.length;
  }
  return { ids: Int32Array.from(ids), maskIndexes: Int32Array.from(maskIndexes) };
}
