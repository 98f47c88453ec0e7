import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeDistributedPretraining } from "../../src/pretraining/distributed-run.ts";
import { parsePretraining } from "../../src/pretraining/hyperparameters.ts";
import { type PreparedPretraining, preparePretraining, runPretraining } from "../../src/pretraining/pretrain.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
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

/** Names of all runs. */
export const GOLDEN_RUNS: readonly string[] = Object.keys(PRETRAININGS);

/** Prepares a run and writes it to a directory that is made for it. */
export async function writeGoldenRun(name: string, directory: string): Promise<PreparedPretraining> {
  const prepared = await prepareGoldenRun(name, directory, `${directory}.work`);
  await writeDistributedPretraining(directory, prepared);
  return prepared;
}

/**
 * Prepares a run, whose text is or comes to lie in a directory.
 *
 * @param work  directory of its checkpoints
 */
export async function prepareGoldenRun(name: string, directory: string, work: string): Promise<PreparedPretraining> {
  const inputs = `${directory}.inputs`;
  await mkdir(inputs, { recursive: true });
  const file = async (fileName: string, content: string | Uint8Array) => {
    await writeFile(join(inputs, fileName), content);
    return join(inputs, fileName);
  };
  const { settings } = parsePretraining(PRETRAININGS[name]!);
  const prepared = await preparePretraining({
    start: {
      kind: "random",
      architecture: await file("config.json", JSON.stringify({ vocab_size: 33, ...ARCHITECTURE })),
      vocabulary: await file("spm.model", tinyVocabulary()),
    },
    files: [
      await file(
        "text.txt",
        tinyText(60, (document) => 1 + (document % 7)),
      ),
    ],
    settings,
    executor: { kind: "onnx", device: "cpu", threads: 1 },
    work,
    cache: join(directory, "text"),
  });
  await rm(inputs, { recursive: true });
  return prepared;
}

/** Trains a prepared run, and says what came of it. */
export async function trainGoldenRun(prepared: PreparedPretraining): Promise<Expected> {
  const outcome = await runPretraining(prepared, {
    openExecutor,
    resume: false,
    onEvent: () => {},
    clock: () => performance.now(),
    logEvery: STEPS,
  });
  await rm(prepared.spec.work, { recursive: true });
  return { losses: outcome.losses, metrics: outcome.metrics, batches: await batchDigests(prepared.source, STEPS) };
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
