import { type AlbertConfig, parseAlbertConfig } from "../../src/model/config.ts";
import type { Head } from "../../src/model/heads.ts";
import { initialiseParameters } from "../../src/model/initialise.ts";
import { modelParameters } from "../../src/model/parameters.ts";
import {
  type BatchSizes,
  batchTensors,
  type Objective,
  objectiveOf,
  pretrainingObjective,
} from "../../src/training/objectives.ts";
import type { Batch, StepSpec, TrainState } from "../../src/training/step/training-step.ts";

/** A model that trains in milliseconds: two groups, so that both sharing and separate weights are exercised. */
export const TINY: AlbertConfig = parseAlbertConfig({
  vocab_size: 40,
  embedding_size: 6,
  hidden_size: 8,
  num_attention_heads: 2,
  num_hidden_layers: 3,
  num_hidden_groups: 2,
  intermediate_size: 12,
  max_position_embeddings: 16,
  initializer_range: 0.2,
}).config;

export const WITH_DROPOUT: AlbertConfig = { ...TINY, hiddenDropoutProb: 0.1, attentionProbsDropoutProb: 0.2 };

const labels = ["a", "b", "c"];

/** Every objective, by its kind. */
export const OBJECTIVES: Readonly<Record<string, Objective>> = {
  classification: objectiveOf({ kind: "classification", name: "c", problemType: "single-label", labels }),
  regression: objectiveOf({ kind: "classification", name: "r", problemType: "regression", labels: ["score"] }),
  "multi-label": objectiveOf({ kind: "classification", name: "m", problemType: "multi-label", labels }),
  span: objectiveOf({ kind: "span", name: "s" }),
  "span-answerability": objectiveOf({ kind: "span-answerability", name: "a" }),
  "multiple-choice": objectiveOf({ kind: "multiple-choice", name: "q" }),
  pretraining: pretrainingObjective({ kind: "masked-lm", name: "w" }, { kind: "sentence-order", name: "o" }),
};

/** Vectors of pairs with one negative each. */
export const CONTRASTIVE: Objective = objectiveOf({ kind: "vectors", name: "vectors" });

export const SIZES: BatchSizes = { examples: 4, length: 8, choices: 3, predictions: 2 };

/** A step without dropout that any test can vary. */
export function tinySpec(objective: Objective, changes: Partial<StepSpec> = {}): StepSpec {
  const vectors = { pooling: "mean", kind: "ranking", scale: 5, margin: 1 } as const;
  return {
    ...{ config: TINY, objective, optimizer: { kind: "adamw-official" }, headDropout: 0 },
    ...(objective.kind === "contrastive" ? { contrastive: vectors } : {}),
    ...changes,
  };
}

/** Freshly initialised parameters of the trunk and the objective's heads. */
export function tinyState(config: AlbertConfig, heads: readonly Head[], seed = 1): TrainState {
  const parameters = initialiseParameters(modelParameters(config, heads), seed);
  return { parameters, adamM: new Map(), adamV: new Map(), ema: new Map(), globalStep: 0 };
}

/** A batch of random tokens, labels and masks: rows of different lengths, every example with weight 1. */
export function randomBatch(objective: Objective, sizes: BatchSizes, random: () => number): Batch {
  const { examples, length } = sizes;
  const rows =
    examples * (objective.kind === "multiple-choice" || objective.kind === "contrastive" ? sizes.choices! : 1);
  const whole = (limit: number) => Math.floor(random() * limit);
  const lengths = Array.from({ length: rows }, () => 3 + whole(length - 2));
  const value = (name: string, index: number): number => {
    switch (name) {
      case "input_ids":
        return whole(TINY.vocabSize);
      case "segment_ids":
      case "next_sentence_labels":
      case "label_targets":
      case "is_impossible":
        return whole(2);
      case "input_mask":
        return index % length < lengths[Math.trunc(index / length)]! ? 1 : 0;
      case "label_ids":
        return whole(3);
      case "label_values":
      case "pooled_output":
      case "sequence_output":
        return 2 * random() - 1;
      case "start_positions":
      case "end_positions":
        return whole(3);
      case "masked_lm_positions":
        return index % sizes.predictions!;
      case "masked_lm_ids":
        return whole(TINY.vocabSize);
      case "p_mask":
        return index % length >= lengths[Math.trunc(index / length)]! ? 1 : 0;
      default:
        return 1;
    }
  };
  return Object.fromEntries(
    batchTensors(objective, sizes).map(({ name, shape, dtype }) => {
      const count = shape.reduce((product, dim) => product * dim, 1);
      const values = Array.from({ length: count }, (_, index) => value(name, index));
      return [name, { shape, data: dtype === "int32" ? Int32Array.from(values) : Float32Array.from(values) }];
    }),
  );
}

/** Numbers in [0, 1) that depend on the seed alone. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}
