import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { AlbertError, invariant } from "../errors.ts";
import type { Head } from "../model/heads.ts";
import { folderArticles, tarArticles } from "../tasks/datasets/article-files.ts";
import { type DataSource, dataError, fileSource, wholeText } from "../tasks/datasets/data-source.ts";
import { GLUE_TASKS, type GlueSplit, type GlueTask, glueExamples, glueLabelId } from "../tasks/datasets/glue.ts";
import { parseJson } from "../tasks/datasets/json-text.ts";
import { raceQuestions } from "../tasks/datasets/race.ts";
import { jsonPath, readSquad, type SquadQuestion } from "../tasks/datasets/squad.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { TrainingRecord } from "./collate.ts";
import type { Task } from "./recipes.ts";
import {
  type ChoiceExample,
  type ClassificationExample,
  choiceRecords,
  classificationRecord,
  spanRecords,
} from "./records.ts";
import type { TrainingSettings } from "./settings.ts";

/** Examples of one kind, read from their file as often as asked. */
export type TaskExamples =
  | { readonly kind: "classification"; readonly read: () => AsyncIterable<ClassificationExample> }
  | { readonly kind: "questions"; readonly read: () => AsyncIterable<SquadQuestion> | Iterable<SquadQuestion> }
  | { readonly kind: "choices"; readonly read: () => AsyncIterable<ChoiceExample> | Iterable<ChoiceExample> };

/** One checked data set of a task. */
export interface TaskData {
  /** sha256 (hex) of the bytes. */
  readonly digest: string;
  /** Examples; questions for SQuAD and RACE. */
  readonly count: number;
  /** Examples by label name; empty where there are no labels. */
  readonly labels: Readonly<Record<string, number>>;
  /** The head that these examples train. */
  readonly head: Head;
  /** Most options of a question; 1 for other tasks. */
  readonly choices: number;
  readonly examples: TaskExamples;
}

/**
 * Opens a task's official data and reads all of it once, so that what is wrong with it is known before any step.
 *
 * @param path  a file, plain or gzip; for RACE also the folder
 * @throws AlbertError invalid-input (DATA_INVALID) with file, line and column
 */
export async function openTaskData(task: Task, path: string, split: GlueSplit): Promise<TaskData> {
  switch (task) {
    case "squad-v1":
    case "squad-v2":
      return openSquad(task, fileSource(path), split);
    case "race":
      return openRace(path, split);
    case "classification":
    case "qa":
    case "multiple-choice":
      throw new AlbertError("unimplemented", `task ${task} has no reader`, { reason: "TASK_WITHOUT_READER" });
    default:
      return openGlue(GLUE_TASKS.get(task)!, fileSource(path), split);
  }
}

async function openGlue(task: GlueTask, source: DataSource, split: GlueSplit): Promise<TaskData> {
  const labels: Record<string, number> = {};
  let count = 0;
  for await (const example of glueExamples(source, task, split)) {
    glueLabelId(example, task);
    count++;
    if (!task.isRegression) labels[example.label] = (labels[example.label] ?? 0) + 1;
  }
  return {
    digest: await sourceDigest(source),
    count,
    labels,
    head: {
      name: task.name,
      kind: "classification",
      problemType: task.isRegression ? "regression" : "single-label",
      labels: task.labels,
    },
    choices: 1,
    examples: { kind: "classification", read: () => glueExamples(source, task, split) },
  };
}

async function openSquad(task: "squad-v1" | "squad-v2", source: DataSource, split: GlueSplit): Promise<TaskData> {
  const questions = readSquad(parseJson(await wholeText(source), source.name), source.name);
  if (split === "train") for (const question of questions) requireOneAnswer(question, source.name);
  return {
    digest: await sourceDigest(source),
    count: questions.length,
    labels: {},
    head: { name: task, kind: task === "squad-v1" ? "span" : "span-answerability" },
    choices: 1,
    examples: { kind: "questions", read: () => questions },
  };
}

async function openRace(path: string, split: GlueSplit): Promise<TaskData> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const files = isFolder ? folderArticles(path) : tarArticles(fileSource(path));
  const questions = await raceQuestions(files, { split });
  const hash = createHash("sha256");
  for (const question of questions) hash.update(JSON.stringify(question));
  return {
    digest: hash.digest("hex"),
    count: questions.length,
    labels: {},
    head: { name: "race", kind: "multiple-choice" },
    choices: Math.max(1, ...questions.map(({ options }) => options.length)),
    examples: { kind: "choices", read: () => questions.map(({ article, ...rest }) => ({ context: article, ...rest })) },
  };
}

/** The official readers train on exactly one answer. */
function requireOneAnswer({ isImpossible, answers, path }: SquadQuestion, file: string): void {
  if (isImpossible || answers.length === 1) return;
  const description = `a training question that can be answered needs exactly one answer, this one has ${answers.length}`;
  throw dataError({ file, line: 1, column: 1 }, `${jsonPath(path)}: ${description}`);
}

async function sourceDigest(source: DataSource): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of source.open()) hash.update(chunk);
  return hash.digest("hex");
}

export interface RecordOptions {
  readonly tokenizer: Tokenizer;
  readonly settings: Pick<TrainingSettings, "maxSeqLength" | "docStride" | "maxQueryLength" | "maxQaLength">;
}

/** What of `RecordOptions` changes the records of this data: the parameters of its feature cache. */
export function recordParameters(
  { head, examples }: TaskData,
  { settings, tokenizer }: RecordOptions,
): Record<string, string | number> {
  const { maxSeqLength, docStride, maxQueryLength, maxQaLength } = settings;
  const common = { examples: examples.kind, head: JSON.stringify(head), maxSeqLength };
  switch (examples.kind) {
    case "classification":
      return common;
    case "questions":
      return { ...common, docStride, maxQueryLength, offsets: offsetsOf(tokenizer) };
    case "choices":
      return { ...common, maxQaLength };
  }
}

/** Turns examples into training records, as a stream. */
export function recordsOf(
  { head, examples }: TaskData,
  { tokenizer, settings }: RecordOptions,
  onDropped: (question: SquadQuestion) => void,
): AsyncIterable<TrainingRecord> {
  const { maxSeqLength: maxSequenceLength, docStride, maxQueryLength, maxQaLength } = settings;
  switch (examples.kind) {
    case "classification":
      return classificationRecords(examples.read(), head, tokenizer, maxSequenceLength);
    case "questions":
      return spanRecords(
        examples.read(),
        tokenizer,
        {
          maxSequenceLength,
          docStride,
          maxQueryLength,
          offsets: offsetsOf(tokenizer),
          answerability: head.kind === "span-answerability",
        },
        { dropped: onDropped },
      );
    case "choices":
      return choiceRecords(examples.read(), tokenizer, { maxSequenceLength, maxQaLength });
  }
}

async function* classificationRecords(
  examples: AsyncIterable<ClassificationExample>,
  head: Head,
  tokenizer: Tokenizer,
  maxSequenceLength: number,
): AsyncGenerator<TrainingRecord> {
  invariant(head.kind === "classification", `classification examples cannot train a ${head.kind} head`);
  for await (const example of examples) yield classificationRecord(example, head, tokenizer, maxSequenceLength);
}

/** Google's alignment needs the pieces of a SentencePiece model; others bring exact offsets of their own. */
function offsetsOf(tokenizer: Tokenizer): "official" | "exact" {
  return tokenizer.kind === "sentencepiece" ? "official" : "exact";
}
