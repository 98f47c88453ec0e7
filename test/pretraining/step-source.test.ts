import { describe, expect, it } from "vitest";
import { parseAlbertConfig } from "../../src/model/config.ts";
import type { Head } from "../../src/model/heads.ts";
import { initialiseParameters } from "../../src/model/initialise.ts";
import { modelParameters } from "../../src/model/parameters.ts";
import { deriveSeed, RandomStream } from "../../src/model/random.ts";
import type { PretrainingInstance } from "../../src/pretraining/instances/instance.ts";
import { packedPredictions } from "../../src/pretraining/instances/packed-batch.ts";
import { type Instances, type PretrainingStage, PretrainingStepSource } from "../../src/pretraining/step-source.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
import { pretrainingObjective } from "../../src/training/objectives.ts";
import type { StepSpec, TrainState } from "../../src/training/step/training-step.ts";

const V = 50;
const { config } = parseAlbertConfig({
  vocab_size: V,
  embedding_size: 6,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 16,
  max_position_embeddings: 64,
});
const maskedLm: Head = { name: "masked-lm", kind: "masked-lm" };
const sentenceOrder: Head = { name: "sentence-order", kind: "sentence-order" };
const objective = pretrainingObjective(maskedLm, sentenceOrder);

/** Instances of random lengths; position and epoch decide everything. */
class RandomInstances implements Instances {
  readonly length = 40;

  instance(epoch: number, position: number): PretrainingInstance {
    const random = new RandomStream(deriveSeed("test instance", epoch, position));
    const tokens = 6 + random.below(20);
    const split = 2 + random.below(tokens - 4);
    const positions = [1 + random.below(tokens - 2), 0]
      .filter((p, i, all) => all.indexOf(p) === i)
      .sort((a, b) => a - b);
    return {
      inputIds: Int32Array.from({ length: tokens }, () => 5 + random.below(V - 5)),
      segmentIds: Int32Array.from({ length: tokens }, (_, i) => (i < split ? 0 : 1)),
      tokenBoundary: new Uint8Array(tokens).fill(1),
      maskedPositions: Int32Array.from(positions),
      maskedIds: Int32Array.from(positions, () => 5 + random.below(V - 5)),
      label: random.below(2) as 0 | 1,
    };
  }
}

function stage(change: Partial<PretrainingStage>): PretrainingStage {
  return {
    fromStep: 0,
    sequenceLength: 32,
    instances: () => new RandomInstances(),
    rows: 5,
    predictions: 4,
    ...change,
  };
}

const spec: StepSpec = { config, objective, optimizer: { kind: "adamw-official" }, headDropout: 0 };

function initial(): TrainState {
  const parameters = initialiseParameters(modelParameters(config, [maskedLm, sentenceOrder]), 3);
  return { parameters, adamM: new Map(), adamV: new Map(), ema: new Map(), globalStep: 0 };
}

async function twoSteps(source: PretrainingStepSource) {
  const executor = await openExecutor(spec, initial(), { kind: "onnx", device: "cpu", threads: 1 });
  try {
    const results = [];
    for (const step of [0, 1]) {
      const { microBatches } = await source.step(step, 0);
      results.push(await executor.step(microBatches, { learningRate: 0.01, seed: [1, step] }));
    }
    return { results, state: await executor.snapshot() };
  } finally {
    await executor.close();
  }
}

describe("batches of pretraining", () => {
  it("learns the same from packed rows as from rows of one instance each", async () => {
    const padded = await twoSteps(new PretrainingStepSource({ objective, stages: [stage({})], batchSize: 12 }));
    const segments = 6;
    const packing = { segments, predictions: packedPredictions(64, segments, 0.15, 4) };
    const stages = [stage({ sequenceLength: 64, rows: 2, packing })];
    const packed = await twoSteps(new PretrainingStepSource({ objective, stages, batchSize: 12 }));
    for (const [step, result] of padded.results.entries()) {
      expect(packed.results[step]!.loss).toBeCloseTo(result.loss, 5);
      expect(packed.results[step]!.gradNorm).toBeCloseTo(result.gradNorm, 4);
    }
    for (const [name, { data }] of padded.state.parameters) {
      const other = packed.state.parameters.get(name)!.data;
      expect(Math.max(...data.map((value, i) => Math.abs(value - other[i]!))), name).toBeLessThan(2e-5);
    }
  });

  it("wastes less on packed rows", async () => {
    const segments = 8;
    const packing = { segments, predictions: packedPredictions(64, segments, 0.15, 4) };
    const source = new PretrainingStepSource({
      objective,
      stages: [stage({ sequenceLength: 64, rows: 2, packing })],
      batchSize: 32,
    });
    const { tokens, computedTokens } = await source.step(0, 0);
    expect(tokens / computedTokens).toBeGreaterThan(0.85);
  });

  it("takes the same instances at a step whatever was asked for before", async () => {
    const source = () => new PretrainingStepSource({ objective, stages: [stage({})], batchSize: 7 });
    const walked = source();
    for (let step = 0; step < 9; step++) await walked.step(step, 0);
    expect(await walked.step(9, 0)).toEqual(await source().step(9, 0));
  });

  it("begins a stage of longer sequences at its step", async () => {
    const stages = [stage({ sequenceLength: 32 }), stage({ fromStep: 2, sequenceLength: 64, rows: 3 })];
    const source = new PretrainingStepSource({ objective, stages, batchSize: 6 });
    const shapes = [];
    for (const step of [0, 1, 2, 3]) shapes.push((await source.step(step, 0)).microBatches[0]!["input_ids"]!.shape);
    expect(shapes).toEqual([
      [5, 32],
      [5, 32],
      [3, 64],
      [3, 64],
    ]);
  });
});
