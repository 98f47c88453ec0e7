import "@tensorflow/tfjs-backend-cpu";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Scalar, scalar, setBackend, type Tensor as TfTensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { ArrayTensor } from "../../src/model/checkpoint/checkpoint-reader.ts";
import { openCheckpoint } from "../../src/model/checkpoint/open-checkpoint.ts";
import type { AlbertConfig } from "../../src/model/config.ts";
import { readSafetensors } from "../../src/model/formats/safetensors.ts";
import { NO_DROPOUT } from "../../src/model/forward/dropout.ts";
import type { Head } from "../../src/model/heads.ts";
import { excludedFromDecay } from "../../src/model/parameters.ts";
import type { Tensor } from "../../src/model/tensor.ts";
import { readJsonObject } from "../../src/platform/json-file.ts";
import { findOpenVino } from "../../src/runtime/openvino/find-library.ts";
import { lossScales } from "../../src/training/executors/gradient-accumulation.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
import { type Objective, objectiveOf, pretrainingObjective } from "../../src/training/objectives.ts";
import { optimizerSettings, updateParameter } from "../../src/training/optimizer.ts";
import { learningRateAt } from "../../src/training/schedule.ts";
import { lossAndGradients } from "../../src/training/step/step-functions.ts";
import type { Batch, Executor, StepSpec, TrainState } from "../../src/training/step/training-step.ts";
import { expectClose } from "../support/closeness.ts";
import { fixture, missing } from "../support/fixtures.ts";

// Seconds on an idle machine; the limit only has to survive a busy one.
vi.setConfig({ testTimeout: 120_000 });

const root = fixture("optimizer");
const cases = root === undefined ? [] : readdirSync(root).filter((name) => existsSync(join(root, name, "steps.json")));

/** One step as recorded: everything before its update. */
interface RecordedStep {
  readonly loss: number;
  readonly learning_rate: number;
  readonly global_norm_official: number;
  readonly global_norm_dense: number;
  readonly masked_lm_loss?: number;
  readonly sop_loss?: number;
}

interface Recording {
  readonly objective: "cls" | "pretrain";
  readonly model: string;
  readonly optimizer: "adamw" | "lamb";
  readonly init_lr: number;
  readonly num_warmup_steps: number;
  readonly num_train_steps: number;
  readonly poly_power: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weight_decay: number;
  readonly clip_norm: number;
  readonly gradient_kinds: Readonly<Record<string, string>>;
  readonly no_weight_decay: readonly string[];
  readonly steps: readonly RecordedStep[];
  readonly loss_after_last_step: number;
}

interface Case {
  readonly directory: string;
  readonly recording: Recording;
  readonly spec: StepSpec;
  readonly state: TrainState;
  readonly batch: Batch;
}

/** Limits of the fixtures' README. */
const LIMITS = {
  adamw: { loss: 5e-5, parameters: 5e-5 },
  lamb: { loss: 1e-4, parameters: 5e-4 },
  gradients: 1e-5,
  norms: 2e-4,
} as const;

async function open(name: string): Promise<Case> {
  const directory = join(root!, name);
  // The recording is the fixture's own JSON; a case of another form fails in the comparisons below.
  const recording = (await readJsonObject(join(directory, "steps.json"))) as unknown as Recording;
  const body = await openCheckpoint(join(fixture("models", recording.model)!, "model.ckpt-best"));
  const headFile = join(directory, "head_init.safetensors");
  const head = existsSync(headFile) ? (await readSafetensors(headFile)).tensors : new Map<string, ArrayTensor>();
  const { tensors } = await readSafetensors(join(directory, "batch.safetensors"));
  const objective = objectiveOfCase(recording, body.heads, head);
  const parameters = new Map<string, Tensor>();
  for (const [key, value] of [...body.parameters, ...(head as ReadonlyMap<string, Tensor>)]) {
    if (key in recording.gradient_kinds) parameters.set(key, value);
  }
  const spec: StepSpec = {
    config: withoutDropout(body.config),
    objective,
    headDropout: 0,
    optimizer: {
      kind: recording.optimizer === "lamb" ? "lamb" : "adamw-official",
      beta1: recording.beta1,
      beta2: recording.beta2,
      epsilon: recording.epsilon,
      weightDecay: recording.weight_decay,
      clipNorm: recording.clip_norm,
    },
  };
  const state = { parameters, adamM: new Map(), adamV: new Map(), ema: new Map(), globalStep: 0 };
  return { directory, recording, spec, state, batch: batchOf(recording, tensors) };
}

