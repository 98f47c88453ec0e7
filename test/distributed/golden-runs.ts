import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeDistributedPretraining } from "../../src/pretraining/distributed-run.ts";
import { parsePretraining } from "../../src/pretraining/hyperparameters.ts";
import { preparePretraining, runPretraining } from "../../src/pretraining/pretrain.ts";
import { writeDistributedFineTune } from "../../src/training/distributed/fine-tune-run.ts";
import { openTaskEvaluator } from "../../src/training/evaluation/evaluate.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
import { prepareFineTune, runFineTune } from "../../src/training/fine-tune.ts";
import type { TrainingOutcome } from "../../src/training/loop.ts";
import { parseFineTuning } from "../../src/training/settings/fine-tuning.ts";
import type { Task } from "../../src/training/settings/recipes.ts";
import type { StepSource } from "../../src/training/step/step-data.ts";
import type { Batch } from "../../src/training/step/training-step.ts";
import { tinyText, tinyVocabulary } from "../support/english.ts";

// Small runs that both trainers take: what `distributed/tests/goldens` holds, and how it is made.

/** What this trainer makes of a run; the other one is held to it. */
export interface Expected {
  /** Loss of every step. */
  readonly losses: readonly number[];
  /** Of the last evaluation; empty where nothing is held out. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Of every step a digest of each micro-batch. */
  readonly batches: readonly (readonly string[])[];
}

const STEPS = 50;

const ARCHITECTURE = {
  ...{ embedding_size: 8, hidden_size: 16, num_attention_heads: 2, intermediate_size: 32, max_position_embeddings: 64 },
  ...{ num_hidden_layers: 3, num_hidden_groups: 2, initializer_range: 0.1 },
};

const SHARED = {
  ...{
    num_train_steps: `${STEPS}`,
    num_warmup_steps: "5",
    save_checkpoints_steps: "10",
    eval_instances: "40",
    max_seq_length: "32",
  },
  ...{
    train_batch_size: "20",
    token_budget: "256",
    max_predictions_per_seq: "6",
    held_out: "0.2",
    learning_rate: "0.01",
  },
};

/** The settings of each pretraining run that is kept. */
const PRETRAININGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  lamb: SHARED,
  "packed-dropout": {
    ...SHARED,
    ...{ optimizer: "adamw-corrected", schedule: "cosine", dropout: "0.1", pack_segments: "4", curriculum: "16:0.4" },
    ...{ do_permutation: "true", max_seq_length: "48", learning_rate: "0.003" },
  },
  "next-sentence": {
    ...SHARED,
    ...{
      optimizer: "adamw-official",
      schedule: "rebased",
      poly_power: "2",
      held_out: "0",
      random_next_sentence: "true",
    },
    ...{ single_sentence: "split", do_whole_word_mask: "false", favor_shorter_ngram: "false", official_quirks: "true" },
    ...{ short_seq_prob: "0.5", train_batch_size: "7", learning_rate: "0.003" },
  },
};

/** The task, the settings and the training data of each fine-tune that is kept. */
const FINE_TUNES: Readonly<Record<string, { task: Task; settings: Readonly<Record<string, string>>; data: string }>> = {
  classification: {
    task: "classification",
    settings: {
      ...{
        train_step: `${STEPS}`,
        warmup_step: "5",
        train_batch_size: "12",
        learning_rate: "0.003",
        token_budget: "192",
      },
      ...{ dropout: "0.1", head_dropout: "0.2", label_smoothing: "0.1", class_weights: "balanced" },
      ...{ layer_decay: "0.8", save_checkpoints_steps: "20", optimizer: "adamw-corrected" },
    },
    data: catRows(90),
  },
  focal: {
    task: "classification",
    settings: {
      ...{ train_step: `${STEPS}`, warmup_step: "0", train_batch_size: "12", learning_rate: "0.003", focal_gamma: "2" },
      ...{ save_checkpoints_steps: "20", schedule: "constant", clip_norm: "0" },
    },
    data: catRows(40),
  },
  answerability: {
    task: "squad-v2",
    settings: {
      ...{
        train_step: `${STEPS}`,
        warmup_step: "5",
        train_batch_size: "8",
        learning_rate: "0.003",
        token_budget: "128",
      },
      ...{
        max_seq_length: "32",
        doc_stride: "8",
        max_query_length: "8",
        save_checkpoints_steps: "20",
        grouping: "none",
      },
      ...{ freeze: "word_embeddings" },
    },
    data: questions(40, true),
  },
  span: {
    task: "squad-v1",
    settings: {
      ...{ train_step: `${STEPS}`, warmup_step: "5", train_batch_size: "8", learning_rate: "0.003", optimizer: "lamb" },
      ...{ max_seq_length: "32", doc_stride: "8", max_query_length: "8", save_checkpoints_steps: "20" },
    },
    data: questions(40, false),
  },
};

