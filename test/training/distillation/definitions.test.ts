import "@tensorflow/tfjs-backend-cpu";
import { setBackend } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { AlbertConfig } from "../../../src/model/config.ts";
import { NO_DROPOUT } from "../../../src/model/forward/dropout.ts";
import { blockScopes } from "../../../src/model/forward/encoder.ts";
import { PROJECTIONS, uniformLayers } from "../../../src/training/distillation/distillation.ts";
import { wholeTrunk } from "../../../src/training/step/forward-pass.ts";
import { SIZES, TINY } from "../tiny-training.ts";
import {
  type Case,
  caseOf,
  eager,
  lossInputs,
  type Parameters,
  TEACHER,
  toVariables,
  WEIGHTS,
} from "./tiny-distillation.ts";

// The losses of states inside the trunks, told once more as the papers define them, in plain numbers.

/** Rows of numbers. */
type Matrix = readonly (readonly number[])[];

beforeAll(async () => {
  await setBackend("cpu");
});

/** What every block reads and gives: [blocks + 1][tokens][H]. */
function statesOf({ spec, ...one }: Case, config: AlbertConfig, parameters: Parameters): Matrix[] {
  const { batch } = lossInputs({ spec, ...one });
  const pass = { spec: { ...spec, config }, variables: toVariables(parameters), batch, dropout: NO_DROPOUT };
  const { blockInput, blocks } = wholeTrunk(pass);
  return [blockInput, ...blocks].map((state) => state.arraySync() as number[][]);
}

function valuesOf(parameters: Parameters, name: string): Matrix {
  const { shape, data } = parameters.get(name)!;
  const [rows, columns] = shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!];
  return Array.from({ length: rows }, (_, row) => [...data.subarray(row * columns, (row + 1) * columns)]);
}

const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0]!.map((_, column) => row.reduce((sum, value, i) => sum + value * b[i]![column]!, 0)));
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The tokens of each sequence that are no padding, by their place among all tokens. */
function sequencesOf({ batch }: Case): number[][] {
  const { shape, data } = batch["input_mask"]!;
  const length = shape.at(-1)!;
  return Array.from({ length: data.length / length }, (_, row) =>
    Array.from({ length }, (_, at) => row * length + at).filter((token) => data[token] === 1),
  );
}

/** softmax(x x^T / sqrt(d)) of one head over the tokens of a sequence. */
function relation(x: Matrix, tokens: readonly number[], from: number, width: number): Matrix {
  const part = tokens.map((token) => x[token]!.slice(from, from + width));
  return part.map((row) => {
    const scores = part.map((other) => row.reduce((sum, value, i) => sum + value * other[i]!, 0) / Math.sqrt(width));
    const exponentials = scores.map(Math.exp);
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    return exponentials.map((value) => value / total);
  });
}

/** Queries, keys and values of a block, each [tokens][H]. */
function projected(config: AlbertConfig, parameters: Parameters, states: readonly Matrix[], block: number): Matrix[] {
  const scope = `${blockScopes(config)[block - 1]!}/attention_1/self`;
  return ["query", "key", "value"].map((name) => {
    const [bias] = valuesOf(parameters, `${scope}/${name}/bias`);
    const x = product(states[block - 1]!, valuesOf(parameters, `${scope}/${name}/kernel`));
    return x.map((row) => row.map((value, i) => value + bias![i]!));
  });
}

describe.each(["classification", "multiple-choice", "span"])("the states of a distilled %s", (kind) => {
  it("lack, of the teacher's, the mean squared difference of their learnt images (TinyBERT)", () => {
    const one = caseOf(kind, { ...WEIGHTS, hidden: 1 });
    const [own, other] = [statesOf(one, TINY, one.parameters), statesOf(one, TEACHER, one.teacher)];
    const pairs = uniformLayers(TINY, TEACHER);
    expect(pairs).toEqual([
      [0, 0],
      [1, 1],
      [2, 3],
      [3, 4],
    ]);
    const sequences = sequencesOf(one).map((tokens) =>
      mean(
        pairs.flatMap(([block, aim]) => {
          const image = valuesOf(one.parameters, block === 0 ? PROJECTIONS.embeddings : PROJECTIONS.hidden);
          const projection = product(own[block]!, image);
          return tokens.flatMap((token) =>
            projection[token]!.map((value, i) => (value - other[aim]![token]![i]!) ** 2),
          );
        }),
      ),
    );
    expect(eager(one).metrics["hidden_loss"]).toBeCloseTo(mean(sequences), 4);
  });

  it("lack, of the teacher's, the divergence of their relations (MiniLMv2)", () => {
    const one = caseOf(kind, { ...WEIGHTS, relations: 1 });
    const { relationHeads, relationLayer } = one.spec.distillation!;
    const own = projected(TINY, one.parameters, statesOf(one, TINY, one.parameters), TINY.numHiddenLayers);
    const aims = projected(TEACHER, one.teacher, statesOf(one, TEACHER, one.teacher), relationLayer);
    const sequences = sequencesOf(one).map((tokens) =>
      mean(
        own.flatMap((x, part) =>
          Array.from({ length: relationHeads }, (_, head) => {
            const relationOf = (matrix: Matrix, { hiddenSize }: AlbertConfig) => {
              const width = hiddenSize / relationHeads;
              return relation(matrix, tokens, head * width, width);
            };
            const [student, teacher] = [relationOf(x, TINY), relationOf(aims[part]!, TEACHER)];
            return mean(
              teacher.map((row, at) => row.reduce((sum, p, i) => sum + p * Math.log(p / student[at]![i]!), 0)),
            );
          }),
        ),
      ),
    );
    expect(eager(one).metrics["relation_loss"]).toBeCloseTo(mean(sequences), 5);
  });

  it("have something to lack, and rows of different lengths", () => {
    const { hidden_loss, relation_loss } = eager(caseOf(kind, { ...WEIGHTS, hidden: 1, relations: 1 })).metrics;
    expect(Math.min(hidden_loss!, relation_loss!)).toBeGreaterThan(1e-3);
    const lengths = sequencesOf(caseOf(kind, { ...WEIGHTS, hidden: 1 })).map(({ length }) => length);
    expect(new Set(lengths).size).toBeGreaterThan(1);
    expect(lengths.length % SIZES.examples).toBe(0);
  });
});
