import type { OutputName, SequenceInput } from "../../runtime/engine.ts";
import type { TokenizedText, Tokenizer } from "../../tokenizer/tokenizer.ts";
import { joinSegments } from "../features/sequence.ts";
import type { OffsetUnit } from "../offset-units.ts";
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
import { RequestChecks } from "../request-checks.ts";
import { type QuestionAnswer, type SpanAnswerOptions, spanAnswer } from "./span-answer.ts";
import { countWindows, documentWindows } from "./windows.ts";

// Question answering: from a request to windows and a plan, from logits to spans. It runs no model.

/**
 * `--doc_stride`, `--max_query_length`, `--n_best_size`, `--max_answer_length`, `--start_n_top` and `--end_n_top` of the
 * official scripts.
 */
export const QA_DEFAULTS = {
  docStride: 128,
  maxQueryLength: 64,
  nBestSize: 20,
  maxAnswerLength: 30,
  startTopN: 5,
  endTopN: 5,
} as const;

/** Answers a request may ask for, and pieces it may allow an answer, at most. */
const MAX_ANSWERS = 100;
const LONGEST_ANSWER = 512;

/** How spans are chosen and given back. */
export interface SpanRequestOptions {
  /** Answers to return at most, 1 to 100; 1 when left out. */
  readonly nBest?: number;
  /** Longest answer in pieces, 1 to 512; 30 when left out. */
  readonly maxAnswerTokens?: number;
  /** Say "no answer" unless the null score is below it. The version's tuned value, else 0, when left out. */
  readonly nullThreshold?: number;
  /** Unit of the answers' offsets; UTF-16 when left out. */
  readonly offsetUnit?: OffsetUnit;
  /** For span (v1) heads: the official candidates when left out, or all possible spans. */
  readonly search?: "official" | "exhaustive";
}

export interface QuestionAnsweringRequest extends RunOptions, SpanRequestOptions {
  readonly question: string;
  /** The document: any length, it is cut into overlapping windows whatever the truncation policy. */
  readonly context: string;
  /** Pieces from one window's start to the next; 128 when left out, but at most half a window. */
  readonly docStride?: number;
  /** Pieces of the question that are kept; 64 when left out. Never more than half of a sequence. */
  readonly maxQuestionTokens?: number;
}

/**
 * Answers a question with spans of a document. Windows, p_mask and candidate rules are the official ones; the answers come
 * from the tokenizer's exact character offsets.
 *
 * @throws AlbertError invalid-input with every wrong field; INPUT_TOO_LONG when the document needs more windows than
 *   `limits` allow; precondition (HEAD_MISSING)
 */
export function planQuestionAnswering(
  request: QuestionAnsweringRequest,
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
): TaskPlan<QuestionAnswer> {
  const head = selectHead(model, ["span", "span-answerability"], request.head);
  const knowsNoAnswer = head.kind === "span-answerability";
  const checks = new RequestChecks(limits);
  checks.text("question", request.question);
  checks.text("context", request.context);
  const maxTokens = checks.maxTokens(request, model);
  const maxQuestion = checks.integer("max_question_tokens", request.maxQuestionTokens, QA_DEFAULTS.maxQueryLength, 1);
  const docStride = checks.integer("doc_stride", request.docStride, 0, 1);
  const options = checkSpanOptions(checks, "", { head: head.name, knowsNoAnswer, request, model });
  refuseIfAny(checks.violations);

  const plan = planSpans(model.tokenizer, request, {
    ...options,
    maxTokens,
    maxQuestionTokens: maxQuestion,
    ...(docStride > 0 ? { docStride } : {}),
    maxWindows: limits.maxWindows,
  });
  if (plan.windows === 0) checks.refuse("context", "holds no character that the tokenizer keeps");
  refuseIfAny(checks.violations);
  return plan;
}

/** Everything that decides how a document is cut and searched. */
export interface SpanPlanOptions extends SpanAnswerOptions {
  readonly maxTokens: number;
  /** Never more than half of a sequence is used for the question. */
  readonly maxQuestionTokens: number;
  /** 128 when left out, but at most half a window. */
  readonly docStride?: number;
  readonly maxWindows: number;
}

/**
 * Cuts a document into windows for one question, whatever the texts hold.
 *
 * @param asked  with the context's pieces, where they are at hand from another question
 * @returns a plan without sequences for a context without pieces; its answer is "no answer"
 * @throws AlbertError invalid-input (INPUT_TOO_LONG) when more than `maxWindows` are needed
 */
