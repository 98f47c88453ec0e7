import { AlbertError, type FieldViolation, invalidInput } from "../errors.ts";
import type { ModelDescription, ModelManifest } from "../model/directory/model-directory.ts";
import type { HeadKind } from "../model/heads.ts";
import {
  type ClassificationAnswer,
  type ClassificationRequest,
  planClassification,
} from "./classification/classification.ts";
import { infersEntailment } from "./classification/entailment.ts";
import { planZeroShot, type ZeroShotOptions } from "./classification/zero-shot.ts";
import { type InferenceAnswer, type InferenceRequest, planInference } from "./inference.ts";
import { type EncodingAnswer, type EncodingRequest, planEncoding } from "./masked-lm/encoding.ts";
import { type FillMaskAnswer, type FillMaskRequest, MASK_TEXT, planFillMask } from "./masked-lm/fill-mask.ts";
import {
  type MultipleChoiceAnswer,
  type MultipleChoiceRequest,
  planMultipleChoice,
} from "./multiple-choice/multiple-choice.ts";
import type { TaskLimits, TaskModel, TaskPlan } from "./plan.ts";
import { planQuestionAnswering, type QuestionAnsweringRequest } from "./question-answering/question-answering.ts";
import { type PassageAnswers, planReadPassages, type ReadPassagesRequest } from "./question-answering/read-passages.ts";
import type { QuestionAnswer } from "./question-answering/span-answer.ts";

// Every kind of request that a served model answers, in one table: which heads it needs, how it is planned, and what its
// answer decides. Pure: it knows no queue, no engine and no protocol.

/** What each task takes and gives. Its names are those of the metrics. */
export interface Tasks {
  /** With labels of the request's own it is zero-shot classification. */
  readonly classify: { readonly input: ClassificationRequest & ZeroShotOptions; readonly answer: ClassificationAnswer };
  readonly answer_question: { readonly input: QuestionAnsweringRequest; readonly answer: QuestionAnswer };
  readonly read_passages: { readonly input: ReadPassagesRequest; readonly answer: PassageAnswers };
  readonly choose_answer: { readonly input: MultipleChoiceRequest; readonly answer: MultipleChoiceAnswer };
  readonly encode: { readonly input: EncodingRequest; readonly answer: EncodingAnswer };
  readonly fill_mask: { readonly input: FillMaskRequest; readonly answer: FillMaskAnswer };
  readonly infer: { readonly input: InferenceRequest; readonly answer: InferenceAnswer };
}

export type TaskKind = keyof Tasks;

/** One request of a task, as plain data. */
export interface TaskRequest<K extends TaskKind = TaskKind> {
  readonly task: K;
  readonly input: Tasks[K]["input"];
  /** What is wrong with fields that `input` cannot hold, such as unknown enum values; reported with all that planning finds. */
  readonly violations?: readonly FieldViolation[];
}

/** What an answer decided, in a form in which the answers of two versions can be compared. */
export interface Decision {
  /** Equal for answers that agree: the label, the answer's text, the choice. */
  readonly choice: string;
  /** Confidence in it, 0 to 1. */
  readonly score: number;
}

/** Whether a model suits a request. */
export type ModelTest = (
  model: Pick<ModelDescription, "heads"> & { readonly manifest: Pick<ModelManifest, "encoding"> },
) => boolean;

interface Task<Input, Answer> {
  /** Kinds of heads of which the task needs one; absent: any model will do. */
  readonly heads?: readonly HeadKind[];
  /** Which of the models that can answer suit this request best, where it names none. */
  prefers?(input: Input): ModelTest;
  /** The texts that planning tokenizes as they are; all texts of the input when left out. */
  texts?(input: Input): readonly (string | undefined)[];
  plan(input: Input, model: TaskModel, limits: TaskLimits): TaskPlan<Answer>;
  /** Absent for answers that decide nothing. */
  decide?(answer: Answer): Decision;
}

