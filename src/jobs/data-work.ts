import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { openModelDirectory } from "../model/open-model-directory.ts";
import { buildTokenStore } from "../pretraining/token-store-writer.ts";
import { OFFICIAL_VOCABULARY_TRAINING, trainVocabulary } from "../pretraining/vocabulary.ts";
import { createEngine } from "../runtime/create-engine.ts";
import { evaluateDataset } from "../tasks/evaluation/evaluate-dataset.ts";
import { taskModel } from "../tasks/plan.ts";
import { acceptedExamples } from "../training/data/rows.ts";
import { openStart } from "../training/starting-model.ts";
import { checkData } from "../training/task-data.ts";
import type { WorkOutcome } from "./job-work.ts";
import { divideRecipe } from "./own-recipe.ts";
import { required, taskOf, type WorkControl } from "./work-control.ts";
import { WORK_DIRECTORY, type WorkOrder } from "./work-order.ts";

/** Measures a model on a data set, through the serving graph. */
export async function evaluateJob(order: WorkOrder, { hooks, signal }: WorkControl): Promise<WorkOutcome> {
  const task = taskOf(order.spec.task);
  const path = required(order.eval ?? order.train, "eval");
  const start = required(order.start, "init");
  const model = await openModelDirectory(start.kind === "checkpoint" ? start.path : "");
  const { acceptWindowsText = false } = divideRecipe(order.spec, "recipe.").own;
  await checkData({ task, train: path, acceptWindowsText, labelsFrom: "head" }, model.heads);
  hooks.phase("validated");
  const { threads } = order.executor;
  const engine = await createEngine(model, {
    device: "cpu",
    calibrationMs: 0,
    ...(threads === undefined ? {} : { threads }),
  });
  try {
    hooks.phase("prepared");
    hooks.activity("evaluating");
    const examples = acceptedExamples({ task, paths: [path], split: "dev", acceptWindowsText });
    const { metrics } = await evaluateDataset(engine, taskModel(model), task, examples, { signal });
    hooks.event({ kind: "eval_result", step: 0, metrics, best: true, seconds: 0 });
    hooks.phase("trained");
    return { kind: "finished", metrics };
  } finally {
    await engine.close();
  }
}

/** Trains a SentencePiece vocabulary; `vocabulary.model` and `.vocab` lie in the job's work directory. */
export async function trainVocabularyJob(order: WorkOrder, { hooks, signal }: WorkControl): Promise<WorkOutcome> {
  const { vocabSize: size = 30_000, cased = false } = divideRecipe(order.spec, "recipe.").own;
  const work = join(order.directory, WORK_DIRECTORY);
  await mkdir(work, { recursive: true });
  const files = [required(order.train, "train")];
  hooks.phase("validated");
  hooks.phase("prepared");
  hooks.activity("training the vocabulary");
  const { vocabSize, lines } = await trainVocabulary({
    ...OFFICIAL_VOCABULARY_TRAINING,
    files,
    vocabSize: size,
    lowerCase: !cased,
    outputPrefix: join(work, "vocabulary"),
    signal,
  });
  hooks.phase("trained");
  return { kind: "finished", metrics: { vocab_size: vocabSize, lines } };
}

/** Turns text into a token store in the job's work directory. */
export async function makePretrainingData(order: WorkOrder, { hooks }: WorkControl): Promise<WorkOutcome> {
  const files = [required(order.train, "train")];
  const { tokenizer } = await openStart(required(order.start, "init"), order.spec.seed);
  hooks.phase("validated");
  hooks.phase("prepared");
  hooks.activity("tokenizing");
  const store = join(order.directory, WORK_DIRECTORY, "tokens");
  await rm(store, { recursive: true, force: true });
  const { documents, sentences, tokens } = await buildTokenStore(store, {
    files,
    tokenizer,
    officialQuirks: divideRecipe(order.spec, "recipe.").own.officialQuirks === true,
  });
  hooks.phase("trained");
  return { kind: "finished", metrics: { documents, sentences, tokens } };
}