export function planSpans(
  tokenizer: Tokenizer,
  asked: { readonly question: string; readonly context: string; readonly pieces?: TokenizedText },
  options: SpanPlanOptions,
): TaskPlan<QuestionAnswer> {
  const { head, maxTokens } = options;
  const knowsNoAnswer = options.nullThreshold !== undefined;
  const questionIds = tokenizer.tokenize(asked.question).ids;
  const longestQuery = Math.max(1, Math.floor((maxTokens - 3) / 2));
  const query = questionIds.subarray(0, Math.min(options.maxQuestionTokens, longestQuery));
  const pieces = asked.pieces ?? tokenizer.tokenize(asked.context);
  const room = maxTokens - query.length - 3;
  const stride = options.docStride ?? Math.max(1, Math.min(QA_DEFAULTS.docStride, Math.floor(room / 2)));
  const needed = countWindows(pieces.ids.length, room, stride);
  if (needed > options.maxWindows) {
    const tokens = pieces.ids.length + needed * (query.length + 3);
    throw inputTooLong(tokens, options.maxWindows * maxTokens, "send the document in parts");
  }
  const windows = documentWindows(pieces.ids.length, room, stride);
  const sequences = windows.map(({ start, length }) =>
    spanSequence({ tokenizer, query, segment: pieces.ids.subarray(start, start + length), head, knowsNoAnswer }),
  );
  const document = { context: asked.context, pieces, windows, documentOffset: query.length + 2 };
  return {
    head,
    sequences,
    tokens: sequences.reduce((total, { inputIds }) => total + inputIds.length, 0),
    windows: windows.length,
    truncated: query.length < questionIds.length,
    answer: (outputs) => spanAnswer(outputs, document, options),
  };
}

/** Refuses span options that are out of bounds or that this head cannot honour, and fills in the defaults. */
export function checkSpanOptions(
  checks: RequestChecks,
  prefix: string,
  asked: {
    readonly head: OutputName;
    readonly knowsNoAnswer: boolean;
    readonly request: SpanRequestOptions;
    readonly model: TaskModel;
  },
): SpanAnswerOptions {
  const { head, knowsNoAnswer, request, model } = asked;
  const answers = checks.integer(`${prefix}n_best`, request.nBest, 1, 1, MAX_ANSWERS);
  const maxAnswerLength = checks.integer(
    `${prefix}max_answer_tokens`,
    request.maxAnswerTokens,
    QA_DEFAULTS.maxAnswerLength,
    1,
    LONGEST_ANSWER,
  );
  if (!knowsNoAnswer && request.nullThreshold !== undefined) {
    checks.refuse(
      `${prefix}null_threshold`,
      `head ${head} always answers: only heads trained with unanswerable questions take a threshold`,
    );
  } else if (Number.isNaN(request.nullThreshold)) checks.refuse(`${prefix}null_threshold`, "must be a number, got NaN");
  if (knowsNoAnswer && request.search === "exhaustive") {
    checks.refuse(`${prefix}search`, `head ${head} proposes its own candidates: only span heads search exhaustively`);
  }
  return {
    head,
    answers,
    nBestSize: Math.max(answers, QA_DEFAULTS.nBestSize),
    maxAnswerLength,
    offsetUnit: request.offsetUnit ?? "utf-16",
    search: request.search ?? "official",
    ...(knowsNoAnswer ? { nullThreshold: request.nullThreshold ?? model.nullThreshold ?? 0 } : {}),
  };
}

/** What one window's sequence is made of. */
export interface SpanSequenceParts {
  readonly tokenizer: Tokenizer;
  /** Ids of the question, already cut. */
  readonly query: Int32Array;
  /** Ids of the window. */
  readonly segment: Int32Array;
  readonly head: OutputName;
  /** Whether the head is a span-answerability one, which takes the answer mask and beam widths. */
  readonly knowsNoAnswer: boolean;
}

/** `[CLS] question [SEP] window [SEP]` with what the head needs in addition. */
export function spanSequence({ tokenizer, query, segment, head, knowsNoAnswer }: SpanSequenceParts): SequenceInput {
  const sequence = { ...joinSegments(tokenizer, query, segment), outputs: [head] };
  if (!knowsNoAnswer) return sequence;
  const { startTopN, endTopN } = QA_DEFAULTS;
  return { ...sequence, answerMask: answerMask(query.length, segment.length), startTopN, endTopN };
}

/**
 * The official `p_mask`: 1 where no answer may start or end. [CLS] stays open, since it stands for "no answer".
 */
export function answerMask(queryLength: number, documentLength: number): Uint8Array {
  const mask = new Uint8Array(queryLength + documentLength + 3).fill(1);
  mask[0] = 0;
  mask.fill(0, queryLength + 2, queryLength + 2 + documentLength);
  return mask;
}