const TASKS: { readonly [K in TaskKind]: Task<Tasks[K]["input"], Tasks[K]["answer"]> } = {
  classify: {
    heads: ["classification"],
    // A head of natural-language inference compares two texts: one text alone is for others.
    prefers: ({ candidateLabels, textPair }) => {
      if (candidateLabels?.length) return ({ heads }) => heads.some(infersEntailment);
      return ({ heads }) =>
        heads.some((head) => head.kind === "classification" && (textPair !== undefined || !infersEntailment(head)));
    },
    texts: ({ text, textPair }) => [text, textPair], // hypotheses are too short to matter
    plan: ({ candidateLabels = [], ...input }, model, limits) =>
      candidateLabels.length > 0
        ? planZeroShot({ ...input, candidateLabels }, model, limits)
        : planClassification(input, model, limits),
    decide: (answer) =>
      answer.kind === "regression"
        ? { choice: answer.value.toFixed(1), score: 1 }
        : { choice: answer.labels[0]?.label ?? "", score: answer.labels[0]?.probability ?? 0 },
  },
  answer_question: {
    heads: ["span", "span-answerability"],
    plan: planQuestionAnswering,
    decide: ({ answers, noAnswer }) => ({
      choice: noAnswer ? "" : (answers[0]?.text ?? ""),
      score: answers[0]?.probability ?? 0,
    }),
  },
  read_passages: { heads: ["span", "span-answerability"], plan: planReadPassages },
  choose_answer: {
    heads: ["multiple-choice"],
    plan: planMultipleChoice,
    decide: ({ best, choices }) => ({ choice: String(best), score: choices[best]?.probability ?? 0 }),
  },
  encode: {
    // Any model gives vectors; one that was made for them gives better ones.
    prefers:
      () =>
      ({ manifest }) =>
        manifest.encoding !== undefined,
    plan: planEncoding,
  },
  fill_mask: { heads: ["masked-lm"], plan: planFillMask },
  infer: { plan: planInference },
};

/** Tests of models for a request that names none, the most telling first; none where any model will do. */
export function modelTests<K extends TaskKind>({ task, input }: Pick<TaskRequest<K>, "task" | "input">): ModelTest[] {
  const { heads: kinds, prefers }: Task<Tasks[K]["input"], Tasks[K]["answer"]> = TASKS[task];
  const has: ModelTest[] = kinds === undefined ? [] : [({ heads }) => heads.some(({ kind }) => kinds.includes(kind))];
  return prefers === undefined ? has : [prefers(input), ...has];
}

/**
 * Plans a request for one model.
 *
 * @throws AlbertError invalid-input with `violations` and every wrong field of `input`; INPUT_TOO_LONG; precondition
 *   (HEAD_MISSING)
 */
export function planTask<K extends TaskKind>(
  { task, input, violations = [] }: TaskRequest<K>,
  model: TaskModel,
  limits: TaskLimits,
): TaskPlan<Tasks[K]["answer"]> {
  const plan = () => TASKS[task].plan(input, model, limits);
  if (violations.length === 0) return plan();
  try {
    plan();
  } catch (error) {
    if (error instanceof AlbertError && error.violations.length > 0) {
      throw invalidInput([...violations, ...error.violations]);
    }
  }
  throw invalidInput(violations);
}

/** What an answer decided; undefined for tasks whose answers decide nothing. */
export function decisionOf<K extends TaskKind>(task: K, answer: Tasks[K]["answer"]): Decision | undefined {
  return TASKS[task].decide?.(answer);
}

/** The fields of an input that are texts, in the order in which they make up what a request is about. */
const SUBJECT = ["question", "text", "textPair", "context", "passages", "choices"];

/** What a request is about, as one text: equal for requests about the same texts, whatever they ask about them. */
export function subjectOf(input: object): string {
  const fields: Readonly<Record<string, unknown>> = { ...input };
  return JSON.stringify(SUBJECT.map((name) => fields[name] ?? null));
}

/**
 * Every text that planning a request will tokenize, so that a caller can do that beforehand; none that the limits refuse
 * anyway. Texts with masks are tokenized from mask to mask.
 */
export function textsOf<K extends TaskKind>(
  { task, input }: Pick<TaskRequest<K>, "task" | "input">,
  limits: TaskLimits,
): string[] {
  const { texts: textsIn }: Task<Tasks[K]["input"], Tasks[K]["answer"]> = TASKS[task];
  const texts = (textsIn?.(input) ?? Object.values(input).flat()).filter(
    (value): value is string => typeof value === "string" && value.length <= limits.maxCharacters,
  );
  if (task !== "fill_mask" && task !== "infer") return texts;
  return texts.flatMap((text) => (text.includes(MASK_TEXT) ? [text, ...text.split(MASK_TEXT)] : [text]));
}
