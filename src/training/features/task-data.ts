import { createHash } from "node:crypto";
import { invalidInput } from "../../errors.ts";
import type { Answerer, ClassificationHead, Head, ProblemType } from "../../model/heads.ts";
import { type Example, headKindsOf, officialLabels } from "../../tasks/datasets/examples.ts";
import type { DatasetReport } from "../data/dataset-report.ts";
import { type FoldRule, foldsOf } from "../data/folds.ts";
import { refuseUnusable, warningsOf } from "../data/report-text.ts";
import { acceptedExamples, type DatasetSpec, type ReadingOptions } from "../data/rows/dataset-rows.ts";
import { isHeldOut, phraseSplit, type SplitRule } from "../data/split.ts";
import { SCORED_PAIR, type ValidationOptions, validateDataset } from "../data/validate-dataset.ts";
import type { Task } from "../settings/recipes.ts";

// Reads and checks the data of a fine-tuning run before its first step.

/** The data of a run. */
export interface TaskDataSpec extends ReadingOptions {
  readonly task: Task;
  /** A file, plain or gzip; for RACE also a folder or archive. */
  readonly train: string;
  /** Further training data in the same layout, and the shares in which all of it is drawn. */
  readonly mix?: TrainingMix;
  readonly eval?: string;
  /** For MNLI: the mismatched development data, which the final weights are evaluated on besides. */
  readonly evalMismatched?: string;
  /** Without `eval`: the part of the training data that is held out for evaluation. */
  readonly holdOut?: SplitRule;
  /** Without `eval`: the part of what is left of the training data that is held out, in place of `holdOut`'s. */
  readonly fold?: FoldRule;
  /** Texts without labels, in the layout of a user's own classification data, from which only a teacher's answers are learnt. */
  readonly unlabelled?: string;
  /** Of a user's own classification data. */
  readonly problemType?: ProblemType;
  /**
   * Whose labels count where the starting model has a head of this task's name already. When left out, both must agree; "head":
   * the data may lack labels of the head; "data": a new head is made of the data's labels.
   */
  readonly labelsFrom?: LabelsFrom;
}

/** Training data of several files. Weights are shares of their sum; each is above 0. */
export interface TrainingMix {
  /** Of the first file. */
  readonly weight: number;
  readonly further: readonly { readonly path: string; readonly weight: number }[];
}

export const LABEL_SOURCES = ["head", "data"] as const;
export type LabelsFrom = (typeof LABEL_SOURCES)[number];

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
  /** The files of which `train` is made, in order, where these are several. */
  readonly parts?: readonly { readonly data: TaskData; readonly weight: number }[];
  readonly eval: TaskData | undefined;
  /** Of MNLI, where it was given. */
  readonly mismatched?: TaskData;
  /** Texts without labels, where they were given. */
  readonly unlabelled?: TaskData;
  /** The head that these examples train. */
  readonly head: Answerer;
  /** Most sequences of an example: choices of a question, texts of a pair with its negatives; 1 for other tasks. */
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
  const paths = [spec.train, ...(spec.mix?.further ?? []).map(({ path }) => path)];
  checkMix(spec);
  const train: DatasetSpec = { ...datasetOf(spec, spec.train, "train"), paths };
  const evaluation = spec.eval === undefined ? undefined : datasetOf(spec, spec.eval, "dev");
  const mismatched = mismatchedOf(spec);
  const rule = labelRule(spec, heads);
  const trainReport = await validateDataset(train, {
    ...(evaluation === undefined ? {} : { evaluation }),
    ...rule,
  });
  refuseUnusable(trainReport);
  let head = rule.head ?? headOf(spec, trainReport, heads);
  const reports = [trainReport];
  for (const set of [evaluation, mismatched]) {
    if (set === undefined) continue;
    const labels = head.kind === "classification" ? { head } : {};
    const report = await validateDataset(set, { purpose: "evaluation", ...labels });
    refuseUnusable(report);
    reports.push(report);
    if (head.kind === "vectors" && report.labels[SCORED_PAIR] === report.accepted)
      head = { ...head, measure: "likeness" };
  }
  const unlabelled = unlabelledOf(spec, head);
  if (unlabelled !== undefined) {
    const report = await validateDataset(unlabelled, { purpose: "evaluation" });
    refuseUnusable(report);
    reports.push(report);
  }
  const besides = evaluation === undefined ? await heldOutOf(spec, train) : undefined;
  const split = spec.fold === undefined ? besides : await foldSplit(spec.fold, besides, train);
  const everything = () => acceptedExamples(train);
  const trainData = await taskData(split === undefined ? everything : () => filtered(everything(), split.keep));
  const parts = spec.mix && (await partsOf(spec.mix, train, split));
  const evalData =
    evaluation !== undefined
      ? await taskData(() => acceptedExamples(evaluation))
      : split === undefined
        ? undefined
        : await taskData(() => filtered(everything(), split.holdOut));
  return {
    train: trainData,
    ...(parts === undefined ? {} : { parts }),
    eval: evalData,
    head,
    ...(mismatched === undefined ? {} : { mismatched: await taskData(() => acceptedExamples(mismatched)) }),
    ...(unlabelled === undefined
      ? {}
      : { unlabelled: await taskData(() => withoutLabels(acceptedExamples(unlabelled))) }),
    choices: head.kind === "vectors" ? trainData.choices : Math.max(trainData.choices, evalData?.choices ?? 1),
    reports,
    warnings: reports.flatMap(warningsOf),
  };
}

