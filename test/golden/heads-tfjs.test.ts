import "@tensorflow/tfjs-backend-cpu";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  logSoftmax,
  ones,
  reshape,
  scalar,
  setBackend,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor1d,
  tidy,
} from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/model/checkpoint/open-checkpoint.ts";
import type { AlbertConfig } from "../../src/model/config.ts";
import { readSafetensors } from "../../src/model/formats/safetensors.ts";
import { NO_DROPOUT } from "../../src/model/forward/dropout.ts";
import { encode } from "../../src/model/forward/encoder.ts";
import {
  type AnswerabilityHead,
  answerabilityLogits,
  endLogits,
  startLogits,
} from "../../src/model/forward/heads/answerability.ts";
import { pooledLogits } from "../../src/model/forward/heads/classification.ts";
import { spanLogits } from "../../src/model/forward/heads/span.ts";
import { pool } from "../../src/model/forward/pooler.ts";
import type { Variables } from "../../src/model/forward/variables.ts";
import type { Head } from "../../src/model/heads.ts";
import type { Tensor as Parameter } from "../../src/model/tensor.ts";
import { readJsonObject } from "../../src/platform/json-file.ts";
import { objectiveLoss } from "../../src/training/objective-loss.ts";
import { objectiveOf } from "../../src/training/objectives.ts";
import { expectClose } from "../support/closeness.ts";
import { fixture, missing } from "../support/fixtures.ts";
import { type FixtureTensors, fixtureTensor, trunkInputs, variablesOf } from "./forward-inputs.ts";

const TOLERANCE = { absolute: 2e-5 };
/** Masked positions carry -1e30; their exact value means nothing. */
const MASKED = -1e29;

const root = fixture("heads");
const cases =
  root === undefined ? [] : readdirSync(root).filter((name) => existsSync(join(root, name, "expected.safetensors")));

interface HeadCase {
  readonly config: AlbertConfig;
  readonly head: Head;
  readonly variables: Variables;
  readonly tensors: FixtureTensors;
  readonly expected: Record<string, unknown>;
}

async function open(name: string): Promise<HeadCase> {
  const directory = join(root!, name);
  const expected = await readJsonObject(join(directory, "expected.json"));
  const { tensors } = await readSafetensors(join(directory, "expected.safetensors"));
  const { tensors: headVariables } = await readSafetensors(join(directory, "head.safetensors"));
  const body = fixture("models", String(expected["body"] ?? "tiny-en"))!;
  const own = readdirSync(directory).find((file) => file.endsWith(".index"));
  const path = own === undefined ? join(body, "model.ckpt-best") : join(directory, own.replace(/\.index$/, ""));
  const { config, parameters } = await openCheckpoint(path, {
    config: join(body, "albert_config.json"),
    heads: { choices: [] },
  });
  // Every variable of a head file is float32.
  const all = new Map([...parameters, ...(headVariables as ReadonlyMap<string, Parameter>)]);
  return { config, head: headOf(headVariables, tensors), variables: variablesOf(all), tensors, expected };
}

function headOf(variables: FixtureTensors, tensors: FixtureTensors): Head {
  if (variables.has("start_logits/dense/kernel")) return { kind: "span-answerability", name: "answer" };
  if (variables.has("cls/squad/output_weights")) return { kind: "span", name: "span" };
  if (tensors.get("input_ids")!.shape.length === 3) return { kind: "multiple-choice", name: "choice" };
  const count = variables.get("output_weights")!.shape[0]!;
  const labels = Array.from({ length: count }, (_, index) => `${index}`);
  const regression = tensors.get("label_ids")!.data instanceof Float32Array;
  return { kind: "classification", name: "label", problemType: regression ? "regression" : "single-label", labels };
}

/** The loss by the function that training differentiates. */
function trainingLoss({ config, head, variables, tensors }: HeadCase): number {
  const batch = new Map<string, Tensor>();
  for (const name of ["input_ids", "segment_ids", "start_positions", "end_positions"]) {
    if (tensors.has(name)) batch.set(name, fixtureTensor(tensors, name));
  }
  for (const name of ["input_mask", "p_mask", "is_impossible"]) {
    if (tensors.has(name)) batch.set(name, fixtureTensor(tensors, name, "float32"));
  }
  const regression = head.kind === "classification" && head.problemType === "regression";
  if (tensors.has("label_ids")) {
    batch.set(regression ? "label_values" : "label_ids", fixtureTensor(tensors, "label_ids"));
  }
  const shape = tensors.get("input_ids")!.shape;
  batch.set("example_weights", ones([shape[0]!]));
  if (shape.length === 3) batch.set("choice_mask", ones([shape[0]!, shape[1]!]));
  const spec = {
    config,
    objective: objectiveOf(head),
    optimizer: { kind: "adamw-official" },
    headDropout: 0.1,
  } as const;
  const inputs = { batch, scales: new Map([["examples", scalar(1 / shape[0]!)]] as const) };
  return objectiveLoss(spec, variables, inputs, NO_DROPOUT).loss.dataSync()[0]!;
}

