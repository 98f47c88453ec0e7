import { describe, expect, it, vi } from "vitest";
import type { AlbertError } from "../../../src/errors.ts";
import { findOpenVino } from "../../../src/runtime/openvino/find-library.ts";
import {
  executorFingerprint,
  executorText,
  requireExecutor,
} from "../../../src/training/executors/executor-options.ts";
import { openExecutor } from "../../../src/training/executors/open-executor.ts";
import type { Batch, ExecutorOptions, StepSpec, TrainState } from "../../../src/training/step/training-step.ts";
import { expectClose } from "../../support/closeness.ts";
import { missing } from "../../support/fixtures.ts";
import { OBJECTIVES, randomBatch, randomNumbers, SIZES, tinySpec, tinyState, WITH_DROPOUT } from "../tiny-training.ts";

// Seconds on an idle machine; the limit only has to survive a busy one.
vi.setConfig({ testTimeout: 120_000 });

const ONNX: ExecutorOptions = { kind: "onnx", device: "cpu", threads: 1 };
const OPENVINO: ExecutorOptions = { kind: "onnx", device: "openvino", threads: 1 };
const BF16: ExecutorOptions = { ...OPENVINO, precision: "bf16" };

const classification = OBJECTIVES["classification"]!;
const SMALL = { ...WITH_DROPOUT, numHiddenLayers: 1, numHiddenGroups: 1 };

/** Windows of micro-batches, as many as each number says. */
function windowsOf(counts: readonly number[], objective = classification): Batch[][] {
  const random = randomNumbers(21);
  return counts.map((count) => Array.from({ length: count }, () => randomBatch(objective, SIZES, random)));
}

/** The state after steps, and their losses. */
async function trained(
  spec: StepSpec,
  windows: readonly (readonly Batch[])[],
  options: ExecutorOptions,
  { learningRate = 1e-3, state = tinyState(spec.config, spec.objective.heads) } = {},
): Promise<{ after: TrainState; losses: number[] }> {
  const executor = await openExecutor(spec, state, options);
  try {
    const losses: number[] = [];
    for (const [index, window] of windows.entries()) {
      const step = state.globalStep + index;
      losses.push((await executor.step(window, { learningRate, seed: [5, step] })).loss);
    }
    return { after: await executor.snapshot(), losses };
  } finally {
    await executor.close();
  }
}

const PARTS = ["parameters", "adamM", "adamV", "ema"] as const;

function expectClosely(actual: TrainState, expected: TrainState, absolute: number): void {
  for (const part of PARTS) {
    expect([...actual[part].keys()].toSorted()).toEqual([...expected[part].keys()].toSorted());
    for (const [name, { data }] of expected[part]) {
      expectClose(actual[part].get(name)!.data, data, { absolute }, `${part} ${name}`);
    }
  }
}

/** Length of the difference of all tensors as a share of the length of what was expected. */
function relativeError(actual: TrainState["adamM"], expected: TrainState["adamM"]): number {
  const values = (tensors: TrainState["adamM"]) => [...tensors.values()].flatMap(({ data }) => [...data]);
  const [found, wanted] = [values(actual), values(expected)];
  return Math.hypot(...found.map((value, index) => value - wanted[index]!)) / Math.hypot(...wanted);
}

/** Values of a state that bf16 would hold as they are; a few are such by chance. */
function shareOfShortValues(tensors: Iterable<{ readonly data: Float32Array }>): number {
  let [short, all] = [0, 0];
  for (const { data } of tensors) {
    for (const bits of new Uint32Array(data.buffer, data.byteOffset, data.length)) {
      if (bits === 0) continue;
      all += 1;
      if ((bits & 0xffff) === 0) short += 1;
    }
  }
  return short / all;
}

const absent = missing("OpenVINO (pip install openvino)", findOpenVino() !== undefined);