function objectiveOfCase(
  recording: Recording,
  heads: readonly Head[],
  head: ReadonlyMap<string, ArrayTensor>,
): Objective {
  const kind = (wanted: Head["kind"]) => heads.find((candidate) => candidate.kind === wanted)!;
  if (recording.objective === "pretrain") return pretrainingObjective(kind("masked-lm"), kind("sentence-order"));
  const labels = Array.from({ length: head.get("output_weights")!.shape[0]! }, (_, index) => `${index}`);
  return objectiveOf({ kind: "classification", name: "label", problemType: "single-label", labels });
}

function withoutDropout(config: AlbertConfig): AlbertConfig {
  return { ...config, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 };
}

function batchOf(recording: Recording, tensors: ReadonlyMap<string, ArrayTensor>): Batch {
  const batch: Record<string, Batch[string]> = {};
  for (const [name, { shape, data }] of tensors) {
    if (data instanceof BigInt64Array || data instanceof Int8Array) throw new Error(`${name} is no batch input`);
    batch[name] = { shape, data: name === "input_mask" ? Float32Array.from(data) : data };
  }
  const rows = tensors.get("input_ids")!.shape[0]!;
  const ones = new Float32Array(rows).fill(1);
  if (recording.objective === "pretrain") return { ...batch, next_sentence_weights: { shape: [rows, 1], data: ones } };
  return { ...batch, example_weights: { shape: [rows], data: ones } };
}

/**
 * How far a run that clips by the plain norm must follow a recording made with another one: until an update with a
 * learning rate has used moments of differently clipped gradients.
 */
function comparableSteps({ clip_norm, steps }: Recording): number {
  const scale = (norm: number) => clip_norm / Math.max(norm, clip_norm);
  let differentMoments = false;
  for (const [index, step] of steps.entries()) {
    const ours = scale(step.global_norm_dense);
    differentMoments ||= Math.abs(ours / scale(step.global_norm_official) - 1) > 1e-6;
    if (differentMoments && step.learning_rate !== 0) return index + 1;
  }
  return steps.length + 1;
}

async function expectState(opened: Case, after: TrainState): Promise<void> {
  const limit = LIMITS[opened.recording.optimizer].parameters;
  await expectTensors(join(opened.directory, "final_params.safetensors"), (name) => after.parameters.get(name), limit);
  const slots = join(opened.directory, "final_slots.safetensors");
  if (!existsSync(slots)) return;
  const slot = (name: string) =>
    name.endsWith("/adam_m") ? after.adamM.get(name.slice(0, -7)) : after.adamV.get(name.slice(0, -7));
  await expectTensors(slots, slot, limit);
}

/** Compares a file of tensors with ours; `name@rows` holds only the rows listed in `row_ids`. */
async function expectTensors(
  path: string,
  actual: (name: string) => Tensor | undefined,
  absolute: number,
): Promise<void> {
  const { tensors } = await readSafetensors(path);
  const rowIds = tensors.get("row_ids")?.data as Int32Array | undefined;
  let compared = 0;
  for (const [key, { data }] of tensors) {
    if (key === "row_ids") continue;
    const name = key.replace(/@rows(?=\/|$)/, "");
    const ours = actual(name);
    if (ours === undefined) expect.fail(`${name} was not trained`);
    const values = key.includes("@rows") ? rowsOf(ours, rowIds!) : ours.data;
    expectClose(values, data as Float32Array, { absolute }, name);
    compared += 1;
  }
  expect(compared).toBeGreaterThan(10);
}

