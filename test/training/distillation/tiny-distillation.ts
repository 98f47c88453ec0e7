import { type Scalar, scalar, type Tensor as TfTensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { type AlbertConfig, parseAlbertConfig } from "../../../src/model/config.ts";
import { NO_DROPOUT } from "../../../src/model/forward/dropout.ts";
import { initialiseParameters } from "../../../src/model/initialise.ts";
import { modelParameters } from "../../../src/model/parameters.ts";
import type { Tensor } from "../../../src/model/tensor.ts";
import {
  type Distillation,
  projectionParameters,
  uniformLayers,
} from "../../../src/training/distillation/distillation.ts";
import { lossScales } from "../../../src/training/executors/gradient-accumulation.ts";
import type { Objective } from "../../../src/training/objectives.ts";
import { lossAndGradients } from "../../../src/training/step/step-functions.ts";
import type { Batch, StepSpec } from "../../../src/training/step/training-step.ts";
import { OBJECTIVES, randomBatch, randomNumbers, SIZES, TINY, tinySpec, tinyState } from "../tiny-training.ts";

// A student and a teacher that compute in milliseconds.

export type Parameters = ReadonlyMap<string, Tensor>;

/** Wider and deeper than the student, with as many relation heads as divide both. */
export const TEACHER: AlbertConfig = parseAlbertConfig({
  vocab_size: TINY.vocabSize,
  embedding_size: 6,
  hidden_size: 12,
  num_attention_heads: 2,
  num_hidden_layers: 4,
  num_hidden_groups: 4,
  intermediate_size: 16,
  max_position_embeddings: 16,
  initializer_range: 0.3,
}).config;

export const WEIGHTS = { hard: 0, soft: 0, hidden: 0, relations: 0 };
export const TERMS = {
  "labels and answers": { hard: 0.5, soft: 1.5, hidden: 0, relations: 0 },
  "hidden states": { ...WEIGHTS, hidden: 2 },
  relations: { ...WEIGHTS, relations: 3 },
  everything: { hard: 0.5, soft: 1, hidden: 0.7, relations: 1.3 },
} as const;

export interface Case {
  readonly spec: StepSpec;
  readonly parameters: Parameters;
  readonly teacher: Parameters;
  readonly batch: Batch;
}

export function caseOf(kind: string, weights: Distillation["weights"], taught: Objective["taught"] = "computed"): Case {
  const objective: Objective = { ...OBJECTIVES[kind]!, ...(taught === undefined ? {} : { taught }) };
  const head = objective.heads[0]!;
  const teacher = initialiseParameters(modelParameters(TEACHER, [head]), 9);
  const distillation: Distillation = {
    weights,
    temperature: 1.7,
    ...(taught === "computed" ? { teacher: { config: TEACHER, head, parameters: teacher } } : {}),
    layers: uniformLayers(TINY, TEACHER),
    relationLayer: 3,
    relationHeads: 4,
  };
  const parameters = new Map(tinyState(TINY, objective.heads, 3).parameters);
  for (const [name, value] of initialiseParameters(projectionParameters(TINY, distillation), 5))
    parameters.set(name, value);
  return {
    spec: tinySpec(objective, { distillation }),
    parameters,
    teacher,
    batch: randomBatch(objective, SIZES, randomNumbers(kind.length)),
  };
}

function toTfjs({ shape, data }: { shape: readonly number[]; data: Float32Array | Int32Array }): TfTensor {
  return tensor(data, [...shape], data instanceof Int32Array ? "int32" : "float32");
}

export const toVariables = (values: Parameters) => new Map([...values].map(([name, value]) => [name, toTfjs(value)]));

export function lossInputs({ spec, batch, teacher }: Case) {
  return {
    batch: new Map(Object.entries(batch).map(([name, value]) => [name, toTfjs(value)])),
    scales: new Map(
      [...lossScales(spec.objective, [batch])].map(([name, scale]): [typeof name, Scalar] => [name, scalar(scale)]),
    ),
    teacher: toVariables(teacher),
  };
}

export function eager(one: Case) {
  const gradients = new Map<string, Float32Array>();
  let loss = 0;
  const metrics: Record<string, number> = {};
  tidy(() => {
    const result = lossAndGradients(one.spec, toVariables(one.parameters), new Map(), lossInputs(one), NO_DROPOUT);
    loss = result.loss.dataSync()[0]!;
    for (const [name, gradient] of result.gradients) gradients.set(name, Float32Array.from(gradient.dataSync()));
    for (const [name, metric] of Object.entries(result.metrics)) {
      metrics[name] = metric.dataSync()[0]!;
      metric.dispose();
    }
  });
  return { loss, gradients, metrics };
}
