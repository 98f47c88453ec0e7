import {
  add,
  dispose,
  keep,
  type Scalar,
  scalar,
  type Tensor2D,
  type Tensor as TfTensor,
  tensor,
  tensor2d,
  tidy,
} from "@tensorflow/tfjs-core";
import { invalidInput } from "../../errors.ts";
import { type Dropout, dropoutKey, keyedDropout } from "../../model/forward/dropout.ts";
import type { Tensor } from "../../model/tensor.ts";
import type { LossTerm } from "../objectives.ts";
import { optimizerSettings } from "../optimizer.ts";
import { applyGradients, averageWeights, lossAndGradients, type TrainedParameter } from "../step/step-functions.ts";
import type { Batch, Executor, StepOptions, StepResult, StepSpec, TrainState } from "../step/training-step.ts";
import { batchSignature, lossScales } from "./gradient-accumulation.ts";
import { initialSlots } from "./initial-slots.ts";
import { onBackend } from "./tfjs-backend.ts";
import { trainedParameters } from "./trained-parameters.ts";

/**
 * Trains eagerly on a TensorFlow.js backend: the same functions as the traced graphs, one operation at a time. The check
 * of the tracer, and a way to train where TensorFlow's own bindings are installed.
 */
export class TfjsExecutor implements Executor {
  readonly #spec: StepSpec;
  readonly #backend: string;
  /** Parameters that no gradient reaches: they keep their values. */
  readonly #constants = new Map<string, TfTensor>();
  readonly #trained = new Map<string, TrainedParameter>();
  /** Parameters of a teacher that computes in the step. */
  readonly #teacher = new Map<string, TfTensor>();
  #globalStep: number;