function rowsOf({ shape, data }: Tensor, rows: Int32Array): Float32Array {
  const width = data.length / shape[0]!;
  const values = new Float32Array(rows.length * width);
  for (const [index, row] of rows.entries()) values.set(data.subarray(row * width, (row + 1) * width), index * width);
  return values;
}

describe.skipIf(missing("fixtures/optimizer", cases.length > 0))("training equals the official code", () => {
  beforeAll(async () => {
    await setBackend("cpu");
  });

  it.each(cases)("%s: learning rates and exclusions from decay", async (name) => {
    const { recording } = await open(name);
    const schedule = {
      shape: "official",
      learningRate: recording.init_lr,
      totalSteps: recording.num_train_steps,
      warmupSteps: recording.num_warmup_steps,
      power: recording.poly_power,
    } as const;
    const rates = recording.steps.map((_, step) => learningRateAt(schedule, step));
    expect(rates).toEqual(recording.steps.map((step) => step.learning_rate));
    const excluded = Object.keys(recording.gradient_kinds).filter(excludedFromDecay);
    expect(excluded.toSorted()).toEqual(recording.no_weight_decay.toSorted());
  });

  it.each(cases)("%s: gradients, and every update when clipped by the recorded norm", async (name) => {
    const opened = await open(name);
    const { recording } = opened;
    const limits = LIMITS[recording.optimizer];
    const after = await followRecording(opened, async (step, gradients, loss) => {
      expect(Math.abs(loss - recording.steps[step]!.loss), `loss of step ${step}`).toBeLessThan(limits.loss);
      const norm = Math.hypot(
        ...[...gradients.values()].map(({ data }) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0))),
      );
      expect(Math.abs(norm / recording.steps[step]!.global_norm_dense - 1)).toBeLessThan(LIMITS.norms);
      expect([...gradients.keys()].toSorted()).toEqual(Object.keys(recording.gradient_kinds).toSorted());
      if (step > 0) return;
      const file = join(opened.directory, "first_step_gradients.safetensors");
      await expectTensors(file, (variable) => gradients.get(variable), LIMITS.gradients);
    });
    await expectState(opened, after);
  });

  const withoutOpenVino = missing("OpenVINO (pip install openvino)", findOpenVino() !== undefined);
  describe.each([
    { kind: "onnx", device: "cpu" },
    { kind: "onnx", device: "openvino" },
    { kind: "tfjs", device: "cpu" },
  ] as const)("the $kind executor on $device, which clips by the plain norm", ({ kind, device }) => {
    const tried = device === "openvino" ? casesOnOpenVino() : cases;
    it.skipIf(device === "openvino" && withoutOpenVino).each(tried)("%s", async (name) => {
      const opened = await open(name);
      const { recording, spec, state, batch } = opened;
      const limits = LIMITS[recording.optimizer];
      const executor: Executor = await openExecutor(spec, state, { kind, device, threads: 1 });
      try {
        const comparable = comparableSteps(recording);
        // Eager steps are slow, and whole eager trajectories are compared above.
        const steps = kind === "tfjs" ? recording.steps.slice(0, 3) : recording.steps;
        for (const [index, recorded] of steps.entries()) {
          const result = await executor.step([batch], { learningRate: recorded.learning_rate, seed: [0, 0] });
          if (index >= comparable) continue;
          expect(Math.abs(result.loss - recorded.loss), `loss of step ${index}`).toBeLessThan(limits.loss);
          expect(Math.abs(result.gradNorm / recorded.global_norm_dense - 1), `norm of step ${index}`).toBeLessThan(
            LIMITS.norms,
          );
          if (recorded.masked_lm_loss === undefined) continue;
          expect(Math.abs(result.metrics["masked_lm_loss"]! - recorded.masked_lm_loss)).toBeLessThan(limits.loss);
          expect(Math.abs(result.metrics["sentence_order_loss"]! - recorded.sop_loss!)).toBeLessThan(limits.loss);
        }
        if (kind === "onnx" && comparable > recording.steps.length) {
          await expectState(opened, await executor.snapshot());
          const { loss } = await executor.step([batch], { learningRate: 0, seed: [0, 0] });
          expect(Math.abs(loss - recording.loss_after_last_step)).toBeLessThan(limits.loss);
        }
      } finally {
        await executor.close();
      }
    });
  });
});