/**
 * Reads a file that a head is to answer, and judges every row, its label included.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) with every kind of problem and its first places
 */
export async function checkEvaluationData(
  {
    task,
    path,
    split = "dev",
    ...reading
  }: { readonly task: Task; readonly path: string; readonly split?: "train" | "dev" } & ReadingOptions,
  head: Answerer,
): Promise<DatasetSpec> {
  const classification = head.kind === "classification";
  const spec = { ...reading, task, train: path, ...(classification ? { problemType: head.problemType } : {}) };
  const dataset = datasetOf(spec, path, split);
  refuseUnusable(await validateDataset(dataset, { purpose: "evaluation", ...(classification ? { head } : {}) }));
  return dataset;
}

function datasetOf(
  { task, problemType, columns, acceptWindowsText, skipInvalid, separator }: TaskDataSpec,
  path: string,
  split: "train" | "dev",
): DatasetSpec {
  return {
    task,
    paths: [path],
    split,
    ...(acceptWindowsText === undefined ? {} : { acceptWindowsText }),
    ...(problemType === undefined ? {} : { problemType }),
    ...(columns === undefined ? {} : { columns }),
    ...(skipInvalid === undefined ? {} : { skipInvalid }),
    ...(separator === undefined ? {} : { separator }),
  };
}

function mismatchedOf(spec: TaskDataSpec): DatasetSpec | undefined {
  if (spec.evalMismatched === undefined) return undefined;
  if (spec.task === "mnli") return { ...datasetOf(spec, spec.evalMismatched, "dev"), task: "mnli-mm" };
  throw invalidInput([{ field: "eval-mismatched", description: "only MNLI has mismatched data" }]);
}

/** @throws AlbertError invalid-input for a head whose examples are more than texts */
function unlabelledOf(
  { unlabelled, columns, acceptWindowsText, skipInvalid, separator }: TaskDataSpec,
  head: Answerer,
): DatasetSpec | undefined {
  if (unlabelled === undefined) return undefined;
  if (head.kind !== "classification") {
    const description = `texts without labels are for classifications and values; a ${head.kind} head needs questions with their answers`;
    throw invalidInput([{ field: "unlabelled", description }]);
  }
  const reading = {
    task: "classification" as const,
    problemType: head.problemType,
    columns,
    acceptWindowsText,
    skipInvalid,
    separator,
  };
  return { ...datasetOf({ ...reading, train: unlabelled } as TaskDataSpec, unlabelled, "train"), unlabelled: true };
}

/** What labels such texts may have says nothing of those of the task. */
async function* withoutLabels(examples: AsyncIterable<Example>): AsyncGenerator<Example> {
  for await (const example of examples) {
    if (example.kind !== "classification") continue;
    const { label: _, ...text } = example;
    yield text;
  }
}

async function taskData(examples: () => AsyncIterable<Example>): Promise<TaskData & { readonly choices: number }> {
  const hash = createHash("sha256");
  let count = 0;
  let choices = 1;
  for await (const { location: _, ...example } of examples()) {
    hash.update(JSON.stringify(example));
    count++;
    if (example.kind === "pair") choices = Math.max(choices, 2 + example.negatives.length);
    if (example.kind === "choice") choices = Math.max(choices, example.choices.length);
  }
  return { digest: hash.digest("hex"), count, examples, choices };
}

/** @throws AlbertError invalid-input for weights that are none, and for data whose parts cannot be held apart */
function checkMix({ task, mix, unlabelled }: TaskDataSpec): void {
  if (mix === undefined) return;
  const wrong = (description: string) => invalidInput([{ field: "train", description }]);
  const weights = [mix.weight, ...mix.further.map(({ weight }) => weight)];
  const odd = weights.find((weight) => !(weight > 0 && weight <= LARGEST_WEIGHT));
  if (odd !== undefined) throw wrong(`expected weights above 0 and up to ${LARGEST_WEIGHT}, got ${odd}`);
  if (mix.further.length === 0) throw wrong("a single file has no share to be drawn in: leave its weight out");
  if (task === "sst-2") {
    throw wrong(
      "SST-2's rows are phrases of one another, which another file may share: give sentences with --task classification",
    );
  }
  if (unlabelled !== undefined) throw wrong("shares are drawn of data with labels: leave the texts without labels out");
}

