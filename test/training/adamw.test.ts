import "@tensorflow/tfjs-backend-cpu";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { scalar, setBackend, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, it } from "vitest";
import { excludedFromDecay } from "../../src/model/parameters.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
import { optimizerSettings, updateParameter } from "../../src/training/optimizer.ts";
import type { TrainState } from "../../src/training/step/training-step.ts";
import { expectClose } from "../support/closeness.ts";
import { OBJECTIVES, randomBatch, randomNumbers, SIZES, TINY, tinySpec, tinyState } from "./tiny-training.ts";

/** Computed by adamw/make.py in 50 digits, from the paper's formula. */
interface Expected {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly rates: readonly number[];
  readonly start: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly runs: readonly {
    readonly weightDecay: number;
    readonly steps: readonly Readonly<Record<"parameter" | "m" | "v", readonly number[]>>[];
  }[];
}

const expected: Expected = JSON.parse(readFileSync(join(import.meta.dirname, "adamw/expected.json"), "utf8"));

describe("AdamW with bias correction", () => {
  beforeAll(() => setBackend("cpu"));

  it.each(expected.runs)("follows the paper's formula, with a decay of $weightDecay", ({ weightDecay, steps }) => {
    const { beta1, beta2, epsilon, rates, gradients, start } = expected;
    const settings = optimizerSettings({ kind: "adamw-corrected", beta1, beta2, epsilon, weightDecay });
    let state = { parameter: [...start], m: [0, 0, 0, 0], v: [0, 0, 0, 0] };
    for (const [index, step] of steps.entries()) {
      state = tidyNumbers(() => {
        const before = { parameter: tensor1d(state.parameter), m: tensor1d(state.m), v: tensor1d(state.v) };
        return updateParameter(settings, "some/kernel", before, tensor1d([...gradients[index]!]), {
          learningRate: scalar(rates[index]!),
          gradientScale: scalar(1),
          correction1: scalar(1 / (1 - beta1 ** (index + 1))),
          correction2: scalar(1 / (1 - beta2 ** (index + 1))),
        });
      });
      for (const slot of ["parameter", "m", "v"] as const) {
        expectClose(state[slot], step[slot], { relative: 1e-6, absolute: 1e-9 }, `${slot} after update ${index + 1}`);
      }
    }
  });

  it.each(["onnx", "tfjs"] as const)("counts its updates from 1, also after a resume (%s)", async (kind) => {
    const objective = OBJECTIVES["classification"]!;
    const [learningRate, beta1, beta2, epsilon, weightDecay] = [1e-2, 0.8, 0.95, 1e-6, 0.1];
    const optimizer = { kind: "adamw-corrected", beta1, beta2, epsilon, weightDecay } as const;
    const spec = tinySpec(objective, { optimizer });
    let state: TrainState = tinyState(TINY, objective.heads);
    for (let t = 1; t <= 3; t++) {
      const executor = await openExecutor(spec, state, { kind, device: "cpu", threads: 1 });
      await executor.step([randomBatch(objective, SIZES, randomNumbers(t))], { learningRate, seed: [0, t] });
      const after = await executor.snapshot();
      await executor.close();
      for (const [name, m] of after.adamM) {
        const w = state.parameters.get(name)!.data;
        const v = after.adamV.get(name)!.data;
        const decay = excludedFromDecay(name) ? 0 : weightDecay;
        const updated = m.data.map((value, i) => {
          const direction = value / (1 - beta1 ** t) / (Math.sqrt(v[i]! / (1 - beta2 ** t)) + epsilon);
          return w[i]! - learningRate * (direction + decay * w[i]!);
        });
        expectClose(after.parameters.get(name)!.data, updated, { absolute: 2e-6 }, `${name} after update ${t}`);
      }
      state = after;
    }
  });
});

type Slots<T> = Readonly<Record<"parameter" | "m" | "v", T>>;

function tidyNumbers(run: () => Slots<{ dataSync(): ArrayLike<number> }>) {
  let numbers: { parameter: number[]; m: number[]; v: number[] } | undefined;
  tidy(() => {
    const { parameter, m, v } = run();
    numbers = {
      parameter: Array.from(parameter.dataSync()),
      m: Array.from(m.dataSync()),
      v: Array.from(v.dataSync()),
    };
  });
  if (numbers === undefined) throw new Error("tidy runs its function");
  return numbers;
}