/** Compiling takes longest: without `ALBERT_TEST_OPENVINO=all` one case of each optimizer is compiled. */
function casesOnOpenVino(): readonly string[] {
  if (process.env["ALBERT_TEST_OPENVINO"] === "all") return cases;
  const optimizer = (name: string) => name.split("_")[1];
  return cases.filter((name, index) => cases.findIndex((other) => optimizer(other) === optimizer(name)) === index);
}

/** `tidy` for results that hold no TensorFlow.js tensors. */
function inTidy<T>(run: () => T): T {
  let result: T | undefined;
  tidy(() => {
    result = run();
  });
  return result!;
}

/** Runs the recorded updates with the recorded norms, as the official code clips. */
async function followRecording(
  { recording, spec, state, batch }: Case,
  onStep: (step: number, gradients: ReadonlyMap<string, Tensor>, loss: number) => Promise<void>,
): Promise<TrainState> {
  const settings = optimizerSettings(spec.optimizer);
  let current = state;
  for (const [step, recorded] of recording.steps.entries()) {
    const { gradients, loss, next } = inTidy(() => {
      const toTfjs = ({ shape, data }: { shape: readonly number[]; data: Float32Array | Int32Array }): TfTensor =>
        tensor(data, [...shape], data instanceof Int32Array ? "int32" : "float32");
      const trainable = new Map([...current.parameters].map(([name, value]) => [name, toTfjs(value)]));
      const inputs = {
        batch: new Map(Object.entries(batch).map(([name, value]) => [name, toTfjs(value)])),
        scales: new Map(
          [...lossScales(spec.objective, [batch])].map(([name, scale]): [typeof name, Scalar] => [name, scalar(scale)]),
        ),
      };
      const result = lossAndGradients(spec, trainable, new Map(), inputs, NO_DROPOUT);
      const update = {
        learningRate: scalar(recorded.learning_rate),
        gradientScale: scalar(recording.clip_norm / Math.max(recorded.global_norm_official, recording.clip_norm)),
        correction1: scalar(1),
        correction2: scalar(1),
      };
      const fromTfjs = (value: TfTensor): Tensor => ({ shape: value.shape, data: Float32Array.from(value.dataSync()) });
      const after = {
        parameters: new Map(current.parameters),
        adamM: new Map<string, Tensor>(),
        adamV: new Map<string, Tensor>(),
      };
      for (const [name, gradient] of result.gradients) {
        const parameter = trainable.get(name)!;
        const zeros = { shape: parameter.shape, data: new Float32Array(parameter.size) };
        const before = {
          parameter,
          m: toTfjs(current.adamM.get(name) ?? zeros),
          v: toTfjs(current.adamV.get(name) ?? zeros),
        };
        const trained = updateParameter(settings, name, before, gradient, update);
        after.parameters.set(name, fromTfjs(trained.parameter));
        after.adamM.set(name, fromTfjs(trained.m));
        after.adamV.set(name, fromTfjs(trained.v));
      }
      for (const metric of Object.values(result.metrics)) metric.dispose();
      return {
        gradients: new Map([...result.gradients].map(([name, gradient]) => [name, fromTfjs(gradient)])),
        loss: result.loss.dataSync()[0]!,
        next: { ...after, ema: new Map<string, Tensor>(), globalStep: step + 1 },
      };
    });
    await onStep(step, gradients, loss);
    current = next;
  }
  return current;
}
