import { RandomStream } from "../../src/model/random.ts";
import type { Tensor } from "../../src/model/tensor.ts";
import type { Objective } from "../../src/training/objectives.ts";
import { collate, type TrainingRecord } from "../../src/training/step/collate.ts";
import { DataOrder } from "../../src/training/step/data-order.ts";
import type { StepData, StepSource } from "../../src/training/step/step-data.ts";
import type { Batch, Executor, TrainState } from "../../src/training/step/training-step.ts";

/**
 * A stand-in for the real executors: logistic regression over bags of token ids, with momentum and seeded dropout, small
 * enough that a run takes milliseconds and exact enough that two equal runs end in equal bytes.
 */
const VOCABULARY = 32;

const objective: Objective = {
  kind: "classification",
  heads: [{ name: "label", kind: "classification", problemType: "single-label", labels: ["even", "odd"] }],
};

export function freshState(): TrainState {
  return {
    parameters: new Map<string, Tensor>([["weights", { shape: [VOCABULARY], data: new Float32Array(VOCABULARY) }]]),
    adamM: new Map<string, Tensor>([["weights", { shape: [VOCABULARY], data: new Float32Array(VOCABULARY) }]]),
    adamV: new Map(),
    ema: new Map(),
    globalStep: 0,
  };
}

/** Examples whose label is the parity of their most frequent token: learnable, of many lengths. */
export function exampleRecords(count: number): TrainingRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const random = new RandomStream([index, 99]);
    const marker = 2 + random.below(VOCABULARY - 2);
    const ids = Int32Array.from({ length: 3 + random.below(20) }, (_, at) =>
      at % 2 === 0 ? marker : 2 + random.below(VOCABULARY - 2),
    );
    return {
      input_ids: ids,
      segment_ids: new Int32Array(ids.length),
      label_ids: Int32Array.of(marker % 2),
    };
  });
}

export function recordSource(records: readonly TrainingRecord[], seed: number, batchSize: number): StepSource {
  const orderOf = (attempt: number) =>
    new DataOrder({
      seed: seed + attempt,
      lengths: records.map((record) => record["input_ids"]!.length),
      batchSize,
      tokenBudget: 256,
      maxSequenceLength: 32,
    });
  const orders = new Map<number, DataOrder>();
  const order = (attempt: number) => {
    if (!orders.has(attempt)) orders.set(attempt, orderOf(attempt));
    return orders.get(attempt)!;
  };
  return {
    stepsPerEpoch: order(0).stepsPerEpoch,
    async step(step, attempt): Promise<StepData> {
      const plans = order(attempt).microBatches(step);
      const examples = plans.flatMap((plan) => plan.examples);
      return {
        microBatches: plans.map((plan) =>
          collate(
            objective,
            plan.examples.map((example) => records[example]!),
            plan.bucket,
          ),
        ),
        examples: examples.length,
        tokens: examples.reduce((sum, example) => sum + records[example]!["input_ids"]!.length, 0),
        computedTokens: plans.reduce((sum, { bucket }) => sum + bucket.rows * bucket.sequenceLength, 0),
      };
    },
  };
}

export interface LogisticOptions {
  /** At this step, where the rate is above the given one: loss and gradient become NaN, or what `how` says. */
  readonly explodeAt?: {
    readonly step: number;
    readonly aboveRate: number;
    /** The gradient alone is infinite, or the update writes one weight that is not finite and reports nothing. */
    readonly how?: "gradient" | "weights";
  };
  /** Predicts label 0 throughout with a loss of ln 2. */
  readonly collapsed?: (learningRate: number) => boolean;
}

export function openLogisticRegression(state: TrainState, options: LogisticOptions = {}): Executor {
  const weights = Float32Array.from(state.parameters.get("weights")!.data);
  const momentum = Float32Array.from(state.adamM.get("weights")!.data);
  let globalStep = state.globalStep;
  return {
    async step(microBatches, { learningRate, seed }) {
      const gradient = new Float64Array(VOCABULARY);
      const dropout = new RandomStream(seed);
      const keep = Float32Array.from(weights, () => (dropout.below(10) === 0 ? 0 : 1 / 0.9));
      let loss = 0;
      let weight = 0;
      const predicted = [0, 0];
      for (const example of microBatches.flatMap(examplesOf)) {
        const logit = example.ids.reduce((sum, id) => sum + weights[id]! * keep[id]!, 0);
        const probability = 1 / (1 + Math.exp(-logit));
        loss -= Math.log(example.label === 1 ? probability : 1 - probability);
        weight++;
        predicted[logit > 0 ? 1 : 0]!++;
        for (const id of example.ids) gradient[id]! += (probability - example.label) * keep[id]!;
      }
      for (let id = 0; id < VOCABULARY; id++) {
        momentum[id] = momentum[id]! * 0.9 + gradient[id]! / weight;
        weights[id] = weights[id]! - learningRate * momentum[id]!;
      }
      const explodes = options.explodeAt?.step === globalStep && learningRate > options.explodeAt.aboveRate;
      globalStep++;
      if (explodes && options.explodeAt?.how === "weights") weights[3] = Number.POSITIVE_INFINITY;
      else if (explodes && options.explodeAt?.how === "gradient") {
        return { loss: loss / weight, gradNorm: Number.POSITIVE_INFINITY, metrics: { weight } };
      } else if (explodes) return { loss: Number.NaN, gradNorm: Number.NaN, metrics: { weight } };
      if (options.collapsed?.(learningRate)) {
        return { loss: Math.LN2, gradNorm: 1, metrics: { weight, predicted_0: weight, predicted_1: 0 } };
      }
      return {
        loss: loss / weight,
        gradNorm: Math.hypot(...gradient),
        metrics: { weight, predicted_0: predicted[0]!, predicted_1: predicted[1]! },
      };
    },
    async snapshot() {
      const tensor = (data: Float32Array) => new Map([["weights", { shape: [VOCABULARY], data: data.slice() }]]);
      return { parameters: tensor(weights), adamM: tensor(momentum), adamV: new Map(), ema: new Map(), globalStep };
    },
    async close() {},
  };
}

function examplesOf(batch: Batch): { ids: Int32Array; label: number }[] {
  const { input_ids: ids, input_mask: mask, example_weights: weights, label_ids: labels } = batch;
  const [rows, length] = ids!.shape as [number, number];
  return Array.from({ length: rows }, (_, row) => ({
    ids: (ids!.data as Int32Array)
      .slice(row * length, (row + 1) * length)
      .filter((_, at) => mask!.data[row * length + at] === 1),
    label: labels!.data[row]!,
    weight: weights!.data[row]!,
  })).filter(({ weight }) => weight === 1);
}

/** Share of examples that the weights label rightly. */
export function accuracy(weights: Float32Array, records: readonly TrainingRecord[]): number {
  const right = records.filter((record) => {
    const logit = Array.from(record["input_ids"]!).reduce((sum, id) => sum + weights[id]!, 0);
    return (logit > 0 ? 1 : 0) === record["label_ids"]![0];
  });
  return right.length / records.length;
}
