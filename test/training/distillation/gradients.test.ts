import "@tensorflow/tfjs-backend-cpu";
import { setBackend, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { encodeModel } from "../../../src/graph/onnx/serialise.ts";
import { toGraph } from "../../../src/graph/trace/trace.ts";
import { NO_DROPOUT } from "../../../src/model/forward/dropout.ts";
import { floatValues, hostTensor, TrainingSession } from "../../../src/runtime/session/training-session.ts";
import type { Distillation } from "../../../src/training/distillation/distillation.ts";
import { batchSignature, lossScales } from "../../../src/training/executors/gradient-accumulation.ts";
import { objectiveLoss } from "../../../src/training/objective-loss.ts";
import { teacherInput, traceAccumulation } from "../../../src/training/step/step-graph.ts";
import type { Batch } from "../../../src/training/step/training-step.ts";
import { expectClose } from "../../support/closeness.ts";
import { randomNumbers, TINY } from "../tiny-training.ts";
import {
  type Case,
  caseOf,
  eager,
  lossInputs,
  type Parameters,
  TERMS,
  toVariables,
  WEIGHTS,
} from "./tiny-distillation.ts";

vi.setConfig({ testTimeout: 120_000 });

async function onRuntime({ spec, parameters, batch }: Case) {
  const traced = traceAccumulation({ spec, device: "cpu", parameters }, batchSignature(spec, batch));
  const session = await TrainingSession.open(encodeModel(toGraph("test", traced.graph)).bytes, {
    device: "cpu",
    threads: 1,
  });
  const scales = lossScales(spec.objective, [batch]);
  const teacher = new Map(
    [...(spec.distillation?.teacher?.parameters ?? [])].map(([name, { data }]) => [teacherInput(name), data]),
  );
  const value = (name: string, size: number) => {
    const [kind, ...rest] = name.split("/");
    const key = rest.join("/");
    if (teacher.has(name)) return teacher.get(name)!;
    if (kind === "parameter") return parameters.get(key)!.data;
    if (kind === "batch") return batch[key]!.data;
    if (kind === "scale") return Float32Array.of([...scales].find(([term]) => term === key)![1]);
    return new Float32Array(size);
  };
  try {
    const size = (shape: readonly number[]) => shape.reduce((product, dim) => product * dim, 1);
    const feeds = traced.graph.inputs.map(
      ({ name, shape }) => [name, hostTensor(value(name, size(shape)), shape)] as const,
    );
    const outputs = traced.graph.outputs.map(({ name }) => [name, null] as const);
    const results = await session.run(Object.fromEntries(feeds), Object.fromEntries(outputs));
    const gradients = traced.trained.map((name): [string, Float32Array] => [
      name,
      floatValues(results[`next/gradient/${name}`]!).slice(),
    ]);
    return { loss: floatValues(results["loss"]!)[0]!, gradients: new Map(gradients) };
  } finally {
    await session.close();
  }
}

function lossAt(one: Case, parameters: Parameters): number {
  return tidy(() => objectiveLoss(one.spec, toVariables(parameters), lossInputs(one), NO_DROPOUT).loss.dataSync()[0]!);
}

function expectFiniteDifferences(one: Case, gradients: ReadonlyMap<string, Float32Array>, random: () => number): void {
  const direction = new Map([...one.parameters].map(([name, { data }]) => [name, data.map(() => random() - 0.5)]));
  let along = 0;
  for (const [name, gradient] of gradients) {
    for (const [index, value] of gradient.entries()) along += value * direction.get(name)![index]!;
  }
  const at = (distance: number) =>
    lossAt(
      one,
      new Map(
        [...one.parameters].map(([name, { shape, data }]) => [
          name,
          { shape, data: data.map((value, index) => value + distance * direction.get(name)![index]!) },
        ]),
      ),
    );
  const h = 2e-3;
  const difference = (distance: number) => at(distance) - at(-distance);
  const measured = (8 * difference(h) - difference(2 * h)) / (12 * h);
  expect(Math.abs(measured - along)).toBeLessThan(4e-3 * Math.max(0.5, Math.abs(along)));
}

/** Traced and eager agree, and with finite differences along a random direction. */
async function expectGradient(one: Case, random: () => number): Promise<void> {
  const first = eager(one);
  const second = await onRuntime(one);
  expect(Math.abs(second.loss - first.loss)).toBeLessThan(2e-6 * Math.max(1, first.loss));
  expect([...second.gradients.keys()]).toEqual([...first.gradients.keys()]);
  const largest = Math.max(...[...first.gradients.values()].map((values) => Math.max(...values.map(Math.abs))));
  expect(largest).toBeGreaterThan(0);
  for (const [name, values] of first.gradients) {
    expectClose(second.gradients.get(name)!, values, { absolute: 1e-5 * largest, relative: 1e-4 }, name);
  }
  expectFiniteDifferences(one, first.gradients, random);
}

const KINDS = ["classification", "regression", "multi-label", "multiple-choice", "span", "span-answerability"];

beforeAll(async () => {
  await setBackend("cpu");
});

describe.each(KINDS)("the gradient of a distilled %s", (kind) => {
  it.each(Object.keys(TERMS) as (keyof typeof TERMS)[])(
    "is the same traced and eager, and that of finite differences (%s)",
    async (term) => {
      await expectGradient(caseOf(kind, TERMS[term]), randomNumbers(term.length + kind.length));
    },
  );
});

describe("the losses of a distillation", () => {
  /** A teacher that is the student. */
  function own(kind: string, weights: Distillation["weights"]): Case {
    const one = caseOf(kind, weights);
    const { distillation, objective } = one.spec;
    const teacher = { config: TINY, head: objective.heads[0]!, parameters: one.parameters };
    const relationLayer = TINY.numHiddenLayers;
    return {
      ...one,
      teacher: one.parameters,
      spec: { ...one.spec, distillation: { ...distillation!, teacher, relationLayer } },
    };
  }

  it.each(KINDS)("are 0 for answers and relations of a student that is its teacher (%s)", (kind) => {
    const { metrics } = eager(own(kind, { ...WEIGHTS, soft: 1, relations: 1 }));
    expect(metrics["soft_loss"]).toBeCloseTo(0, 6);
    expect(metrics["relation_loss"]).toBeCloseTo(0, 6);
  });

  it("are, for stored answers at a temperature, T^2 times the divergence, and labels count only where there is one", () => {
    const one = caseOf("classification", { ...WEIGHTS, hard: 0.25, soft: 2 }, "stored");
    const parameters = new Map(one.parameters);
    const bias = [0.5, -1, 0.25];
    parameters.set("output_weights", { shape: [3, 8], data: new Float32Array(24) });
    parameters.set("output_bias", { shape: [3], data: Float32Array.from(bias) });
    const answers = [2, 0, -1, 0, 3, 1, -2, 0.5, 0, 1, 1, 1];
    const batch: Batch = {
      ...one.batch,
      teacher_logits: { shape: [4, 3], data: Float32Array.from(answers) },
      label_ids: { shape: [4], data: Int32Array.of(0, 2, 1, 1) },
      label_weights: { shape: [4], data: Float32Array.of(1, 0, 1, 0) },
      example_weights: { shape: [4], data: Float32Array.of(1, 1, 1, 0) },
    };
    const logSoftmax = (logits: readonly number[]) => {
      const sum = logits.reduce((total, value) => total + Math.exp(value), 0);
      return logits.map((value) => value - Math.log(sum));
    };
    const T = 1.7;
    const student = logSoftmax(bias.map((value) => value / T));
    const soft = [0, 1, 2].map((row) => {
      const target = logSoftmax(answers.slice(3 * row, 3 * row + 3).map((value) => value / T));
      return T * T * target.reduce((total, value, i) => total + Math.exp(value) * (value - student[i]!), 0);
    });
    const plain = logSoftmax(bias);
    const hard = (-plain[0]! - plain[1]!) / 2;
    const mean = soft.reduce((total, value) => total + value, 0) / 3;
    const { loss, metrics } = eager({ ...one, parameters, batch });
    expect(metrics["soft_loss"]).toBeCloseTo(mean, 5);
    expect(loss).toBeCloseTo(0.25 * hard + 2 * mean, 5);
    expect(metrics["weight"]).toBe(2);
  });

  it("do not depend on how a text is padded", () => {
    const one = caseOf("classification", TERMS.everything);
    const widen = (name: string) => {
      const { shape, data } = one.batch[name]!;
      const wide = data instanceof Int32Array ? new Int32Array(4 * 11) : new Float32Array(4 * 11);
      for (let row = 0; row < shape[0]!; row++) wide.set(data.subarray(row * 8, row * 8 + 8) as never, row * 11);
      return { shape: [4, 11], data: wide };
    };
    const names = ["input_ids", "input_mask", "segment_ids"];
    const batch = { ...one.batch, ...Object.fromEntries(names.map((name) => [name, widen(name)])) };
    expect(eager({ ...one, batch }).loss).toBeCloseTo(eager(one).loss, 5);
  });
});

describe("masked words with a teacher", () => {
  const taught = (hard: number, soft: number) => caseOf("pretraining", { ...WEIGHTS, hard, soft });

  it.each([
    [0.5, 1.5],
    [0, 2],
  ])(
    "have the same gradient traced and eager, and that of finite differences (text %s, teacher %s)",
    async (hard, soft) => {
      await expectGradient(taught(hard, soft), randomNumbers(7));
    },
  );

  it("cost T^2 times the divergence from what the teacher expects, besides the loss of the text", () => {
    const one = taught(0.25, 2);
    const biased = (parameters: Parameters, size: number, factor: number): [Parameters, number[]] => {
      // Without embeddings the expectations are the biases.
      const bias = Array.from({ length: TINY.vocabSize }, (_, i) => factor * Math.sin(i * factor));
      const changed = new Map(parameters);
      changed.set("bert/embeddings/word_embeddings", {
        shape: [TINY.vocabSize, size],
        data: new Float32Array(TINY.vocabSize * size),
      });
      changed.set("cls/predictions/output_bias", { shape: [TINY.vocabSize], data: Float32Array.from(bias) });
      return [changed, bias];
    };
    const [parameters, own] = biased(one.parameters, TINY.embeddingSize, 1.3);
    const [teacher, aim] = biased(one.teacher, 6, 2.1);
    const logSoftmax = (logits: readonly number[]) => {
      const sum = logits.reduce((total, value) => total + Math.exp(value), 0);
      return logits.map((value) => value - Math.log(sum));
    };
    const T = 1.7;
    const [student, target] = [own, aim].map((logits) => logSoftmax(logits.map((value) => value / T)));
    const expected = T * T * target!.reduce((sum, value, i) => sum + Math.exp(value) * (value - student![i]!), 0);
    const { loss, metrics } = eager({ ...one, parameters, teacher });
    expect(metrics["soft_loss"]).toBeCloseTo(expected, 4);
    const { distillation: _, ...plain } = one.spec;
    const text = eager({ ...one, parameters, teacher, spec: plain }).loss;
    expect(loss).toBeCloseTo(0.25 * text + 2 * expected, 4);
  });

  it("cost nothing of a teacher that is the student", () => {
    const one = taught(0, 1);
    const head = one.spec.objective.heads[0]!;
    const distillation = { ...one.spec.distillation!, teacher: { config: TINY, head, parameters: one.parameters } };
    expect(eager({ ...one, teacher: one.parameters, spec: { ...one.spec, distillation } }).loss).toBeCloseTo(0, 5);
  });
});
