import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import "@tensorflow/tfjs-backend-cpu";
import {
  type Scalar,
  scalar,
  setBackend,
  type Tensor as TfTensor,
  tensor,
  tensor2d,
  tidy,
} from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { toGraph } from "../../../src/graph/trace/trace.ts";
import type { AlbertConfig } from "../../../src/model/config.ts";
import { type Dropout, dropoutKey, keyedDropout } from "../../../src/model/forward/dropout.ts";
import type { Tensor } from "../../../src/model/tensor.ts";
import { floatValues, hostTensor, TrainingSession } from "../../../src/runtime/session/training-session.ts";
import { batchSignature, lossScales } from "../../../src/training/executors/gradient-accumulation.ts";
import { objectiveLoss } from "../../../src/training/objective-loss.ts";
import type { Objective } from "../../../src/training/objectives.ts";
import { lossAndGradients } from "../../../src/training/step/step-functions.ts";
import { traceAccumulation } from "../../../src/training/step/step-graph.ts";
import type { Batch, StepSpec } from "../../../src/training/step/training-step.ts";
import { expectClose } from "../../support/closeness.ts";
import {
  CONTRASTIVE,
  OBJECTIVES,
  randomBatch,
  randomNumbers,
  SIZES,
  TINY,
  tinySpec,
  tinyState,
  WITH_DROPOUT,
} from "../tiny-training.ts";

// Seconds on an idle machine; the limit only has to survive a busy one.
vi.setConfig({ testTimeout: 120_000 });

type Parameters = ReadonlyMap<string, Tensor>;

