import type { Head } from "../../model/heads.ts";
import { classify, orderSentences, regress } from "./classify.ts";
import { encode, fillMask } from "./encode.ts";
import { answerQuestion, chooseAnswer } from "./questions.ts";
import type { TensorTask } from "./task.ts";

// Which task a model answers where a request names none: its heads decide, and the inputs where several fit.

export const TENSOR_TASKS = {
  classify,
  regress,
  answer_question: answerQuestion,
  choose_answer: chooseAnswer,
  fill_mask: fillMask,
  order_sentences: orderSentences,
  encode,
} as const satisfies Readonly<Record<string, TensorTask>>;

export type TensorTaskName = keyof typeof TENSOR_TASKS;

/** For `parameters.task`. */
export const TASK_NAMES = Object.fromEntries(Object.keys(TENSOR_TASKS).map((name) => [name, name])) as {
  readonly [K in TensorTaskName]: K;
};

/** The task of a head. */
function taskOfHead(head: Head): TensorTaskName {
  switch (head.kind) {
    case "classification":
      return head.problemType === "regression" ? "regress" : "classify";
    case "span":
    case "span-answerability":
      return "answer_question";
    case "multiple-choice":
      return "choose_answer";
    case "masked-lm":
      return "fill_mask";
    case "sentence-order":
      return "order_sentences";
  }
}

/** Every task that a model answers, the one that is asked by default first. Vectors come from any model. */
export function tasksOf(heads: readonly Head[]): TensorTaskName[] {
  return [...new Set<TensorTaskName>([...heads.map(taskOfHead), "encode"])];
}

/** What a request says of the task it wants. */
export interface Asked {
  readonly task: TensorTaskName | undefined;
  readonly head: string | undefined;
  /** Names of its tensors. */
  readonly inputs: readonly string[];
}

/** A task, and the head that answers it; no head where the task chooses itself, or needs none. */
export interface ChosenTask {
  readonly name: TensorTaskName;
  readonly head: string | undefined;
}

/**
 * The task that a request means: the one it names, that of the head it names, or of the model's heads the first one that
 * takes these inputs; else the first of all, which then says what is missing.
 */
export function chooseTask(heads: readonly Head[], { task, head, inputs }: Asked): ChosenTask {
  const named = heads.find(({ name }) => name === head);
  const fits = (candidate: Head) => task === undefined || taskOfHead(candidate) === task;
  const candidates = heads.filter(fits);
  const chosen = named ?? candidates.find((candidate) => accepts(taskOfHead(candidate), inputs)) ?? candidates[0];
  if (chosen === undefined) return { name: task ?? "encode", head };
  return { name: task ?? taskOfHead(chosen), head: head ?? (task === "encode" ? undefined : chosen.name) };
}

function accepts(task: TensorTaskName, names: readonly string[]): boolean {
  const { inputs }: TensorTask = TENSOR_TASKS[task];
  const known = names.every((name) => inputs.some((input) => input.name === name));
  return known && inputs.every(({ name, optional }) => optional === true || names.includes(name));
}
