import { createHash } from "node:crypto";
import { basename } from "node:path";
import { AlbertError } from "../errors.ts";
import type { Head } from "../model/heads.ts";
import { dataError } from "../tasks/datasets/data-source.ts";
import { type Example, headKindsOf, officialLabels } from "../tasks/datasets/examples.ts";
import type { GlueSplit } from "../tasks/datasets/glue.ts";
import { isOfficialTask, officialExamples } from "../tasks/datasets/official-examples.ts";
import type { Task } from "./recipes.ts";

/** One checked data set of a task. */
export interface TaskData {
  readonly task: Task;
  /** sha256 (hex) of the content. */
  readonly digest: string;
  /** Examples; questions for SQuAD and RACE. */
  readonly count: number;
  /** Examples by label name; empty where there are no labels. */
  readonly labels: Readonly<Record<string, number>>;
  /** The head that these examples train. */
  readonly head: Head;
  /** Most choices of a question; 1 for other tasks. */
  readonly choices: number;
  /** Reads the examples again from the beginning. */
  readonly examples: () => AsyncIterable<Example>;
}

/**
 * Opens a task's data and reads all of it once, so that what is wrong with it is known before any step.
 *
 * @param path  a file, plain or gzip; for RACE also a folder or archive
 * @throws AlbertError invalid-input (DATA_INVALID) with file, line and column
 */
export async function openTaskData(task: Task, path: string, split: GlueSplit): Promise<TaskData> {
  if (!isOfficialTask(task)) {
    throw new AlbertError("unimplemented", `task ${task} has no reader`, { reason: "TASK_WITHOUT_READER" });
  }
  const examples = () => officialExamples(task, path, split);
  const labels: Record<string, number> = {};
  const hash = createHash("sha256");
  let count = 0;
  let choices = 1;
  for await (const example of examples()) {
    count++;
    hash.update(JSON.stringify(example));
    if (split === "train") checkTrainable(example);
    if (example.kind === "classification" && typeof example.label === "string") {
      labels[example.label] = (labels[example.label] ?? 0) + 1;
    }
    if (example.kind === "choice") choices = Math.max(choices, example.choices.length);
  }
  if (count === 0) throw dataError({ file: basename(path), line: 1, column: 1 }, "the file holds no examples");
  return { task, digest: hash.digest("hex"), count, labels, head: officialHead(task), choices, examples };
}

/** The head of an official task, named as the task. */
function officialHead(task: Task): Head {
  const [kind] = headKindsOf(task);
  if (kind !== "classification") return { name: task, kind: kind! };
  const problemType = task === "sts-b" ? "regression" : "single-label";
  return { name: task, kind, problemType, labels: officialLabels(task)! };
}

/** The official SQuAD readers train on exactly one answer. */
function checkTrainable(example: Example): void {
  if (example.kind !== "question" || example.isImpossible || example.answers.length === 1) return;
  const count = example.answers.length;
  const description = `question ${example.id}: training needs exactly one answer, this one has ${count}`;
  throw dataError(example.location, description);
}