interface Gradients {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

const SEED = [7, 11] as const;

const CONFIGS: Readonly<Record<string, AlbertConfig>> = {
  plain: TINY,
  dropout: WITH_DROPOUT,
  "gelu_erf, inner groups": { ...TINY, hiddenAct: "gelu_erf", innerGroupNum: 2, numHiddenLayers: 2 },
  "tanh, E == H": { ...TINY, hiddenAct: "tanh", embeddingSize: 8, embeddingProjection: false },
};

function seededDropout(): Dropout {
  let site = 0;
  return keyedDropout({ next: (columns) => tensor2d(dropoutKey(SEED, 0, site++, columns), [8, columns]) });
}

function toTfjs({ shape, data }: { shape: readonly number[]; data: Float32Array | Int32Array }): TfTensor {
  return tensor(data, [...shape], data instanceof Int32Array ? "int32" : "float32");
}

function lossInputs(spec: StepSpec, batch: Batch) {
  return {
    batch: new Map(Object.entries(batch).map(([name, value]) => [name, toTfjs(value)])),
    scales: new Map(
      [...lossScales(spec.objective, [batch])].map(([name, scale]): [typeof name, Scalar] => [name, scalar(scale)]),
    ),
  };
}

function eager(spec: StepSpec, parameters: Parameters, batch: Batch): Gradients {
  const gradients = new Map<string, Float32Array>();
  let loss = 0;
  tidy(() => {
    const trainable = new Map([...parameters].map(([name, value]) => [name, toTfjs(value)]));
    const result = lossAndGradients(spec, trainable, new Map(), lossInputs(spec, batch), seededDropout());
    loss = result.loss.dataSync()[0]!;
    for (const [name, gradient] of result.gradients) gradients.set(name, Float32Array.from(gradient.dataSync()));
    for (const metric of Object.values(result.metrics)) metric.dispose();
  });
  return { loss, gradients };
}

async function onRuntime(spec: StepSpec, parameters: Parameters, batch: Batch): Promise<Gradients> {
  const traced = traceAccumulation({ spec, device: "cpu", parameters }, batchSignature(spec, batch));
  const session = await TrainingSession.open(encodeModel(toGraph("test", traced.graph)).bytes, {
    device: "cpu",
    threads: 2,
  });
  const scales = lossScales(spec.objective, [batch]);
  const value = (name: string, shape: readonly number[]) => {
    const [kind, ...rest] = name.split("/");
    const key = rest.join("/");
    switch (kind) {
      case "parameter":
        return parameters.get(key)!.data;
      case "batch":
        return batch[key]!.data;
      case "scale":
        return Float32Array.of([...scales].find(([term]) => term === key)![1]);
      case "dropout":
        return dropoutKey(SEED, 0, Number(key), shape[1]!);
      default:
        return new Float32Array(shape.reduce((product, dim) => product * dim, 1));
    }
  };
  try {
    const feeds = traced.graph.inputs.map(({ name, shape }) => [name, hostTensor(value(name, shape), shape)] as const);
    const outputs = traced.graph.outputs.map(({ name }) => [name, null] as const);
    const results = await session.run(Object.fromEntries(feeds), Object.fromEntries(outputs));
    const gradients = traced.trained.map((name): [string, Float32Array] => [
      name,
      floatValues(results[`next/gradient/${name}`]!).slice(),
    ]);
    return { loss: floatValues(results["loss"]!)[0]!, gradients: new Map(gradients) };
  } finally {
    await session.close();
  }
}

/** The loss with every parameter moved along a direction. */
function lossAt(spec: StepSpec, parameters: Parameters, batch: Batch, direction: Parameters, distance: number): number {
  let loss = 0;
  tidy(() => {
    const moved = new Map(
      [...parameters].map(([name, { shape, data }]) => {
        const along = direction.get(name)!.data;
        return [name, toTfjs({ shape, data: data.map((value, index) => value + distance * along[index]!) })];
      }),
    );
    const result = objectiveLoss(spec, moved, lossInputs(spec, batch), seededDropout());
    loss = result.loss.dataSync()[0]!;
  });
  return loss;
}

const CASES: Readonly<Record<string, readonly [Objective, Partial<StepSpec>]>> = {
  ...Object.fromEntries(Object.entries(OBJECTIVES).map(([kind, objective]) => [kind, [objective, {}]])),
  contrastive: [CONTRASTIVE, {}],
  "contrastive triplets of first tokens": [
    CONTRASTIVE,
    // Every wrong text is within this margin: none is near the edge where the loss has no slope.
    { contrastive: { pooling: "cls", kind: "triplet", scale: 20, margin: 2 } },
  ],
};

describe.each(Object.keys(CASES))("the gradient of %s", (kind) => {
  const [objective, changes] = CASES[kind]!;

  beforeAll(async () => {
    await setBackend("cpu");
  });

  it.each(Object.keys(CONFIGS))(
    "is the same traced and eager, and that of finite differences (%s)",
    async (variant) => {
      const config = CONFIGS[variant]!;
      const spec = tinySpec(objective, { config, headDropout: variant === "dropout" ? 0.3 : 0, ...changes });
      const { parameters } = tinyState(config, objective.heads, 3);
      const random = randomNumbers(variant.length + kind.length);
      const batch = randomBatch(objective, SIZES, random);
      const first = eager(spec, parameters, batch);
      const second = await onRuntime(spec, parameters, batch);

      expect(Math.abs(second.loss - first.loss)).toBeLessThan(2e-6 * Math.max(1, first.loss));
      expect([...second.gradients.keys()]).toEqual([...first.gradients.keys()]);
      const largest = Math.max(...[...first.gradients.values()].map((values) => Math.max(...values.map(Math.abs))));
      for (const [name, values] of first.gradients) {
        expectClose(second.gradients.get(name)!, values, { absolute: 1e-5 * largest, relative: 1e-4 }, name);
      }

      const direction = new Map(
        [...parameters].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => random() - 0.5) }]),
      );
      let along = 0;
      for (const [name, gradient] of first.gradients) {
        gradient.forEach((value, index) => {
          along += value * direction.get(name)!.data[index]!;
        });
      }
      const h = 2e-3;
      const difference = (distance: number) =>
        lossAt(spec, parameters, batch, direction, distance) - lossAt(spec, parameters, batch, direction, -distance);
      // Richardson's extrapolation cancels the cubic term, so that the step can be wide against float32's rounding.
      const measured = (8 * difference(h) - difference(2 * h)) / (12 * h);
      expect(Math.abs(measured - along)).toBeLessThan(4e-3 * Math.max(0.5, Math.abs(along)));
    },
  );
});