describe.skipIf(absent)("training on OpenVINO", () => {
  it("gives ONNX Runtime's numbers, with dropout, averages and several micro-batches", async () => {
    const spec = tinySpec(classification, { config: SMALL, headDropout: 0.25, emaDecay: 0.9 });
    const windows = windowsOf([1, 3, 1]);
    const [here, there] = [await trained(spec, windows, OPENVINO), await trained(spec, windows, ONNX)];
    expectClose(here.losses, there.losses, { relative: 1e-5 }, "losses");
    // The square root of a second moment near zero magnifies rounding; the step size bounds what is left.
    expectClosely(here.after, there.after, 1e-4);
  });

  it.each([
    { precision: "fp32", options: OPENVINO },
    { precision: "bf16", options: BF16 },
  ])("goes on from a state to the same bytes in $precision, several steps at once too", async ({ options }) => {
    const spec = tinySpec(classification, { config: SMALL, headDropout: 0.1 });
    const batches = windowsOf([3])[0]!;
    const optionsOf = (step: number) => ({ learningRate: 1e-3, seed: [5, step] as const });
    const first = await openExecutor(spec, tinyState(SMALL, classification.heads), options);
    try {
      await first.step([batches[0]!], optionsOf(0));
      const half = await first.snapshot();
      const losses: number[] = [];
      for (const step of [1, 2]) losses.push((await first.step([batches[step]!], optionsOf(step))).loss);
      const second = await openExecutor(spec, half, options);
      const results = await second.steps!(batches.slice(1), [1, 2].map(optionsOf));
      expect(results.map(({ loss }) => loss)).toEqual(losses);
      const [whole, resumed] = [await first.snapshot(), await second.snapshot()];
      await second.close();
      expect(resumed.globalStep).toBe(3);
      for (const part of PARTS) expect(resumed[part], part).toEqual(whole[part]);
    } catch (error) {
      withoutBf16(error as AlbertError);
    } finally {
      await first.close();
    }
  });

  it("multiplies in bf16, and keeps update, sums and state in float32", async () => {
    const optimizer = { kind: "adamw-official", weightDecay: 0 } as const;
    const spec = tinySpec(classification, { config: SMALL, headDropout: 0.25, optimizer });
    const windows = windowsOf([2, 2, 2, 2, 2, 2]);
    const rounded = await trained(spec, windows, BF16).catch(withoutBf16);
    if (rounded === undefined) return;
    const exact = await trained(spec, windows, ONNX);
    expectClose(rounded.losses, exact.losses, { relative: 0.01 }, "losses");
    expect(rounded.losses).not.toEqual(exact.losses); // it is not float32 in disguise
    expect(relativeError(rounded.after.adamM, exact.after.adamM)).toBeLessThan(0.1);
    for (const part of ["parameters", "adamM", "adamV"] as const) {
      expect(shareOfShortValues(rounded.after[part].values()), part).toBeLessThan(0.02);
    }
    // Whatever went through bf16 on the way would not come back whole: with a rate of 0 nothing may change.
    const { after: still } = await trained(spec, windowsOf([1]), BF16, { learningRate: 0, state: rounded.after });
    expect(still.parameters).toEqual(rounded.after.parameters);
  });
});

/** Undefined where this processor has no bf16, loudly. */
function withoutBf16(error: AlbertError): undefined {
  if (error.reason !== "PRECISION_UNAVAILABLE") throw error;
  missing("a processor with bf16", false);
}

describe("what computes a training", () => {
  it("is refused before the run where it cannot be had, with what to do", async () => {
    await expect(requireExecutor({ ...ONNX, precision: "bf16" })).rejects.toMatchObject({
      violations: [
        {
          field: "precision",
          description: "training computes in bf16 on the device openvino only, and the device is cpu",
        },
      ],
    });
    const tfjs = openExecutor(tinySpec(classification), tinyState(SMALL, classification.heads), {
      ...BF16,
      kind: "tfjs",
    });
    await expect(tfjs).rejects.toMatchObject({ violations: [{ field: "precision" }] });
    await expect(
      requireExecutor({ ...OPENVINO, openVino: { library: "/nowhere/libopenvino_c.so" } }),
    ).rejects.toMatchObject({
      reason: "DEVICE_UNAVAILABLE",
      message: expect.stringMatching(/openvino is not available.*pip install openvino.*\/nowhere\/libopenvino_c\.so/s),
    });
  });

  it("is named in logs, and in checkpoints as far as it decides the last bits", () => {
    expect(executorText({ ...BF16, threads: 2 })).toBe("openvino, bf16, 2 threads");
    expect(executorText({ kind: "onnx", device: "cpu" })).toBe("cpu, fp32");
    expect(executorFingerprint(OPENVINO).device).toBe("openvino");
    expect(executorFingerprint(BF16).device).toBe("openvino in bf16");
  });
});
