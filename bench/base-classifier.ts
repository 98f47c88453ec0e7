import { type AlbertConfig, parseAlbertConfig } from "../src/model/config.ts";
import type { Head } from "../src/model/heads.ts";
import { initialiseParameters } from "../src/model/initialise.ts";
import { modelParameters } from "../src/model/parameters.ts";
import { availableThreads } from "../src/runtime/cpu-quota.ts";
import { openExecutor } from "../src/training/executors/open-executor.ts";
import { objectiveOf } from "../src/training/objectives.ts";
import type { Executor, ExecutorOptions } from "../src/training/step/training-step.ts";

/** ALBERT-base. */
export const BASE: AlbertConfig = parseAlbertConfig({
  vocab_size: 30_000,
  embedding_size: 128,
  hidden_size: 768,
  num_attention_heads: 12,
  num_hidden_layers: 12,
  intermediate_size: 3072,
}).config;

/** As small as a model that proves no more than that it runs. */
export const TINY: AlbertConfig = parseAlbertConfig({
  vocab_size: 1000,
  embedding_size: 16,
  hidden_size: 32,
  num_attention_heads: 2,
  num_hidden_layers: 1,
  intermediate_size: 64,
}).config;

const HEAD: Head = { kind: "classification", name: "label", problemType: "single-label", labels: ["no", "yes"] };

/** Two labels, one sequence an example. */
export const CLASSIFICATION = objectiveOf(HEAD);

/** Trains a classifier, ALBERT-base unless said otherwise, from random weights: AdamW, no dropout, every thread there is. */
export function openClassifier(
  device: ExecutorOptions["device"],
  config: AlbertConfig = BASE,
  precision: ExecutorOptions["precision"] = "fp32",
): Promise<Executor> {
  const parameters = initialiseParameters(modelParameters(config, [HEAD]), 1);
  const state = { parameters, adamM: new Map(), adamV: new Map(), ema: new Map(), globalStep: 0 };
  const spec = {
    config,
    objective: CLASSIFICATION,
    optimizer: { kind: "adamw-official" },
    headDropout: 0,
  } as const;
  return openExecutor(spec, state, { kind: "onnx", device, precision, threads: availableThreads() });
}