  /** @param backend from `loadTfjsBackend` */
  constructor(spec: StepSpec, state: TrainState, backend: string) {
    this.#spec = spec;
    this.#backend = backend;
    this.#globalStep = state.globalStep;
    const trained = new Set(trainedParameters(spec, state.parameters));
    onBackend(backend, () => {
      for (const [name, parameter] of spec.distillation?.teacher?.parameters ?? []) {
        this.#teacher.set(name, toTfjs(parameter));
      }
      for (const [name, parameter] of state.parameters) {
        if (!trained.has(name)) {
          this.#constants.set(name, toTfjs(parameter));
          continue;
        }
        const slots = initialSlots(spec, state, name);
        this.#trained.set(name, {
          parameter: toTfjs(slots.parameter),
          m: toTfjs(slots.adam_m),
          v: toTfjs(slots.adam_v),
          ...(slots.ema === undefined ? {} : { ema: toTfjs(slots.ema) }),
        });
      }
    });
  }

  async step(microBatches: readonly Batch[], options: StepOptions): Promise<StepResult> {
    if (microBatches.length === 0) {
      throw invalidInput([{ field: "microBatches", description: "a step needs at least one" }]);
    }
    for (const batch of microBatches) batchSignature(this.#spec, batch);
    return onBackend(this.#backend, () => {
      const scales = lossScales(this.#spec.objective, microBatches);
      const sum = new GradientSum();
      for (const [index, batch] of microBatches.entries()) {
        tidy(() => sum.add(this.#microBatch(batch, scales, seededDropout(options.seed, index))));
      }
      const gradNorm = this.#update(sum.gradients, options.learningRate);
      sum.dispose();
      this.#globalStep += 1;
      return { loss: sum.loss, gradNorm, metrics: Object.fromEntries(sum.metrics) };
    });
  }

  async snapshot(): Promise<TrainState> {
    const values = (read: (parameter: TrainedParameter) => TfTensor | undefined): Map<string, Tensor> => {
      const entries = [...this.#trained].map(([name, parameter]) => [name, read(parameter)] as const);
      return new Map(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, fromTfjs(value)]])));
    };
    const constants = [...this.#constants].map(([name, value]): [string, Tensor] => [name, fromTfjs(value)]);
    return onBackend(this.#backend, () => ({
      parameters: new Map([...constants, ...values(({ parameter }) => parameter)]),
      adamM: values(({ m }) => m),
      adamV: values(({ v }) => v),
      ema: values(({ ema }) => ema),
      globalStep: this.#globalStep,
    }));
  }

  async close(): Promise<void> {
    dispose([
      ...this.#constants.values(),
      ...this.#teacher.values(),
      ...[...this.#trained.values()].flatMap(tensorsOf),
    ]);
    this.#constants.clear();
    this.#teacher.clear();
    this.#trained.clear();
  }

  #microBatch(batch: Batch, scales: ReadonlyMap<LossTerm["name"], number>, dropout: Dropout) {
    const trainable = new Map([...this.#trained].map(([name, { parameter }]) => [name, parameter]));
    const inputs = {
      batch: new Map(Object.entries(batch).map(([name, value]) => [name, toTfjs(value)])),
      scales: new Map([...scales].map(([name, scale]) => [name, scalar(scale)])),
      teacher: this.#teacher,
    };
    return lossAndGradients(this.#spec, trainable, this.#constants, inputs, dropout);
  }

  /** Replaces every trained parameter and its slots. @returns the gradient's norm before clipping */
  #update(gradients: ReadonlyMap<string, TfTensor>, learningRate: number): number {
    const { optimizer, emaDecay = 0 } = this.#spec;
    const { beta1, beta2 } = optimizerSettings(optimizer);
    const t = this.#globalStep + 1;
    const [old, fresh] = averageWeights(emaDecay, t - 1);
    return tidy(() => {
      const { gradNorm, state } = applyGradients(this.#spec, this.#trained, gradients, {
        learningRate: scalar(learningRate),
        correction1: scalar(1 / (1 - beta1 ** t)),
        correction2: scalar(1 / (1 - beta2 ** t)),
        average: { old: scalar(old), new: scalar(fresh) },
      });
      for (const [name, after] of state) {
        dispose(tensorsOf(this.#trained.get(name)!));
        for (const value of tensorsOf(after)) keep(value);
        this.#trained.set(name, after);
      }
      return gradNorm.dataSync()[0]!;
    });
  }
}

/** Adds up the micro-batches' shares of loss, gradient and metrics. */
class GradientSum {
  readonly gradients = new Map<string, TfTensor>();
  readonly metrics = new Map<string, number>();
  loss = 0;

  add(share: ReturnType<typeof lossAndGradients>): void {
    this.loss += read(share.loss);
    for (const [name, metric] of Object.entries(share.metrics)) {
      this.metrics.set(name, (this.metrics.get(name) ?? 0) + read(metric));
      metric.dispose();
    }
    for (const [name, gradient] of share.gradients) {
      const sum = this.gradients.get(name);
      this.gradients.set(name, keep(sum === undefined ? gradient : add(sum, gradient)));
      sum?.dispose();
    }
  }

  dispose(): void {
    dispose([...this.gradients.values()]);
  }
}

function seededDropout(seed: readonly [number, number], microBatch: number): Dropout {
  let site = 0;
  const next = (columns: number): Tensor2D => tensor2d(dropoutKey(seed, microBatch, site++, columns), [8, columns]);
  return keyedDropout({ next });
}

function tensorsOf({ parameter, m, v, ema }: TrainedParameter): TfTensor[] {
  return ema === undefined ? [parameter, m, v] : [parameter, m, v, ema];
}

/** A tensor of the current backend; the values are copied, since some backends keep what they are given. */
function toTfjs({ shape, data }: { shape: readonly number[]; data: Float32Array | Int32Array }): TfTensor {
  return tensor(data.slice(), [...shape], data instanceof Int32Array ? "int32" : "float32");
}

function fromTfjs(value: TfTensor): Tensor {
  return { shape: value.shape, data: Float32Array.from(value.dataSync()) };
}

function read(value: Scalar): number {
  return value.dataSync()[0]!;
}
