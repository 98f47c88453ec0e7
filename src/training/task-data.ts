import { createHash } from "node:crypto";
import { AlbertError, type FieldViolation } from "../errors.ts";
import type { Head, ProblemType } from "../model/heads.ts";
import { formatLocation } from "../tasks/datasets/data-source.ts";
import { type Example, headKindsOf, officialLabels } from "../tasks/datasets/examples.ts";
import type { DatasetReport } from "./data/dataset-report.ts";
import type { ColumnNames } from "./data/fields.ts";
import { acceptedExamples, type DatasetSpec } from "./data/rows.ts";
import { isHeldOut, phraseSplit, type SplitRule } from "./data/split.ts";
import { validateDataset } from "./data/validate-dataset.ts";
import type { Task } from "./recipes.ts";

/** The data of a run. */
export interface TaskDataSpec {
  readonly task: Task;
  /** A file, plain or gzip; for RACE also a folder or archive. */
  readonly train: string;
  readonly eval?: string;
  /** Without `eval`: the part of the training data that is held out for evaluation. */
  readonly holdOut?: SplitRule;
  /** Of a user's own classification data. */
  readonly problemType?: ProblemType;
  /** Names of a user's own columns. */
  readonly columns?: ColumnNames;
}

/** One checked data set. */
export interface TaskData {
  /** sha256 (hex) of every example. */
  readonly digest: string;
  /** Examples; questions for SQuAD and RACE. */
  readonly count: number;
  /** Reads the examples again from the beginning. */
  readonly examples: () => AsyncIterable<Example>;
}

export interface CheckedData {
  readonly train: TaskData;
  readonly eval: TaskData | undefined;
  /** The head that these examples train. */
  readonly head: Head;
  /** Most choices of a question; 1 for other tasks. */
  readonly choices: number;
  /** What the full pass over each file found. */
  readonly reports: readonly DatasetReport[];
  /** Sentences about problems that do not stop training. */
  readonly warnings: readonly string[];
}

/**
 * Reads all data of a run once and judges every row, so that what is wrong with it is known before any step.
 *
 * @param heads  of the starting model: one with exactly the data's labels goes on being trained
 * @throws AlbertError invalid-input (DATA_INVALID) with every kind of problem and its first places
 */
export async function checkData(spec: TaskDataSpec, heads: readonly Head[]): Promise<CheckedData> {
  const train: DatasetSpec = datasetOf(spec, spec.train, "train");
  const evaluation = spec.eval === undefined ? undefined : datasetOf(spec, spec.eval, "dev");
  const trainReport = await validateDataset(train, evaluation === undefined ? {} : { evaluation });
  refuseUnusable(trainReport);
  const head = headOf(spec, trainReport, heads);
  const reports = [trainReport];
  if (evaluation !== undefined) {
    const report = await validateDataset(evaluation, head.kind === "classification" ? { head } : {});
    refuseUnusable(report);
    reports.push(report);
  }
  const split = evaluation === undefined ? await heldOutOf(spec, train) : undefined;
  const everything = () => acceptedExamples(train);
  const trainData = await taskData(split === undefined ? everything : () => filtered(everything(), split.keep));
  const evalData =
    evaluation !== undefined
      ? await taskData(() => acceptedExamples(evaluation))
      : split === undefined
        ? undefined
        : await taskData(() => filtered(everything(), split.holdOut));
  return {
    train: trainData,
    eval: evalData,
    head,
    choices: Math.max(trainData.choices, evalData?.choices ?? 1),
    reports,
    warnings: reports.flatMap(warningsOf),
  };
}

function datasetOf({ task, problemType, columns }: TaskDataSpec, path: string, split: "train" | "dev"): DatasetSpec {
  return {
    task,
    paths: [path],
    split,
    ...(problemType === undefined ? {} : { problemType }),
    ...(columns === undefined ? {} : { columns }),
  };
}

