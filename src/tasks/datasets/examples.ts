import type { ClassificationHead, HeadKind } from "../../model/heads.ts";
import type { DataLocation } from "./data-source.ts";
import { GLUE_TASKS, type GlueTaskName } from "./glue.ts";

// The examples of every task, and the labels that tasks have.

/** Every task that data can be for: the official ones, and a user's own. */
export type TaskName = GlueTaskName | "squad-v1" | "squad-v2" | "race" | OwnTaskName;

/** Tasks of a user's own data. */
export const OWN_TASKS = ["classification", "qa", "multiple-choice", "contrastive"] as const;
export type OwnTaskName = (typeof OWN_TASKS)[number];

interface ExampleBase {
  /** Name of the example in prediction files: a guid, a question's id, or the row's number. */
  readonly id: string;
  readonly location: DataLocation;
  /** Further columns of a user's own data that were asked for, by name. */
  readonly columns?: Readonly<Record<string, string>>;
}

/** A text or pair to be labelled. */
export interface ClassificationExample extends ExampleBase {
  readonly kind: "classification";
  readonly text: string;
  readonly textPair?: string;
  /** A label's name, several names for a multi-label task, a number for a regression. Absent where there is none to know. */
  readonly label?: string | readonly string[] | number;
}

/** A question about a context. */
export interface QuestionExample extends ExampleBase {
  readonly kind: "question";
  readonly question: string;
  readonly context: string;
  /** Right answers; `answerStart` counts code points. The first one is trained towards. */
  readonly answers: readonly { readonly text: string; readonly answerStart: number }[];
  readonly isImpossible: boolean;
  /** Questions of one document share it. */
  readonly document: string;
}

/** A question with choices. */
export interface ChoiceExample extends ExampleBase {
  readonly kind: "choice";
  readonly question: string;
  readonly context: string;
  readonly choices: readonly string[];
  /** Index of the right choice. Absent where there is none to know. */
  readonly answer?: number;
  /** RACE: "middle" or "high". */
  readonly level?: string;
  /** Questions of one article share it. */
  readonly document: string;
}

/** Texts that belong together, and such as do not. */
export interface PairExample extends ExampleBase {
  readonly kind: "pair";
  readonly anchor: string;
  /** One at least. */
  readonly positives: readonly string[];
  /** Texts that look right and are not. */
  readonly negatives: readonly string[];
  /** How alike people find anchor and positive, on any scale; absent where they belong together. */
  readonly score?: number;
}

export type Example = ClassificationExample | QuestionExample | ChoiceExample | PairExample;

/** Head kinds that can answer a task; none where vectors do. */
export function headKindsOf(task: TaskName): readonly Exclude<HeadKind, "masked-lm" | "sentence-order">[] {
  switch (task) {
    case "squad-v1":
      return ["span"];
    case "squad-v2":
      return ["span-answerability"];
    case "qa":
      return ["span", "span-answerability"];
    case "race":
    case "multiple-choice":
      return ["multiple-choice"];
    case "contrastive":
      return [];
    default:
      return ["classification"];
  }
}

/** Official labels in the order of their ids; undefined for tasks whose labels the data decides. */
export function officialLabels(task: TaskName): readonly string[] | undefined {
  return GLUE_TASKS.get(task as GlueTaskName)?.labels;
}

/**
 * The id of a label under a head: by its name, else, for an official task whose head names its labels otherwise ("positive"
 * for "1"), by the official order.
 *
 * @returns -1 for a label that the head does not have
 */
export function labelIdOf(label: string, head: ClassificationHead, task: TaskName): number {
  const named = head.labels.indexOf(label);
  const official = officialLabels(task);
  if (named >= 0 || official === undefined || official.length !== head.labels.length) return named;
  return head.labels.some((name) => official.includes(name)) ? -1 : official.indexOf(label);
}
