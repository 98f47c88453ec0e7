import { basename } from "node:path";
import { AlbertError, invalidInput } from "../../errors.ts";
import type { Answerer } from "../../model/heads.ts";
import { type Example, OWN_TASKS, type TaskName } from "../../tasks/datasets/examples.ts";
import { GLUE_TASKS, type GlueSplit, type GlueTaskName } from "../../tasks/datasets/glue.ts";
import { isOfficialTask, type OfficialTaskName, officialExamples } from "../../tasks/datasets/official-examples.ts";
import { refuseUnusable, warningsOf } from "../../training/data/report-text.ts";
import { acceptedExamples, type DatasetSpec, type ReadingOptions } from "../../training/data/rows/dataset-rows.ts";
import { validateDataset } from "../../training/data/validate-dataset.ts";

// The examples of a data file for `albert evaluate` and `albert predict`, checked before anything is computed.

export interface DatasetRequest extends ReadingOptions {
  readonly task: TaskName;
  readonly path: string;
  readonly split: GlueSplit;
  /** Whether answers are compared with, or only predicted. */
  readonly purpose: "evaluate" | "predict";
  /** Columns of a user's own data by which results are grouped. */
  readonly kept?: readonly string[];
}

export interface DatasetExamples {
  /** Reads them again from the beginning. */
  readonly examples: () => AsyncIterable<Example>;
  readonly count: number;
  /** What is odd about the data, and which rows are left out. */
  readonly warnings: readonly string[];
}

/**
 * Reads the whole file once. Official layouts are read as the official scripts do, unless wrong rows may be left out.
 *
 * @param head  that answers
 * @throws AlbertError not-found (FILE_NOT_READABLE); invalid-input (DATA_INVALID) with every kind of problem; precondition
 *   (NO_EXAMPLES) for data with nothing to answer, or when evaluating with nothing to compare with
 */
export async function datasetExamples(request: DatasetRequest, head: Answerer): Promise<DatasetExamples> {
  const { task, path, split, purpose, kept = [] } = request;
  if (kept.length > 0 && isOfficialTask(task)) {
    const description = `the layout of ${task} has no columns besides: expected one of ${OWN_TASKS.join(", ")}`;
    throw invalidInput([{ field: "--slice", description }]);
  }
  if (purpose === "evaluate" && split === "test" && GLUE_TASKS.has(task as GlueTaskName)) throw withoutAnswers(path);
  const read =
    isOfficialTask(task) && request.skipInvalid === undefined && request.columns === undefined
      ? await officialData(task, path, split)
      : await checkedData(request, head);
  let count = 0;
  let answered = 0;
  const missing = new Set(kept);
  for await (const example of read.examples()) {
    count++;
    for (const name of Object.keys(example.columns ?? {})) missing.delete(name);
    if (hasAnswer(example)) answered++;
  }
  if (count === 0)
    throw new AlbertError("precondition", `${basename(path)} holds no examples`, { reason: "NO_EXAMPLES" });
  if (purpose === "evaluate" && answered === 0) throw withoutAnswers(path);
  if (missing.size > 0) {
    const description = `${basename(path)} has no column ${[...missing].join(", ")}: give names of its header or keys`;
    throw invalidInput([{ field: "--slice", description }]);
  }
  return { ...read, count };
}

async function officialData(
  task: OfficialTaskName,
  path: string,
  split: GlueSplit,
): Promise<Omit<DatasetExamples, "count">> {
  return { examples: () => officialExamples(task, path, split), warnings: [] };
}

async function checkedData(
  { task, path, split, purpose, columns, acceptWindowsText, skipInvalid, separator, kept }: DatasetRequest,
  head: Answerer,
): Promise<Omit<DatasetExamples, "count">> {
  const spec: DatasetSpec = {
    task,
    paths: [path],
    split,
    unlabelled: purpose === "predict",
    problemType: head.kind === "classification" ? head.problemType : "single-label",
    // As the official scripts do.
    acceptWindowsText: acceptWindowsText === true || isOfficialTask(task),
    ...(columns === undefined ? {} : { columns }),
    ...(kept === undefined ? {} : { kept }),
    ...(skipInvalid === undefined ? {} : { skipInvalid }),
    ...(separator === undefined ? {} : { separator }),
  };
  const labels = head.kind === "classification" && purpose === "evaluate" ? { head } : {};
  const report = await validateDataset(spec, { purpose: "evaluation", ...labels });
  refuseUnusable(report);
  return { examples: () => acceptedExamples(spec), warnings: warningsOf(report) };
}

function hasAnswer(example: Example): boolean {
  switch (example.kind) {
    case "classification":
      return example.label !== undefined;
    case "question":
      return example.isImpossible || example.answers.length > 0;
    case "choice":
      return example.answer !== undefined;
    case "pair":
      return true;
  }
}

function withoutAnswers(path: string): AlbertError {
  const message = `${basename(path)} holds no answers to compare with: evaluate data that has them, or write predictions with albert predict`;
  return new AlbertError("precondition", message, { reason: "NO_ANSWERS" });
}