async function taskData(examples: () => AsyncIterable<Example>): Promise<TaskData & { readonly choices: number }> {
  const hash = createHash("sha256");
  let count = 0;
  let choices = 1;
  for await (const { location: _, ...example } of examples()) {
    hash.update(JSON.stringify(example));
    count++;
    if (example.kind === "choice") choices = Math.max(choices, example.choices.length);
  }
  return { digest: hash.digest("hex"), count, examples, choices };
}

/** Decides of each example, by itself and its index, whether it is trained on, held out, or neither. */
interface Split {
  readonly keep: (example: Example, index: number) => boolean;
  readonly holdOut: (example: Example, index: number) => boolean;
}

/** SST-2's training rows are phrases of few sentences, so whole sentences are held out with all of their phrases. */
async function heldOutOf({ task, holdOut }: TaskDataSpec, train: DatasetSpec): Promise<Split | undefined> {
  if (holdOut === undefined || holdOut.share <= 0) return undefined;
  if (task !== "sst-2") {
    return {
      keep: (example) => !isHeldOut(example, holdOut),
      holdOut: (example) => isHeldOut(example, holdOut),
    };
  }
  const texts: string[] = [];
  for await (const example of acceptedExamples(train))
    texts.push(example.kind === "classification" ? example.text : "");
  const { heldOut, dropped } = phraseSplit(texts, holdOut);
  return {
    keep: (_, index) => !heldOut.has(index) && !dropped.has(index),
    holdOut: (_, index) => heldOut.has(index),
  };
}

async function* filtered(
  examples: AsyncIterable<Example>,
  take: (example: Example, index: number) => boolean,
): AsyncGenerator<Example> {
  let index = 0;
  for await (const example of examples) if (take(example, index++)) yield example;
}

/** The model's own head where it fits the data, else a new one named after the task. */
function headOf(
  { task, problemType = "single-label" }: TaskDataSpec,
  report: DatasetReport,
  heads: readonly Head[],
): Head {
  const kinds = headKindsOf(task);
  if (!kinds.includes("classification")) {
    const impossible = (report.labels["impossible"] ?? 0) > 0;
    const kind = task === "qa" ? (impossible ? "span-answerability" : "span") : kinds[0]!;
    if (kind === "classification") throw new Error(`task ${task} has two kinds of heads: this is a bug`);
    return heads.find((head) => head.kind === kind) ?? { name: task, kind };
  }
  const own = task === "sts-b" ? "regression" : task === "classification" ? problemType : "single-label";
  const labels = officialLabels(task) ?? (own === "regression" ? ["score"] : Object.keys(report.labels));
  const same = (candidate: Head) =>
    candidate.kind === "classification" &&
    candidate.problemType === own &&
    [...candidate.labels].sort().join("\n") === [...labels].sort().join("\n");
  return heads.find(same) ?? { name: task, kind: "classification", problemType: own, labels };
}

function refuseUnusable(report: DatasetReport): void {
  if (report.usable) return;
  const errors = report.issues.filter(({ severity }) => severity === "error");
  const violations = errors.flatMap(({ occurrences, hint }) =>
    occurrences.map(
      ({ location, detail, excerpt }): FieldViolation => ({
        field: formatLocation(location),
        description: `${detail}${excerpt === "" ? "" : ` (${JSON.stringify(excerpt)})`}: ${hint}`,
      }),
    ),
  );
  const lines = violations.map(({ field, description }) => `${field}: ${description}`);
  const total = errors.reduce((sum, { count }) => sum + count, 0);
  const more = total > lines.length ? [`and ${total - lines.length} more`] : [];
  const summary = `${report.rejected} of ${report.read} rows cannot be used`;
  throw new AlbertError("invalid-input", [summary, ...lines, ...more].join("\n"), {
    reason: "DATA_INVALID",
    violations,
    metadata: Object.fromEntries(errors.map(({ kind, count }) => [kind, String(count)])),
  });
}

function warningsOf({ issues }: DatasetReport): string[] {
  return issues
    .filter(({ severity }) => severity === "warning")
    .map(({ kind, count, occurrences, hint }) => {
      const first = occurrences[0] === undefined ? "" : `, first at ${formatLocation(occurrences[0].location)}`;
      return `${kind}: ${count}${first}: ${hint}`;
    });
}
