import { describe, expect, it } from "vitest";
import { openExecutor } from "../../../src/training/executors/open-executor.ts";
import type { Batch, ExecutorOptions, StepSpec, TrainState } from "../../../src/training/step/training-step.ts";
import { expectClose } from "../../support/closeness.ts";
import { graphicsDevices } from "../../support/graphics.ts";
import { OBJECTIVES, randomBatch, randomNumbers, SIZES, tinySpec, tinyState, WITH_DROPOUT } from "../tiny-training.ts";

const devices = await graphicsDevices();

async function train(spec: StepSpec, windows: readonly (readonly Batch[])[], device: ExecutorOptions["device"]) {
  const state: TrainState = tinyState(spec.config, spec.objective.heads);
  const executor = await openExecutor(spec, state, { kind: "onnx", device });
  try {
    const losses: number[] = [];
    for (const [step, window] of windows.entries()) {
      losses.push((await executor.step(window, { learningRate: 1e-3, seed: [5, step] })).loss);
    }
    return { losses, after: await executor.snapshot() };
  } finally {
    await executor.close();
  }
}

// Without a device, the test is there and skipped.
describe.skipIf(devices.length === 0).each(devices.length === 0 ? ["webgpu" as const] : devices)(
  "training on %s",
  (device) => {
    it("equals training on the CPU, dropout and accumulation included", {
      timeout: 240_000,
    }, async () => {
      const objective = OBJECTIVES["classification"]!;
      const random = randomNumbers(12);
      const config = { ...WITH_DROPOUT, numHiddenLayers: 1, numHiddenGroups: 1 };
      const spec = tinySpec(objective, { config, headDropout: 0.1 });
      const windows = [1, 1, 2, 2, 1].map((count) =>
        Array.from({ length: count }, () => randomBatch(objective, SIZES, random)),
      );
      const [cpu, other] = [await train(spec, windows, "cpu"), await train(spec, windows, device)];
      expectClose(other.losses, cpu.losses, { relative: 2e-5 }, "losses");
      expect(other.after.globalStep).toBe(windows.length);
      for (const [name, { data }] of cpu.after.parameters) {
        expectClose(other.after.parameters.get(name)!.data, data, { absolute: 3e-4 }, name);
      }
    });
  },
);
