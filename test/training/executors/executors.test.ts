import { memory } from "@tensorflow/tfjs-core";
import { describe, expect, it, vi } from "vitest";
import { OnnxExecutor } from "../../../src/training/executors/onnx-executor.ts";
import { openExecutor } from "../../../src/training/executors/open-executor.ts";
import type {
  Batch,
  Executor,
  ExecutorOptions,
  StepResult,
  StepSpec,
  TrainState,
} from "../../../src/training/step/training-step.ts";
import { expectClose } from "../../support/closeness.ts";
import {
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

const ONNX: ExecutorOptions = { kind: "onnx", device: "cpu", threads: 1 };
const TFJS: ExecutorOptions = { kind: "tfjs", device: "cpu" };
const classification = OBJECTIVES["classification"]!;

/** Biases that shift every score of a softmax alike: their gradient is zero but for rounding. */
const CANCELS = /key\/bias|start_logits\/dense\/bias|end_logits\/dense_1\/bias|squad\/output_bias/;

async function withExecutor<T>(
  spec: StepSpec,
  state: TrainState,
  options: ExecutorOptions,
  use: (executor: Executor) => Promise<T>,
): Promise<T> {
  const executor = await openExecutor(spec, state, options);
  try {
    return await use(executor);
  } finally {
    await executor.close();
  }
}

/** The state after a number of steps at a constant rate, and the last loss. */
function trained(
  spec: StepSpec,
  windows: readonly (readonly Batch[])[],
  options: ExecutorOptions,
  learningRate = 1e-3,
  state = tinyState(spec.config, spec.objective.heads),
): Promise<{ after: TrainState; losses: number[] }> {
  return withExecutor(spec, state, options, async (executor) => {
    const losses: number[] = [];
    for (const [step, window] of windows.entries()) {
      losses.push((await executor.step(window, { learningRate, seed: [5, step] })).loss);
    }
    return { after: await executor.snapshot(), losses };
  });
}

function expectSameStates(actual: TrainState, expected: TrainState, absolute: number): void {
  for (const part of ["parameters", "adamM", "adamV", "ema"] as const) {
    expect([...actual[part].keys()].toSorted()).toEqual([...expected[part].keys()].toSorted());
    for (const [name, { data }] of expected[part]) {
      expectClose(actual[part].get(name)!.data, data, { absolute }, `${part} ${name}`);
    }
  }
}

/** Examples first..first+count of a batch, as a batch of their own. */
function examples(batch: Batch, first: number, count: number): Batch {
  const entries = Object.entries(batch).map(([name, { shape, data }]) => {
    const size = data.length / shape[0]!;
    return [
      name,
      { shape: [count, ...shape.slice(1)], data: data.slice(first * size, (first + count) * size) },
    ] as const;
  });
  return Object.fromEntries(entries);
}

describe.each(Object.keys(OBJECTIVES))("training %s", (kind) => {
  const objective = OBJECTIVES[kind]!;

  it("learns one batch by heart", async () => {
    const batch = randomBatch(objective, { ...SIZES, examples: 3 }, randomNumbers(9));
    const spec = tinySpec(objective, { optimizer: { kind: "adamw-corrected", weightDecay: 0 } });
    await withExecutor(spec, tinyState(TINY, objective.heads), ONNX, async (executor) => {
      let loss = Number.POSITIVE_INFINITY;
      for (let step = 0; step < 600 && loss >= 0.01; step++) {
        loss = (await executor.step([batch], { learningRate: 0.01, seed: [0, step] })).loss;
      }
      expect(loss).toBeLessThan(0.01);
    });
  });

  it("gives the same numbers on both executors, dropout included", async () => {
    const random = randomNumbers(21);
    const windows = [1, 2, 1].map((count) =>
      Array.from({ length: count }, () => randomBatch(objective, SIZES, random)),
    );
    const spec = tinySpec(objective, { config: WITH_DROPOUT, headDropout: 0.25, emaDecay: 0.9 });
    const onnx = await trained(spec, windows, ONNX);
    const tfjs = await trained(spec, windows, TFJS);
    expectClose(onnx.losses, tfjs.losses, { relative: 1e-5 }, "losses");
    // The square root of a second moment near zero magnifies rounding; the step size bounds what is left.
    expectSameStates(onnx.after, tfjs.after, 2e-4);
  });

  it("moves every parameter that the loss depends on, and no other", async () => {
    const before = tinyState(TINY, objective.heads);
    const batch = randomBatch(objective, SIZES, randomNumbers(33));
    const { after } = await trained(tinySpec(objective), [[batch]], ONNX);
    const untouched = [...before.parameters].flatMap(([name, { data }]) =>
      data.every((value, index) => value === after.parameters.get(name)!.data[index]) ? [name] : [],
    );
    const poolerIdle = kind.startsWith("span");
    expect(untouched.filter((name) => !CANCELS.test(name))).toEqual(
      poolerIdle ? ["bert/pooler/dense/kernel", "bert/pooler/dense/bias"] : [],
    );
    expect(after.adamM.has("bert/pooler/dense/kernel")).toBe(!poolerIdle);
  });
});

describe("an executor", () => {
  it.each([ONNX, TFJS])("leaves frozen parameters alone and keeps no moments for them ($kind)", async (options) => {
    const names = [...tinyState(TINY, classification.heads).parameters.keys()];
    const frozen = new Set(names.filter((name) => name.includes("embeddings") || name.includes("group_1")));
    const batch = randomBatch(classification, SIZES, randomNumbers(2));
    const before = tinyState(TINY, classification.heads);
    const { after } = await trained(tinySpec(classification, { frozen }), [[batch], [batch]], options);
    for (const name of names) {
      const same = after.parameters
        .get(name)!
        .data.every((value, index) => value === before.parameters.get(name)!.data[index]);
      expect(same, name).toBe(frozen.has(name));
      expect(after.adamM.has(name), name).toBe(!frozen.has(name));
    }
  });

  it("trains a head alone on cached trunk outputs", async () => {
    for (const kind of ["classification", "multiple-choice", "span"]) {
      const objective = OBJECTIVES[kind]!;
      const state = tinyState(TINY, objective.heads);
      const frozen = new Set([...state.parameters.keys()].filter((name) => name.startsWith("bert/")));
      const spec = tinySpec(objective, { trunk: "cached", frozen });
      const batch = randomBatch(objective, { ...SIZES, cachedWidth: TINY.hiddenSize }, randomNumbers(8));
      const { after, losses } = await trained(spec, Array(5).fill([batch]), ONNX, 0.05);
      expect(losses.at(-1)).toBeLessThan(losses[0]!);
      expect([...after.adamM.keys()].every((name) => !name.startsWith("bert/"))).toBe(true);
    }
  });

  it.each(["classification", "pretraining", "span-answerability"])(
    "accumulates %s gradients exactly: 1 x 32 = 4 x 8 = 3 x 8 + 8 x 1",
    async (kind) => {
      const objective = OBJECTIVES[kind]!;
      const random = randomNumbers(4);
      const whole = randomBatch(objective, { ...SIZES, examples: 32 }, random);
      // Unequal weights, so that the micro-batches' shares of the loss differ.
      for (const name of ["example_weights", "masked_lm_weights", "next_sentence_weights"]) {
        whole[name]?.data.forEach((_, index, data) => {
          data[index] = index % 3 === 0 ? 0 : 1;
        });
      }
      const spec = tinySpec(objective, { optimizer: { kind: "lamb" } });
      const quarters = [0, 8, 16, 24].map((first) => examples(whole, first, 8));
      const uneven = [...quarters.slice(0, 3), ...Array.from({ length: 8 }, (_, i) => examples(whole, 24 + i, 1))];
      const reference = await trained(spec, [[whole]], ONNX);
      for (const window of [quarters, uneven]) {
        const accumulated = await trained(spec, [window], ONNX);
        expectClose(accumulated.losses, reference.losses, { relative: 1e-5 }, "loss");
        expectSameStates(accumulated.after, reference.after, 1e-5);
      }
    },
  );

  it("gives the same result whatever length a batch is padded to", async () => {
    const short = randomBatch(classification, SIZES, randomNumbers(6));
    const long = Object.fromEntries(
      Object.entries(short).map(([name, { shape, data }]) => {
        if (shape.length === 1) return [name, { shape, data }];
        const padded = data instanceof Int32Array ? new Int32Array(shape[0]! * 12) : new Float32Array(shape[0]! * 12);
        for (let row = 0; row < shape[0]!; row++) padded.set(data.subarray(row * 8, row * 8 + 8), row * 12);
        return [name, { shape: [shape[0]!, 12], data: padded }];
      }),
    );
    const spec = tinySpec(classification);
    const [a, b] = [await trained(spec, [[short]], ONNX), await trained(spec, [[long]], ONNX)];
    expectSameStates(a.after, b.after, 1e-5);
  });

  it("continues from a snapshot to the same bytes", async () => {
    const random = randomNumbers(14);
    const spec = tinySpec(classification, { config: WITH_DROPOUT, headDropout: 0.1, emaDecay: 0.5 });
    const windows = Array.from({ length: 6 }, () => [randomBatch(classification, SIZES, random)]);
    const through = await trained(spec, windows, ONNX);
    const half = await trained(spec, windows.slice(0, 3), ONNX);
    expect(half.after.globalStep).toBe(3);
    const rest = await withExecutor(spec, half.after, ONNX, async (executor) => {
      for (const [index, window] of windows.slice(3).entries()) {
        await executor.step(window, { learningRate: 1e-3, seed: [5, index + 3] });
      }
      return executor.snapshot();
    });
    expectSameStates(rest, through.after, 0);
    expect(rest.globalStep).toBe(6);
  });

  it.each([ONNX, TFJS])(
    "averages weights with a decay that is warmed up, also after a resume ($kind)",
    async (options) => {
      const random = randomNumbers(17);
      const spec = tinySpec(classification, { emaDecay: 0.5 });
      let state = tinyState(TINY, classification.heads);
      const name = "bert/pooler/dense/kernel";
      let expected = Float64Array.from(state.parameters.get(name)!.data);
      for (let updates = 0; updates < 12; updates++) {
        const { after } = await trained(spec, [[randomBatch(classification, SIZES, random)]], options, 0.05, state);
        // (1 + t) / (10 + t), as TensorFlow's moving average counts updates, until it reaches the decay asked for.
        const decay = [0.1, 2 / 11, 3 / 12, 4 / 13, 5 / 14, 6 / 15, 7 / 16, 8 / 17][updates] ?? 0.5;
        const parameter = after.parameters.get(name)!.data;
        expected = expected.map((old, i) => decay * old + (1 - decay) * parameter[i]!);
        expectClose(after.ema.get(name)!.data, [...expected], { absolute: 1e-6 }, `after update ${updates + 1}`);
        state = after;
      }
    },
  );

  it("adds up the norm alike whatever order a state's parameters are in, as after reading them from a file", async () => {
    const random = randomNumbers(16);
    const spec = tinySpec(classification, { optimizer: { kind: "adamw-official", clipNorm: 1e-3 } });
    const windows = Array.from({ length: 12 }, () => [randomBatch(classification, SIZES, random)]);
    const { after: start } = await trained(spec, windows.slice(0, 1), ONNX);
    const reversed = { ...start, parameters: new Map([...start.parameters].reverse()) };
    const [as, reversedAs] = await Promise.all(
      [start, reversed].map((state) =>
        withExecutor(spec, state, ONNX, async (executor) => {
          for (const window of windows) await executor.step(window, { learningRate: 1e-3, seed: [5, 0] });
          return executor.snapshot();
        }),
      ),
    );
    expectSameStates(reversedAs!, as!, 0);
  });

  it("takes several steps in one graph to the same bytes as one by one", async () => {
    const random = randomNumbers(15);
    for (const kind of ["adamw-corrected", "lamb"] as const) {
      const objective = OBJECTIVES["span-answerability"]!;
      const spec = tinySpec(objective, { config: WITH_DROPOUT, headDropout: 0.1, optimizer: { kind } });
      const batches = Array.from({ length: 4 }, () => randomBatch(objective, SIZES, random));
      const options = batches.map((_, step) => ({ learningRate: 1e-3 * (step + 1), seed: [9, step] as const }));
      const run = async (use: (executor: OnnxExecutor) => Promise<StepResult[]>) => {
        const executor = new OnnxExecutor(spec, tinyState(spec.config, objective.heads), ONNX);
        const results = await use(executor);
        const after = await executor.snapshot();
        await executor.close();
        return { results, after };
      };
      const single = await run(async (executor) => {
        const results: StepResult[] = [];
        for (const [index, batch] of batches.entries()) results.push(await executor.step([batch], options[index]!));
        return results;
      });
      const looped = await run((executor) => executor.steps(batches, options));
      expect(looped.results).toEqual(single.results);
      expectSameStates(looped.after, single.after, 0);
      expect(looped.after.globalStep).toBe(4);
    }
  });

  it("hands out snapshots that later steps do not change", async () => {
    const batch = randomBatch(classification, SIZES, randomNumbers(1));
    await withExecutor(tinySpec(classification), tinyState(TINY, classification.heads), ONNX, async (executor) => {
      const first = await executor.snapshot();
      const copy = structuredClone(first);
      for (let step = 0; step < 3; step++) await executor.step([batch], { learningRate: 0.1, seed: [0, step] });
      expect(first).toEqual(copy);
    });
  });

  it("reports metrics of the whole window", async () => {
    const batch = randomBatch(classification, SIZES, randomNumbers(3));
    await withExecutor(tinySpec(classification), tinyState(TINY, classification.heads), ONNX, async (executor) => {
      const { metrics } = await executor.step([batch, batch], { learningRate: 0, seed: [0, 0] });
      expect(metrics["weight"]).toBe(8);
      expect(metrics["predicted_0"]! + metrics["predicted_1"]! + metrics["predicted_2"]!).toBe(8);
      expect(metrics["correct"]! % 2).toBe(0);
    });
  });

  it("names the tensor that a batch lacks or that does not fill its shape", async () => {
    const batch = randomBatch(classification, SIZES, randomNumbers(3));
    const { label_ids: _, ...unlabelled } = batch;
    const torn = { ...batch, input_ids: { shape: [4, 9], data: new Int32Array(32) } };
    await withExecutor(tinySpec(classification), tinyState(TINY, classification.heads), ONNX, async (executor) => {
      const options = { learningRate: 0, seed: [0, 0] } as const;
      await expect(executor.step([unlabelled], options)).rejects.toThrow(/label_ids/);
      await expect(executor.step([torn], options)).rejects.toThrow(/input_ids.*\[4,9\]/);
      await expect(executor.step([], options)).rejects.toThrow(/at least one/);
    });
  });

  it("does not grow over a thousand steps", async () => {
    const batch = randomBatch(classification, SIZES, randomNumbers(3));
    await withExecutor(tinySpec(classification), tinyState(TINY, classification.heads), ONNX, async (executor) => {
      const run = async (steps: number) => {
        for (let step = 0; step < steps; step++) await executor.step([batch], { learningRate: 1e-4, seed: [1, step] });
        return process.memoryUsage();
      };
      const before = await run(200);
      const after = await run(1000);
      expect(after.rss - before.rss).toBeLessThan(32 * 2 ** 20);
    });
  });

  it("leaves no TensorFlow.js tensors behind", async () => {
    const batch = randomBatch(classification, SIZES, randomNumbers(3));
    const step = async (options: ExecutorOptions) => {
      await trained(tinySpec(classification, { emaDecay: 0.9 }), [[batch], [batch, batch]], options);
    };
    await step(TFJS);
    const before = memory().numTensors;
    await step(TFJS);
    await step(ONNX);
    expect(memory().numTensors).toBe(before);
  });

  it("clips by the norm of the whole window's gradient", async () => {
    const batch = randomBatch(classification, SIZES, randomNumbers(3));
    const run = (clipNorm: number): Promise<{ after: TrainState }> =>
      trained(tinySpec(classification, { optimizer: { kind: "adamw-official", clipNorm } }), [[batch]], ONNX, 0);
    const [free, clipped] = [await run(0), await run(0.01)];
    const norm = (state: TrainState) =>
      Math.sqrt([...state.adamM.values()].reduce((sum, { data }) => data.reduce((s, x) => s + x * x, sum), 0));
    expect(norm(clipped.after)).toBeCloseTo(0.01 * 0.1, 6);
    expect(norm(free.after)).toBeGreaterThan(0.01 * 0.1);
  });
});
