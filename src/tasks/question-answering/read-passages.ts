import type { SequenceOutput } from "../../runtime/engine.ts";
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
import { checkSpanOptions, type SpanRequestOptions } from "./question-answering.ts";
import type { QuestionAnswer } from "./span-answer.ts";
import { planSpans, QA_DEFAULTS } from "./span-plan.ts";

// Reading several passages for one question: each is answered by itself, all in one plan. It runs no model, and compares no
// passages.

/** A question and the passages that may answer it. */
export interface ReadPassagesRequest extends RunOptions, Omit<SpanRequestOptions, "search"> {
  readonly question: string;
  /** None empty. */
  readonly passages: readonly string[];
}

/** An answer for each passage, in the order of the request. */
export type PassageAnswers = readonly QuestionAnswer[];

/** Sequences from which the answers are read part by part, so that the main thread is not held by all of them at once. */
const MANY_SEQUENCES = 16;

/** What a passage without a piece for the model gives. */
const NOTHING: QuestionAnswer = { answers: [], noAnswer: true };

/**
 * Answers a question from each of several passages, as `planQuestionAnswering` does from one document.
 *
 * @throws AlbertError invalid-input with every wrong field; INPUT_TOO_LONG when the passages need more windows than `limits`
 *   allow; precondition (HEAD_MISSING)
 */
export function planReadPassages(
  request: ReadPassagesRequest,
  model: TaskModel,
  limits: TaskLimits = UNLIMITED,
): TaskPlan<PassageAnswers> {
  const head = selectHead(model, ["span", "span-answerability"], request.head);
  const knowsNoAnswer = head.kind === "span-answerability";
  const checks = new RequestChecks(limits);
  checks.text("question", request.question);
  for (const [i, passage] of request.passages.entries()) checks.text(`passages[${i}]`, passage);
  if (request.passages.length === 0) checks.refuse("passages", "must not be empty");
  const maxTokens = checks.maxTokens(request, model);
  const options = checkSpanOptions(checks, "", { head: head.name, knowsNoAnswer, request, model });
  refuseIfAny(checks.violations);
  const plans = request.passages.map((context) =>
    planSpans(
      model.tokenizer,
      { question: request.question, context },
      { ...options, maxTokens, maxQuestionTokens: QA_DEFAULTS.maxQueryLength, maxWindows: limits.maxWindows },
    ),
  );
  const sequences = plans.flatMap((plan) => plan.sequences);
  /** Reads the answers of further passages as their outputs come. */
  const reader = () => {
    const answers: QuestionAnswer[] = [];
    let outputs: readonly SequenceOutput[] = [];
    return {
      give: (more: readonly SequenceOutput[]) => {
        outputs = [...outputs, ...more];
        for (let plan = plans[answers.length]; plan !== undefined; plan = plans[answers.length]) {
          const count = plan.sequences.length;
          if (outputs.length < count) return;
          answers.push(count === 0 ? NOTHING : plan.answer(outputs.slice(0, count)));
          outputs = outputs.slice(count);
        }
      },
      answer: () => answers,
    };
  };
  return {
    head: head.name,
    sequences,
    tokens: plans.reduce((sum, { tokens }) => sum + tokens, 0),
    windows: sequences.length,
    truncated: plans.some(({ truncated }) => truncated),
    answer: (outputs) => {
      const { give, answer } = reader();
      give(outputs);
      return answer();
    },
    ...(sequences.length <= MANY_SEQUENCES
      ? {}
      : {
          inParts: () => {
            let taken = 0;
            return {
              lengths: sequences.map(({ inputIds }) => inputIds.length),
              take: (count) => {
                taken += count;
                return sequences.slice(taken - count, taken);
              },
              ...reader(),
            };
          },
        }),
  };
}