describe.skipIf(missing("fixtures/heads", cases.length > 0))("heads in TensorFlow.js equal the official code", () => {
  beforeAll(async () => {
    await setBackend("cpu");
  });

  it.each(cases)("%s: logits and training loss", async (name) => {
    const opened = await open(name);
    const { config, head, variables, tensors, expected } = opened;
    tidy(() => {
      const trunk = encode(config, variables, trunkInputs(tensors), NO_DROPOUT);
      const compare = (what: string, actual: Tensor) =>
        expectClose(actual.dataSync(), tensors.get(what)!.data as Float32Array, TOLERANCE, what);
      if (head.kind === "span-answerability") {
        const part = {
          config,
          variables,
          head,
          trunk,
          answerMask: fixtureTensor<Tensor2D>(tensors, "p_mask", "float32"),
        };
        compareAnswerability(part, tensors);
        const train = expected["train"] as { loss: number };
        expect(Math.abs(trainingLoss(opened) - train.loss)).toBeLessThan(TOLERANCE.absolute);
        return;
      }
      if (head.kind === "span") {
        const logits = spanLogits(variables, head, trunk.sequenceOutput, trunk.rows, trunk.length);
        compare("start_logits", logits.start);
        compare("end_logits", logits.end);
      } else {
        compare("logits", pooledLogits(variables, head, pool(config, variables, trunk)));
      }
      const loss = Number(expected["loss"]);
      expect(Math.abs(trainingLoss(opened) - loss)).toBeLessThan(TOLERANCE.absolute * Math.max(1, loss));
    });
  });
});

function compareAnswerability(part: AnswerabilityHead, tensors: FixtureTensors): void {
  const start = startLogits(part);
  const startLogProbs = logSoftmax(start);
  expectLogProbs(startLogProbs, tensors.get("train/start_log_probs")!.data as Float32Array, "start");
  const end = logSoftmax(endLogits(part, fixtureTensor<Tensor1D>(tensors, "start_positions")));
  expectLogProbs(end, tensors.get("train/end_log_probs")!.data as Float32Array, "end");
  const unanswerable = answerabilityLogits(part, start, NO_DROPOUT, 0);
  for (const name of [...tensors.keys()].filter((key) => key.endsWith("/cls_logits"))) {
    expectClose(unanswerable.dataSync(), tensors.get(name)!.data as Float32Array, TOLERANCE, name);
  }
  for (const name of [...tensors.keys()].filter((key) => /^predict_\d+x\d+\/start_top_index$/.test(key))) {
    compareBeam(part, startLogProbs, tensors, name.slice(0, name.indexOf("/")));
  }
}

/** The best starts, and for each the best ends: what the same functions give at inference. */
function compareBeam(part: AnswerabilityHead, startLogProbs: Tensor, tensors: FixtureTensors, prefix: string): void {
  const starts = tensors.get(`${prefix}/start_top_index`)!;
  const [rows, startWidth] = starts.shape as [number, number];
  const ends = tensors.get(`${prefix}/end_top_index`)!;
  const endWidth = ends.shape[1]! / startWidth;
  const bestStarts = topRows(startLogProbs, startWidth);
  expect(bestStarts.map(({ index }) => index)).toEqual(Array.from(starts.data as Int32Array));
  expectLogProbs(bestStarts, tensors.get(`${prefix}/start_top_log_probs`)!.data as Float32Array, `${prefix} starts`);
  for (let k = 0; k < startWidth; k++) {
    const given = tensor1d(
      Array.from({ length: rows }, (_, row) => bestStarts[row * startWidth + k]!.index),
      "int32",
    );
    const bestEnds = topRows(logSoftmax(endLogits(part, given)), endWidth);
    const slice = <T>(values: ArrayLike<T>): T[] =>
      Array.from({ length: rows * endWidth }, (_, index) => {
        const row = Math.trunc(index / endWidth);
        return values[row * startWidth * endWidth + k * endWidth + (index % endWidth)]!;
      });
    expect(bestEnds.map(({ index }) => index)).toEqual(slice(ends.data as Int32Array));
    const expected = slice(tensors.get(`${prefix}/end_top_log_probs`)!.data as Float32Array);
    expectLogProbs(bestEnds, expected, `${prefix} ends of start ${k}`);
  }
}

interface Ranked {
  readonly index: number;
  readonly value: number;
}

/** The largest values of each row with their places; of equal ones, the first. */
function topRows(matrix: Tensor, count: number): Ranked[] {
  const rows = (reshape(matrix, [-1, matrix.shape.at(-1)!]) as Tensor2D).arraySync();
  return rows.flatMap((row) =>
    row
      .map((value, index) => ({ index, value }))
      .sort((a, b) => b.value - a.value || a.index - b.index)
      .slice(0, count),
  );
}

function expectLogProbs(actual: Tensor | readonly Ranked[], expected: ArrayLike<number>, what: string): void {
  const values = Array.isArray(actual) ? actual.map(({ value }) => value) : Array.from((actual as Tensor).dataSync());
  const clamp = (value: number) => (value <= MASKED ? Number.NEGATIVE_INFINITY : value);
  expectClose(values.map(clamp), Array.from(expected, clamp), TOLERANCE, what);
}
