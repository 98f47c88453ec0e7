import type { OutputName } from "../../runtime/engine.ts";
import type { OffsetUnit } from "../offset-units.ts";
import {
  type RunOptions,
  refuseIfAny,
  selectHead,
  type TaskLimits,
  type TaskModel,
  type TaskPlan,
  UNLIMITED,
} from "../plan.ts";
import { RequestChecks } from "../request-checks.ts";
import type { QuestionAnswer, SpanAnswerOptions } from "./span-answer.ts";
import { planSpans, QA_DEFAULTS } from "./span-plan.ts";

// Question answering: what a request asks for, checked, and its plan. It runs no model.

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
