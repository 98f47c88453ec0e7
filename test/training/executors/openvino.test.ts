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
const SMALL = { ...WITH_DROPOUT, numHiddenLayers: 2 };

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
  it.each(["classification", "pretraining"])(
    "gives ONNX Runtime's numbers for %s, with dropout, averages and several micro-batches",
    async (kind) => {
      const objective = OBJECTIVES[kind]!;
      const spec = tinySpec(objective, { config: SMALL, headDropout: 0.25, emaDecay: 0.9 });
      const windows = windowsOf([1, 3, 1], objective);
      const [here, there] = [await trained(spec, windows, OPENVINO), await trained(spec, windows, ONNX)];
      expectClose(here.losses, there.losses, { relative: 1e-5 }, "losses");
      // The square root of a second moment near zero magnifies rounding; the step size bounds what is left.
      expectClosely(here.after, there.after, 1e-4);
    },
  );

  it.each([OPENVINO, BF16])("goes on from a state to the same bytes ($precision)", async (options) => {
    const spec = tinySpec(classification, { config: SMALL, headDropout: 0.1 });
    const windows = windowsOf([1, 2, 1, 2]);
    const able = await requireExecutor(options)
      .then(() => trained(spec, windows, options))
      .catch(withoutBf16);
    if (able === undefined) return;
    const { after: half } = await trained(spec, windows.slice(0, 2), options);
    const { after } = await trained(spec, windows.slice(2), options, { state: half });
    expect(after.globalStep).toBe(4);
    for (const part of PARTS) expect(after[part], part).toEqual(able.after[part]);
  });

  it("takes several steps as single ones", async () => {
    const spec = tinySpec(classification, { config: SMALL });
    const batches = windowsOf([3])[0]!;
    const single = await trained(
      spec,
      batches.map((batch) => [batch]),
      OPENVINO,
    );
    const executor = await openExecutor(spec, tinyState(SMALL, classification.heads), OPENVINO);
    const options = batches.map((_, step) => ({ learningRate: 1e-3, seed: [5, step] as const }));
    const results = await executor.steps!(batches, options);
    expect(results.map(({ loss }) => loss)).toEqual(single.losses);
    expect((await executor.snapshot()).parameters).toEqual(single.after.parameters);
    await executor.close();
  });

  it("multiplies in bf16, and keeps update, sums and state in float32", async () => {
    const spec = tinySpec(classification, { config: SMALL, optimizer: { kind: "adamw-official", weightDecay: 0 } });
    const windows = windowsOf([1, 2, 1, 1, 1, 1]);
    const rounded = await trained(spec, windows, BF16).catch(withoutBf16);
    if (rounded === undefined) return;
    const exact = await trained(spec, windows, ONNX);
    expectClose(rounded.losses, exact.losses, { relative: 0.02 }, "losses");
    expect(rounded.losses).not.toEqual(exact.losses); // it is not float32 in disguise
    // Six steps of 0.001, of which each moves a parameter by at most 0.0032: much less than rounding to eight bits would.
    for (const [name, { data }] of exact.after.parameters) {
      expectClose(rounded.after.parameters.get(name)!.data, data, { absolute: 0.02 }, name);
    }
    for (const part of ["parameters", "adamM", "adamV"] as const) {
      expect(shareOfShortValues(rounded.after[part].values()), part).toBeLessThan(0.02);
    }
    // Whatever went through bf16 on the way would not come back whole.
    const { after: still } = await trained(spec, windows.slice(0, 2), BF16, { learningRate: 0 });
    expect(still.parameters).toEqual(tinyState(SMALL, classification.heads).parameters);
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
