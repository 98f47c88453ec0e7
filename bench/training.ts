import type { AlbertConfig } from "../src/model/config.ts";
import { findOpenVino } from "../src/runtime/openvino/find-library.ts";
import { OpenVinoTrainingSession } from "../src/runtime/openvino/openvino-training-session.ts";
import { TrainingSession } from "../src/runtime/session/training-session.ts";
import { batchTensors } from "../src/training/objectives.ts";
import type { Batch, ExecutorOptions } from "../src/training/step/training-step.ts";
import { BASE, CLASSIFICATION, openClassifier } from "./base-classifier.ts";
import { pytorchSeconds } from "./pytorch.ts";
import { rounded, timingOf } from "./timing.ts";
import { benchTrainingLengths } from "./training-lengths.ts";

const STEPS = 4;

interface Shape {
  readonly examples: number;
  readonly length: number;
}

/**
 * Seconds per AdamW step of an ALBERT-base classifier without dropout, on OpenVINO too where it is, and seconds per 1,000 examples
 * of real lengths.
 * `--large` adds 32 x 128; `--webgpu` and `--cuda` train on those devices as well; `--python PATH` names an interpreter with PyTorch,
 * and perhaps transformers, for the side-by-side (else `python3` is tried).
 */
export async function benchTraining(flags: ReadonlySet<string>, values: Readonly<Record<string, unknown>>) {
  const shapes: Shape[] = [{ examples: 8, length: 128 }];
  if (flags.has("large")) shapes.push({ examples: 32, length: 128 });
  const devices: ExecutorOptions["device"][] = ["cpu"];
  for (const device of ["webgpu", "cuda"] as const) if (flags.has(device)) devices.push(device);
  const python = typeof values["python"] === "string" ? values["python"] : "python3";
  const results: Record<string, unknown> = {};
  for (const shape of shapes) {
    const name = `base${shape.examples}x${shape.length}`;
    const ours: Record<string, Awaited<ReturnType<typeof secondsPerStep>>> = {};
    for (const device of devices) ours[device] = await secondsPerStep(device, shape);
    const cpu = ours["cpu"]!.secondsPerStep.best; // it is always among them
    results[name] = { ...ours, ...(await onOpenVino(shape, cpu)), ...besidePytorch(python, shape, cpu) };
  }
  return { ...results, realLengths16: await benchTrainingLengths(python) };
}

/** The same step on OpenVINO in each precision, and how many times as fast it is as on ONNX Runtime. */
async function onOpenVino(shape: Shape, onnxRuntime: number): Promise<Record<string, unknown>> {
  if (findOpenVino() === undefined) return { openvino: "not on this machine" };
  const results: Record<string, unknown> = {};
  for (const precision of ["fp32", "bf16"] as const) {
    try {
      const steps = await secondsPerStep("openvino", shape, BASE, precision);
      const timesAsFast = rounded(onnxRuntime / steps.secondsPerStep.best);
      results[`openvino_${precision}`] = { ...steps, timesAsFastAsOnnxRuntime: timesAsFast };
    } catch (error) {
      results[`openvino_${precision}`] = String(error); // a processor without bf16
    }
  }
  return results;
}

/** The same step in PyTorch, and how many times as fast ours is. */
function besidePytorch(python: string, shape: Shape, ours: number) {
  const models = { eager: "lean", fusedAttention: "lean-fused", transformersEager: "transformers" } as const;
  const cases = Object.values(models).map((model) => ({ model, ...shape }));
  const seconds = pytorchSeconds(python, STEPS, cases);
  if (seconds === undefined) return { pytorch: `no PyTorch in ${python}` };
  const known = Object.keys(models).flatMap((name, i): [string, number][] =>
    typeof seconds[i] === "number" ? [[name, seconds[i]]] : [],
  );
  return {
    pytorchSecondsPerStep: Object.fromEntries(known.map(([name, value]) => [name, rounded(value)])),
    timesFasterThanPytorch: Object.fromEntries(known.map(([name, value]) => [name, rounded(value / ours)])),
  };
}

/** Times a few AdamW steps of a classifier, ALBERT-base unless another configuration is given, on batches of one shape. */
export async function secondsPerStep(
  device: ExecutorOptions["device"],
  shape: Shape,
  config: AlbertConfig = BASE,
  precision: ExecutorOptions["precision"] = "fp32",
) {
  const executor = await openClassifier(device, config, precision);
  const batch = randomBatch(config, shape);
  const runtime = watchRuntime();
  try {
    const openedAt = performance.now();
    await executor.step([batch], { learningRate: 1e-5, seed: [0, 0] });
    const firstStepSeconds = (performance.now() - openedAt) / 1000;
    const times: number[] = [];
    runtime.milliseconds = 0;
    for (let step = 1; step <= STEPS; step++) {
      const startedAt = performance.now();
      await executor.step([batch], { learningRate: 1e-5, seed: [0, step] });
      times.push((performance.now() - startedAt) / 1000);
    }
    const total = times.reduce((sum, time) => sum + time, 0);
    return {
      secondsPerStep: timingOf(times),
      tokensPerSecond: rounded((shape.examples * shape.length) / timingOf(times).best),
      shareOutsideRuntime: rounded(1 - runtime.milliseconds / 1000 / total),
      firstStepSeconds: rounded(firstStepSeconds),
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    };
  } finally {
    runtime.stop();
    await executor.close();
  }
}

/** Counts the time inside the runtimes, which the executor itself does not report. */
function watchRuntime() {
  const sessions = [TrainingSession.prototype, OpenVinoTrainingSession.prototype];
  const before = sessions.map(({ run }) => run);
  const watched = {
    milliseconds: 0,
    stop() {
      for (const [i, session] of sessions.entries()) session.run = before[i]!;
    },
  };
  for (const [i, session] of sessions.entries()) {
    session.run = async function (this: TrainingSession & OpenVinoTrainingSession, feeds, outputs) {
      const startedAt = performance.now();
      try {
        return await before[i]!.call(this, feeds, outputs);
      } finally {
        watched.milliseconds += performance.now() - startedAt;
      }
    };
  }
  return watched;
}

function randomBatch(config: AlbertConfig, shape: Shape): Batch {
  const tensors = batchTensors(CLASSIFICATION, shape).map(({ name, shape, dtype }) => {
    const length = shape.reduce((product, dim) => product * dim, 1);
    const limit = name === "input_ids" ? config.vocabSize : 2;
    const data =
      dtype === "int32"
        ? Int32Array.from({ length }, (_, index) => (index * 7919 + 13) % limit)
        : new Float32Array(length).fill(1);
    return [name, { shape, data }] as const;
  });
  return Object.fromEntries(tensors);
}
