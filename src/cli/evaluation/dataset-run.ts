import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import type { Model } from "../../model/directory/model-directory.ts";
import { openModelDirectory } from "../../model/directory/open-model-directory.ts";
import type { Answerer } from "../../model/heads.ts";
import { makeDirectory } from "../../platform/directories.ts";
import type { DeviceKind, Engine } from "../../runtime/engine.ts";
import { createEngine, type EngineOptions } from "../../runtime/packed-engine.ts";
import { type Example, OWN_TASKS, type TaskName } from "../../tasks/datasets/examples.ts";
import { GLUE_TASKS, type GlueSplit } from "../../tasks/datasets/glue.ts";
import { answeringHead, evaluateDataset } from "../../tasks/evaluation/evaluate-dataset.ts";
import type { OfficialFile } from "../../tasks/evaluation/official-files.ts";
import type { DatasetEvaluation, EvaluationOptions } from "../../tasks/evaluation/prediction.ts";
import { type TaskModel, taskModel } from "../../tasks/plan.ts";
import { numberFlag, wholeNumber } from "../number-flags.ts";
import { addReadingOptions, type ReadingFlags, readingOf } from "../training/reading-options.ts";
import { WorkProgress } from "../work-progress.ts";
import { type DatasetRequest, datasetExamples } from "./dataset-examples.ts";

// What `albert predict` and `albert evaluate` share: reading a data file and running it through a model in this
// process.

/** Differences of logits. */
const SCORE = { kind: "number", minimum: -1_000_000, maximum: 1_000_000 } as const;

/** Tasks whose data `predict` and `evaluate` read: the official ones and a user's own. */
export const TASK_NAMES: readonly TaskName[] = [...GLUE_TASKS.keys(), "squad-v1", "squad-v2", "race", ...OWN_TASKS];

/** Flags that `predict` and `evaluate` share. */
export interface DatasetFlags extends ReadingFlags {
  readonly task: TaskName;
  readonly model: string;
  readonly data: string;
  readonly split?: GlueSplit;
  readonly head?: string;
  readonly device: DeviceKind;
  readonly precision: NonNullable<EngineOptions["precision"]>;
  readonly threads?: number;
  readonly maxSeqLength?: number;
  readonly docStride?: number;
  readonly maxQueryLength?: number;
  readonly maxQaLength?: number;
  readonly nBestSize?: number;
  readonly maxAnswerLength?: number;
  readonly nullScoreDiffThreshold?: number;
  readonly offsets: "exact" | "official";
  readonly slice?: string;
  readonly json?: true;
}

/**
 * Adds the flags that decide which data runs through which model, and how.
 *
 * @param model  false where the model is an argument of the command
 * @param many   whether there may be several files
 */
export function addDatasetOptions(command: Command, { model = true, many = false } = {}): Command {
  addReadingOptions(command).addOption(
    new Option("--task <task>", "layout of the data").choices(TASK_NAMES).makeOptionMandatory(),
  );
  if (model)
    command.requiredOption("--model <dir>", "model directory, Hugging Face directory or TensorFlow checkpoint");
  return command
    .requiredOption(
      many ? "--data <path...>" : "--data <path>",
      `file in the task's layout, plain or gzip; for RACE also a folder or tar archive${many ? "; of several, each has a folder of its own below --output, and a run that was interrupted goes on" : ""}`,
    )
    .addOption(new Option("--split <split>", "which columns a GLUE file has").choices(["train", "dev", "test"]))
    .option("--head <name>", "head to ask, where the model has several that could answer")
    .addOption(
      new Option("--device <device>", "where to compute").choices(["cpu", "openvino", "webgpu", "cuda"]).default("cpu"),
    )
    .addOption(
      new Option(
        "--precision <p>",
        "what matrix products are computed in; int8 on the CPU and with OpenVINO, bf16 with OpenVINO, fp16 on WebGPU and CUDA",
      )
        .choices(["fp32", "bf16", "fp16", "int8"])
        .default("fp32"),
    )
    .option("--threads <n>", "threads of the CPU device", wholeNumber(1, 1024))
    .option("--max-seq-length <n>", "longest sequence (default: the model's)", wholeNumber(1, 65_536))
    .option("--doc-stride <n>", "tokens between windows of a document", wholeNumber(1, 65_536))
    .option("--max-query-length <n>", "tokens of a question that are used", wholeNumber(1, 65_536))
    .option("--max-qa-length <n>", "tokens of a question with its choice", wholeNumber(1, 65_536))
    .option("--n-best-size <n>", "candidates of a question", wholeNumber(1, 65_536))
    .option("--max-answer-length <n>", "longest answer in tokens", wholeNumber(1, 65_536))
    .option("--null-score-diff-threshold <x>", "null score from which a question has no answer", numberFlag(SCORE))
    .addOption(
      new Option("--offsets <source>", "where spans lie: the tokenizer's own offsets, or Google's alignment")
        .choices(["exact", "official"])
        .default("exact"),
    );
}

