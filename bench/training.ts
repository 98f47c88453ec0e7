import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type AlbertConfig, parseAlbertConfig } from "../src/model/config.ts";
import type { Head } from "../src/model/heads.ts";
import { initialiseParameters } from "../src/model/initialise.ts";
import { modelParameters } from "../src/model/parameters.ts";
import { availableThreads } from "../src/runtime/cpu-quota.ts";
import type { DeviceKind } from "../src/runtime/engine.ts";
import { TrainingSession } from "../src/runtime/training-session.ts";
import { openExecutor } from "../src/training/executors/open-executor.ts";
import { batchTensors, objectiveOf } from "../src/training/objectives.ts";
import type { Batch } from "../src/training/step.ts";
import { rounded, timingOf } from "./timing.ts";

const { config: BASE } = parseAlbertConfig({
  vocab_size: 30_000,
  embedding_size: 128,
  hidden_size: 768,
  num_attention_heads: 12,
  num_hidden_layers: 12,
  intermediate_size: 3072,
});
const HEAD: Head = { kind: "classification", name: "label", problemType: "single-label", labels: ["no", "yes"] };
const STEPS = 4;

interface Shape {
  readonly examples: number;
  readonly length: number;
}

/**
 * Seconds per AdamW step of an ALBERT-base classifier without dropout. `--large` adds 32 x 128; `--webgpu` and `--cuda` train
 * on those devices as well; `--python PATH` names an interpreter with PyTorch for the side-by-side (else `python3` is tried).
 */
export async function benchTraining(flags: ReadonlySet<string>, values: Readonly<Record<string, unknown>>) {
  const shapes: Shape[] = [{ examples: 8, length: 128 }];
  if (flags.has("large")) shapes.push({ examples: 32, length: 128 });
  const devices: DeviceKind[] = ["cpu"];
  for (const device of ["webgpu", "cuda"] as const) if (flags.has(device)) devices.push(device);
  const python = typeof values["python"] === "string" ? values["python"] : "python3";
  const results: Record<string, unknown> = {};
  for (const shape of shapes) {
    const name = `base${shape.examples}x${shape.length}`;
    const ours: Record<string, Awaited<ReturnType<typeof secondsPerStep>>> = {};
    for (const device of devices) ours[device] = await secondsPerStep(device, shape);
    const torch = pytorch(python, shape);
    results[name] = {
      ...ours,
      pytorch: torch ?? `no PyTorch in ${python}`,
      ...(torch === undefined
        ? {}
        : {
            timesFasterThanPytorchEager: rounded(torch.eager / ours["cpu"]!.secondsPerStep.best),
            timesFasterThanPytorchFusedAttention: rounded(torch.fusedAttention / ours["cpu"]!.secondsPerStep.best),
          }),
    };
  }
  return results;
}

async function secondsPerStep(device: DeviceKind, shape: Shape) {
  const objective = objectiveOf(HEAD);
  const parameters = initialiseParameters(modelParameters(BASE, [HEAD]), 1);
  const state = { parameters, adamM: new Map(), adamV: new Map(), ema: new Map(), globalStep: 0 };
  const spec = { config: BASE, objective, optimizer: { kind: "adamw" }, headDropout: 0 } as const;
  const executor = await openExecutor(spec, state, { kind: "onnx", device, threads: availableThreads() });
  const batch = randomBatch(BASE, shape);
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

/** Counts the time inside the runtime, which the executor itself does not report. */
function watchRuntime() {
  const { run } = TrainingSession.prototype;
  const watched = {
    milliseconds: 0,
    stop() {
      TrainingSession.prototype.run = run;
    },
  };
  TrainingSession.prototype.run = async function (feeds, outputs) {
    const startedAt = performance.now();
    try {
      return await run.call(this, feeds, outputs);
    } finally {
      watched.milliseconds += performance.now() - startedAt;
    }
  };
  return watched;
}

function randomBatch(config: AlbertConfig, shape: Shape): Batch {
  const tensors = batchTensors(objectiveOf(HEAD), shape).map(({ name, shape, dtype }) => {
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

/** Best seconds per step of the same computation in PyTorch, or nothing where there is none. */
function pytorch(python: string, { examples, length }: Shape): { eager: number; fusedAttention: number } | undefined {
  const script = join(import.meta.dirname, "training_pytorch.py");
  const numbers = [examples, length, availableThreads(), STEPS].map(String);
  try {
    return JSON.parse(
      execFileSync(python, [script, ...numbers], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
  } catch {
    return undefined;
  }
}