/** Names of all runs. */
export const GOLDEN_RUNS: readonly string[] = [...Object.keys(PRETRAININGS), ...Object.keys(FINE_TUNES)];

/** A prepared run of either kind. */
export interface GoldenRun {
  readonly source: StepSource;
  /** Writes it for the other trainer. */
  write(directory: string): Promise<void>;
  /** Trains it from the newest checkpoint of its work, if there is one. */
  train(): Promise<TrainingOutcome>;
  close(): Promise<void>;
}

/**
 * Prepares a run, whose text or features are or come to lie in a directory.
 *
 * @param work  directory of its checkpoints
 */
export async function prepareGoldenRun(name: string, directory: string, work: string): Promise<GoldenRun> {
  const inputs = `${directory}.inputs`;
  await mkdir(inputs, { recursive: true });
  const file = async (fileName: string, content: string | Uint8Array) => {
    await writeFile(join(inputs, fileName), content);
    return join(inputs, fileName);
  };
  const shared = {
    start: {
      kind: "random",
      architecture: await file("config.json", JSON.stringify({ vocab_size: 33, ...ARCHITECTURE })),
      vocabulary: await file("spm.model", tinyVocabulary()),
    },
    executor: { kind: "onnx", device: "cpu", threads: 1 },
    work,
  } as const;
  const run = { openExecutor, resume: true, onEvent: () => {}, clock: () => performance.now(), logEvery: STEPS };
  const fineTune = FINE_TUNES[name];
  if (fineTune !== undefined) {
    const { task, settings, data } = fineTune;
    const train = await file(task === "classification" ? "train.jsonl" : "train.json", data);
    const prepared = await prepareFineTune({
      ...{ ...shared, version: "v2", given: parseFineTuning(settings).settings, cache: join(directory, "features") },
      data: { task, train, holdOut: { share: 0, seed: 1 } },
    });
    await rm(inputs, { recursive: true });
    return {
      source: prepared.source,
      write: (to) => writeDistributedFineTune(to, prepared),
      train: () => runFineTune(prepared, { ...run, openEvaluator: openTaskEvaluator }),
      close: () => prepared.close(),
    };
  }
  const prepared = await preparePretraining({
    ...shared,
    files: [
      await file(
        "text.txt",
        tinyText(60, (document) => 1 + (document % 7)),
      ),
    ],
    settings: parsePretraining(PRETRAININGS[name]!).settings,
    cache: join(directory, "text"),
  });
  await rm(inputs, { recursive: true });
  return {
    source: prepared.source,
    write: (to) => writeDistributedPretraining(to, prepared),
    train: () => runPretraining(prepared, run),
    close: async () => {},
  };
}

/** Trains a prepared run, and says what came of it. */
export async function trainGoldenRun(run: GoldenRun): Promise<Expected> {
  const { losses, metrics } = await run.train();
  return { losses, metrics, batches: await batchDigests(run.source, STEPS) };
}

/** JSON lines that say whether a text speaks of a cat. */
function catRows(count: number): string {
  const texts = tinyText(1, () => count)
    .trim()
    .split("\n");
  return texts.map((text) => `${JSON.stringify({ text, label: text.includes("cat") ? "cat" : "none" })}\n`).join("");
}

/** Questions in SQuAD's layout, each about a text of its own; every third has no answer, where that may be. */
function questions(count: number, answerable: boolean): string {
  const texts = tinyText(count, () => 4)
    .trim()
    .split("\n\n");
  const paragraphs = texts.map((text, i) => {
    const context = text.replaceAll("\n", " ");
    const words = [...context.matchAll(/\w+/g)];
    const { 0: answer, index } = words[(i * 7) % words.length]!;
    const impossible = answerable && i % 3 === 0;
    const qa = {
      ...{ id: `q${i}`, question: `${words[(i * 5) % words.length]![0]} the` },
      answers: impossible ? [] : [{ text: answer, answer_start: index }],
      ...(answerable ? { is_impossible: impossible } : {}),
    };
    return { context, qas: [qa] };
  });
  return JSON.stringify({ version: answerable ? "v2.0" : "1.1", data: [{ title: "t", paragraphs }] });
}

/** A digest of each micro-batch of the first steps. */
export async function batchDigests(source: StepSource, steps: number): Promise<string[][]> {
  const digests: string[][] = [];
  for (let step = 0; step < steps; step++) {
    const { microBatches } = await source.step(step, 0);
    digests.push(microBatches.map(digestOf));
  }
  return digests;
}

/** Over names, shapes and bytes of all tensors in the order of their names. */
function digestOf(batch: Batch): string {
  const hash = createHash("sha256");
  for (const name of Object.keys(batch).sort()) {
    const { shape, data } = batch[name]!;
    hash.update(`${name} ${shape.join(",")} `).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex").slice(0, 16);
}
