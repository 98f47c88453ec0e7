import { describe, expect, it } from "vitest";
import { openExecutor } from "../../../src/training/executors/open-executor.ts";
import { layerRate } from "../../../src/training/layer-decay.ts";
import type { ClassificationLoss, StepSpec, TrainState } from "../../../src/training/step/training-step.ts";
import { expectClose } from "../../support/closeness.ts";
import { OBJECTIVES, randomBatch, randomNumbers, SIZES, TINY, tinySpec, tinyState } from "../tiny-training.ts";

const objective = OBJECTIVES["classification"]!;
const batch = randomBatch(objective, SIZES, randomNumbers(3));
const labels = [...(batch["label_ids"]!.data as Int32Array)];
const CLASSES = 3;
const KINDS = ["onnx", "tfjs"] as const;

/** One step of stochastic size from the tiny starting weights. */
async function stepOf(kind: (typeof KINDS)[number], changes: Partial<StepSpec>, state?: TrainState) {
  const start = state ?? tinyState(TINY, objective.heads);
  const executor = await openExecutor(tinySpec(objective, changes), start, { kind, device: "cpu", threads: 1 });
  try {
    const { loss } = await executor.step([batch], { learningRate: 1e-3, seed: [0, 0] });
    return { loss, after: await executor.snapshot() };
  } finally {
    await executor.close();
  }
}

/** Starting weights whose logits are the same for every text: log-odds of the head's bias alone. */
function constantLogits(bias: readonly number[]): TrainState {
  const state = tinyState(TINY, objective.heads);
  const parameters = new Map(state.parameters);
  const weights = parameters.get("output_weights")!;
  parameters.set("output_weights", { ...weights, data: new Float32Array(weights.data.length) });
  parameters.set("output_bias", { shape: [CLASSES], data: Float32Array.from(bias) });
  return { ...state, parameters };
}

const BIAS = [0.5, -1, 0.25];
const exponentials = BIAS.map(Math.exp);
const total = exponentials.reduce((sum, value) => sum + value, 0);
const logProbabilities = exponentials.map((value) => Math.log(value / total));
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The loss of an example of this label by its definition, in numbers. */
function expectedLoss(label: number, { labelSmoothing = 0, focalGamma = 0, classWeights }: ClassificationLoss): number {
  const target = logProbabilities.map(
    (_, index) => labelSmoothing / CLASSES + (index === label ? 1 - labelSmoothing : 0),
  );
  const entropy = -logProbabilities.reduce((sum, value, index) => sum + target[index]! * value, 0);
  const focus = (1 - Math.exp(logProbabilities[label]!)) ** focalGamma;
  return entropy * focus * (classWeights?.[label] ?? 1);
}

const LOSSES: readonly [string, ClassificationLoss][] = [
  ["cross-entropy", {}],
  ["label smoothing", { labelSmoothing: 0.3 }],
  ["focal loss", { focalGamma: 2 }],
  ["class weights", { classWeights: [0.5, 4, 1] }],
  ["weights and focus", { focalGamma: 1.5, classWeights: [3, 1, 0.25] }],
];

describe.each(KINDS)("the loss of a classification (%s)", (kind) => {
  it.each(LOSSES)("is, with %s, what its definition gives", async (_, loss) => {
    const result = await stepOf(kind, { loss }, constantLogits(BIAS));
    expect(result.loss).toBeCloseTo(mean(labels.map((label) => expectedLoss(label, loss))), 5);
  });

  it.each(LOSSES)("has, with %s, the slope of that", async (_, loss) => {
    // Without moments before it, one official AdamW step moves the bias by rate * m / sqrt(v), so the moments hold the gradient.
    const { after } = await stepOf(
      kind,
      { loss, optimizer: { kind: "adamw-official", clipNorm: 0 } },
      constantLogits(BIAS),
    );
    const gradient = after.adamM.get("output_bias")!.data.map((m) => m / 0.1);
    const at = (bias: readonly number[]) => {
      const exps = bias.map(Math.exp);
      const sum = exps.reduce((a, b) => a + b, 0);
      const logs = exps.map((value) => Math.log(value / sum));
      const { labelSmoothing = 0, focalGamma = 0, classWeights } = loss;
      return mean(
        labels.map((label) => {
          const entropy = -logs.reduce(
            (acc, value, i) => acc + value * (labelSmoothing / CLASSES + (i === label ? 1 - labelSmoothing : 0)),
            0,
          );
          return entropy * (1 - Math.exp(logs[label]!)) ** focalGamma * (classWeights?.[label] ?? 1);
        }),
      );
    };
    const slopes = BIAS.map((_, i) => {
      const moved = (by: number) => BIAS.map((value, j) => (i === j ? value + by : value));
      return (at(moved(1e-4)) - at(moved(-1e-4))) / 2e-4;
    });
    expectClose(gradient, slopes, { absolute: 2e-5 }, "gradient of the head's bias");
  });
});

describe.each(KINDS)("layer decay (%s)", (kind) => {
  it("moves each group of layers by its share, and the head in full", async () => {
    const optimizer = { kind: "adamw-corrected", weightDecay: 0 } as const;
    const before = tinyState(TINY, objective.heads).parameters;
    const plain = await stepOf(kind, { optimizer });
    const decayed = await stepOf(kind, { optimizer: { ...optimizer, layerDecay: 0.5 } });
    expect(decayed.loss).toBe(plain.loss);
    for (const [name, { data }] of before) {
      const moved = ({ after }: typeof plain) => after.parameters.get(name)!.data.map((value, i) => value - data[i]!);
      const share = layerRate(name, TINY.numHiddenGroups, 0.5);
      expectClose(
        moved(decayed),
        moved(plain).map((value) => value * share),
        { absolute: 2e-7 },
        name,
      );
    }
  });
});

it("layerRate falls from the head to the embeddings by one power a group", () => {
  const rate = (name: string) => layerRate(name, 2, 0.9);
  expect(rate("output_weights")).toBe(1);
  expect(rate("heads/topics/output_bias")).toBe(1);
  expect(rate("bert/pooler/dense/kernel")).toBe(1);
  expect(rate("bert/encoder/transformer/group_1/inner_group_0/attention_1/self/query/kernel")).toBeCloseTo(0.9);
  expect(rate("bert/encoder/transformer/group_0/inner_group_0/LayerNorm/gamma")).toBeCloseTo(0.81);
  expect(rate("bert/encoder/embedding_hidden_mapping_in/kernel")).toBeCloseTo(0.729);
  expect(rate("bert/embeddings/word_embeddings")).toBeCloseTo(0.729);
});
