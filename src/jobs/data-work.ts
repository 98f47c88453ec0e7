import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Model } from "../model/model-directory.ts";
import { openModelDirectory } from "../model/open-model-directory.ts";
import { readVocabulary } from "../model/vocabulary.ts";
import type { InstanceOptions } from "../pretraining/instance.ts";
import { checkInstanceOptions } from "../pretraining/instance-options.ts";
import { type InstanceRecords, writeInstanceRecords, writeOfficialRecords } from "../pretraining/instance-records.ts";
import { instanceOptions } from "../pretraining/pretraining-data.ts";
import type { RecordReport } from "../pretraining/record-writer.ts";
import type { TextReport } from "../pretraining/text-documents.ts";
import { buildTokenStore } from "../pretraining/token-store-writer.ts";
import { OFFICIAL_VOCABULARY_TRAINING, trainVocabulary } from "../pretraining/vocabulary.ts";
import { createEngine } from "../runtime/create-engine.ts";
import type { Engine } from "../runtime/engine.ts";
import { headKindsOf } from "../tasks/datasets/examples.ts";
import { evaluateDataset } from "../tasks/evaluation/evaluate-dataset.ts";
import { selectHead, taskModel } from "../tasks/plan.ts";
import { loadTokenizer } from "../tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { acceptedExamples } from "../training/data/rows.ts";
import { openStart } from "../training/starting-model.ts";
import { checkEvaluationData } from "../training/task-data.ts";
import { type InstanceJobSettings, parseInstanceSettings } from "./instance-settings.ts";
import type { WorkOutcome } from "./job-work.ts";
import { divideRecipe } from "./own-recipe.ts";
import { required, taskOf, type WorkControl } from "./work-control.ts";
import { WORK_DIRECTORY, type WorkOrder } from "./work-order.ts";

/** Measures a model on a data set, through the serving graph. */
export async function evaluateJob(order: WorkOrder, { hooks, signal, beforeStep }: WorkControl): Promise<WorkOutcome> {
  const task = taskOf(order.spec.task);
  const { model, tasks, dataset } = await openEvaluation(order);
  hooks.phase("validated");
  const engine = await evaluationEngine(order, model);
  try {
    hooks.phase("prepared");
    hooks.activity("evaluating");
    const { metrics } = await evaluateDataset(engine, tasks, task, acceptedExamples(dataset), {
      signal,
      onProgress: (count) => void beforeStep(count),
    });
    hooks.event({ kind: "eval_result", step: 0, metrics, best: true, seconds: 0 });
    hooks.phase("trained");
    return { kind: "finished", metrics };
  } finally {
    await engine.close();
  }
}

/** The model and the checked rows of an evaluation. */
export async function openEvaluation(order: WorkOrder) {
  const task = taskOf(order.spec.task);
  const path = required(order.eval ?? order.train, "eval");
  const start = required(order.start, "init");
  const model = await openModelDirectory(start.kind === "checkpoint" ? start.path : "");
  const { acceptWindowsText = false } = divideRecipe(order.spec, "recipe.").own;
  const tasks = taskModel(model);
  const head = selectHead(tasks, headKindsOf(task), undefined);
  return { model, tasks, dataset: await checkEvaluationData({ task, path, acceptWindowsText }, head) };
}

/** The engine of an evaluation: the graph that would serve. */
export function evaluationEngine({ executor: { threads } }: WorkOrder, model: Model): Promise<Engine> {
  return createEngine(model, { device: "cpu", calibrationMs: 0, ...(threads === undefined ? {} : { threads }) });
}

/** Trains a SentencePiece vocabulary; the result is its `.model` file. */
export async function trainVocabularyJob(order: WorkOrder, { hooks, signal }: WorkControl): Promise<WorkOutcome> {
  const { vocabSize = 30_000, cased = false } = divideRecipe(order.spec, "recipe.").own;
  const work = join(order.directory, WORK_DIRECTORY);
  await mkdir(work, { recursive: true });
  const files = [required(order.train, "train")];
  hooks.phase("validated");
  hooks.phase("prepared");
  hooks.activity("training the vocabulary");
  const trained = await trainVocabulary({
    ...OFFICIAL_VOCABULARY_TRAINING,
    files,
    vocabSize,
    lowerCase: !cased,
    outputPrefix: join(work, "vocabulary"),
    signal,
  });
  hooks.phase("trained");
  return {
    kind: "finished",
    metrics: { vocab_size: trained.vocabSize, lines: trained.lines },
    file: { name: "vocabulary.model", path: trained.model },
  };
}

/** Turns text into pretraining instances; the result is a TFRecord file in the official layout. */
export async function makePretrainingData(order: WorkOrder, control: WorkControl): Promise<WorkOutcome> {
  const { hooks } = control;
  const text = required(order.train, "train");
  const recipe = parseInstanceSettings(divideRecipe(order.spec, "recipe.").settings, "recipe.");
  const tokenizer = await tokenizerOf(order);
  const options = recordOptions(recipe, tokenizer);
  hooks.phase("validated");
  hooks.phase("prepared");
  const path = join(order.directory, WORK_DIRECTORY, "instances.tf_record");
  const made = await makeRecords(text, tokenizer, control, {
    options,
    dupeFactor: recipe.dupeFactor,
    seed: order.spec.seed,
    output: [path],
  });
  hooks.phase("trained");
  const { documents, sentences, tokens } = made.text;
  const { instances, predictions } = made.records;
  return {
    kind: "finished",
    metrics: { documents, sentences, tokens, instances, predictions },
    file: { name: "instances.tf_record", path },
  };
}

/** How a tokenizer's text becomes instances. @throws AlbertError invalid-input for settings that contradict each other */
export function recordOptions(recipe: InstanceJobSettings, { vocabSize, special }: Tokenizer): InstanceOptions {
  const options = { ...instanceOptions(recipe), maxSequenceLength: recipe.maxSeqLength, vocabSize, special };
  checkInstanceOptions(options);
  return options;
}

/** Turns one file of text into instances. */
export async function makeRecords(
  file: string,
  tokenizer: Tokenizer,
  { hooks, signal, beforeStep }: WorkControl,
  records: InstanceRecords & { readonly options: InstanceOptions },
): Promise<{ readonly text: TextReport; readonly records: RecordReport }> {
  const stopOrYield = () => {
    void beforeStep(0);
    signal.throwIfAborted();
  };
  hooks.activity("tokenizing");
  if (records.options.officialQuirks) return writeOfficialRecords([file], tokenizer, records);
  const store = `${records.output[0]}.tokens`;
  await rm(store, { recursive: true, force: true });
  try {
    const text = await buildTokenStore(store, {
      files: [file],
      tokenizer,
      officialQuirks: false,
      onProgress: stopOrYield,
    });
    hooks.activity("making instances");
    return { text, records: await writeInstanceRecords(store, { ...records, beforeInstance: stopOrYield }) };
  } finally {
    await rm(store, { recursive: true, force: true });
  }
}

/** The tokenizer that instances are made with: of a vocabulary, or of the model that the job starts from. */
export async function tokenizerOf({ vocabulary, start, spec }: WorkOrder): Promise<Tokenizer> {
  if (vocabulary === undefined) return (await openStart(required(start, "init"), spec.seed)).tokenizer;
  return loadTokenizer(await readVocabulary(vocabulary.path, { lowerCase: vocabulary.lowerCase }));
}