const LARGEST_WEIGHT = 1_000_000;

/** What is trained on of each file of a mix. */
async function partsOf({ weight, further }: TrainingMix, train: DatasetSpec, split: Split | undefined) {
  const weights = [weight, ...further.map((part) => part.weight)];
  const parts = [];
  let before = 0;
  for (const [part, path] of train.paths.entries()) {
    const own = () => acceptedExamples({ ...train, paths: [path] });
    const from = before;
    for await (const _ of own()) before++;
    const data = await taskData(split === undefined ? own : () => filtered(own(), split.keep, from));
    if (data.count === 0) {
      throw invalidInput([{ field: "train", description: `nothing of file ${part + 1} is left to train on` }]);
    }
    parts.push({ data, weight: weights[part]! });
  }
  return parts;
}

/** Decides of each example, by itself and its index, whether it is trained on, held out, or neither. */
interface Split {
  readonly keep: (example: Example, index: number) => boolean;
  readonly holdOut: (example: Example, index: number) => boolean;
}

/**
 * What a fold leaves to train on, and what it holds out. Examples that are held out besides, for others to compare by, are in
 * neither.
 */
async function foldSplit(fold: FoldRule, besides: Split | undefined, train: DatasetSpec): Promise<Split> {
  const indexes: number[] = [];
  async function* divided() {
    let index = 0;
    for await (const example of acceptedExamples(train)) {
      if (besides === undefined || besides.keep(example, index)) {
        indexes.push(index);
        yield example;
      }
      index++;
    }
  }
  const folds = await foldsOf(divided(), fold);
  const foldOf = new Map(indexes.map((index, at) => [index, folds[at]!]));
  return {
    keep: (_, index) => foldOf.has(index) && foldOf.get(index) !== fold.index,
    holdOut: (_, index) => foldOf.get(index) === fold.index,
  };
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
  from = 0,
): AsyncGenerator<Example> {
  let index = from;
  for await (const example of examples) if (take(example, index++)) yield example;
}

/**
 * What the labels of training data must be like: those of the model's head of the task's own name, which goes on being trained
 * unless a new one is asked for. With any other head the labels are free.
 */
export function labelRule(
  {
    task,
    problemType = "single-label",
    labelsFrom,
  }: Pick<DatasetSpec, "task" | "problemType"> & Pick<TaskDataSpec, "labelsFrom">,
  heads: readonly Head[],
): Pick<ValidationOptions, "head" | "allLabels"> {
  if (labelsFrom === "data") return {};
  const head = heads.find(
    (candidate): candidate is ClassificationHead =>
      candidate.name === task &&
      candidate.kind === "classification" &&
      candidate.problemType === problemTypeOf(task, problemType) &&
      candidate.problemType !== "regression",
  );
  return head === undefined ? {} : { head, allLabels: task === "classification" && labelsFrom === undefined };
}

function problemTypeOf(task: DatasetSpec["task"], own: ProblemType): ProblemType {
  return task === "sts-b" ? "regression" : task === "classification" ? own : "single-label";
}

/** The model's own head where it fits the data, else a new one named after the task. */
function headOf(
  { task, problemType = "single-label" }: TaskDataSpec,
  report: DatasetReport,
  heads: readonly Head[],
): Answerer {
  if (task === "contrastive") return { kind: "vectors", name: "vectors" };
  const kinds = headKindsOf(task);
  if (!kinds.includes("classification")) {
    const impossible = (report.labels["impossible"] ?? 0) > 0;
    const kind = task === "qa" ? (impossible ? "span-answerability" : "span") : kinds[0]!;
    if (kind === "classification") throw new Error(`task ${task} has two kinds of heads: this is a bug`);
    return heads.find((head) => head.kind === kind) ?? { name: task, kind };
  }
  const own = problemTypeOf(task, problemType);
  const labels = officialLabels(task) ?? (own === "regression" ? ["score"] : Object.keys(report.labels));
  const same = (candidate: Head) =>
    candidate.kind === "classification" &&
    candidate.problemType === own &&
    [...candidate.labels].sort().join("\n") === [...labels].sort().join("\n");
  return heads.find(same) ?? { name: task, kind: "classification", problemType: own, labels };
}