/** A model that is ready to answer. */
export interface OpenModel {
  readonly model: Model;
  readonly engine: Engine;
}

/** Opens the model that the flags name, on the device that they name; whoever opens it closes its engine. */
export async function openModel({ model: path, device, precision, threads }: DatasetFlags): Promise<OpenModel> {
  const model = await openModelDirectory(path);
  const engine = await createEngine(model, { device, precision, ...(threads === undefined ? {} : { threads }) });
  return { model, engine };
}

/** What ran, and its results. */
export interface DatasetRun extends DatasetEvaluation {
  readonly head: Answerer;
  readonly modelDigest: string;
  readonly modelName: string;
  readonly seconds: number;
}

/**
 * Runs a data file through a model in this process, as `withDataset` does.
 *
 * @param onExample  called with each example, in order
 * @param opened     the model of the flags, where it is open already; it stays so
 */
export function runDataset(
  flags: DatasetFlags,
  request: Pick<DatasetRequest, "split" | "purpose">,
  optionsFor: (model: TaskModel) => EvaluationOptions,
  onExample: (example: Example) => void = () => {},
  opened?: OpenModel,
): Promise<DatasetRun> {
  const run = async ({ engine, model, tasks, head, examples, options }: OpenDataset) => {
    const startedAt = performance.now();
    const seen = passedOn(examples, onExample);
    const evaluation = await evaluateDataset(engine, tasks, flags.task, seen, { ...options, ...optionsFor(tasks) });
    const seconds = (performance.now() - startedAt) / 1000;
    return { ...evaluation, head, modelDigest: model.digest, modelName: model.manifest.name, seconds };
  };
  return withDataset(flags, request, run, opened);
}

async function* passedOn<T>(items: AsyncIterable<T>, see: (item: T) => void): AsyncGenerator<T> {
  for await (const item of items) {
    see(item);
    yield item;
  }
}

/** A model and the examples of a data file for it, with what the flags say of how they are run. */
export interface OpenDataset {
  readonly engine: Engine;
  readonly model: Model;
  readonly tasks: TaskModel;
  readonly head: Answerer;
  readonly examples: AsyncIterable<Example>;
  readonly options: EvaluationOptions;
}

/**
 * Opens a model and a data file, and tells how far it is while examples are run. The whole file is read before anything is
 * computed, so that wrong data fails at once.
 *
 * @param alreadyOpen  the model of the flags, where it is open already; it stays so
 */
export async function withDataset<T>(
  flags: DatasetFlags,
  { split, purpose }: Pick<DatasetRequest, "split" | "purpose">,
  use: (opened: OpenDataset) => Promise<T>,
  alreadyOpen?: OpenModel,
): Promise<T> {
  const model = alreadyOpen?.model ?? (await openModelDirectory(flags.model));
  const tasks = taskModel(model);
  const head = answeringHead(tasks, flags.task, flags.head);
  const kept = flags.slice?.split(",").map((name) => name.trim());
  const request = { task: flags.task, path: flags.data, split, purpose, ...readingOf(flags), ...given("kept", kept) };
  const { examples, count: total, warnings } = await datasetExamples(request, head);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  const { device, precision, threads } = flags;
  const engine =
    alreadyOpen?.engine ??
    (await createEngine(model, { device, precision, ...(threads === undefined ? {} : { threads }) }));
  const progress = new WorkProgress(process.stderr, "examples");
  try {
    const options: EvaluationOptions = {
      ...given("head", flags.head),
      ...given("maxSequenceLength", flags.maxSeqLength),
      ...given("docStride", flags.docStride),
      ...given("maxQueryLength", flags.maxQueryLength),
      ...given("maxQaLength", flags.maxQaLength),
      ...given("nBestSize", flags.nBestSize),
      ...given("maxAnswerLength", flags.maxAnswerLength),
      offsets: flags.offsets,
      onProgress: (done) => progress.show(done, total),
    };
    return await use({ engine, model, tasks, head, examples: examples(), options });
  } finally {
    progress.close();
    if (alreadyOpen === undefined) await engine.close();
  }
}

/** Writes files into a directory, which is made if it is not there. */
export async function writeFiles(directory: string, files: readonly OfficialFile[]): Promise<void> {
  await makeDirectory(directory);
  for (const { name, content } of files) await writeFile(join(directory, name), content);
}

/** An object with one key, or none where there is no value. */
export function given<K extends string, V>(name: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [key in K]?: V }); // the key is K by construction
}
