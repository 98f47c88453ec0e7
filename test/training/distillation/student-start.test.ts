import "@tensorflow/tfjs-backend-cpu";
import { setBackend, tensor, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { type AlbertConfig, parseAlbertConfig } from "../../../src/model/config.ts";
import type { Model } from "../../../src/model/directory/model-directory.ts";
import { NO_DROPOUT } from "../../../src/model/forward/dropout.ts";
import { encode } from "../../../src/model/forward/encoder.ts";
import { initialiseParameters } from "../../../src/model/initialise.ts";
import { modelParameters } from "../../../src/model/parameters.ts";
import type { Parameters } from "../../../src/model/tensor.ts";
import { openStudent } from "../../../src/training/distillation/student-start.ts";
import { tinyModel } from "../../support/models/tiny-model.ts";
import { ALL_HEADS } from "../../support/models/tiny-model-directory.ts";

const { vocabulary } = tinyModel();
const head = ALL_HEADS.find(({ kind }) => kind === "classification")!;
const TEACHER = {
  ...{ vocab_size: 200, embedding_size: 32, hidden_size: 32, num_hidden_layers: 4, num_hidden_groups: 4 },
  ...{ num_attention_heads: 4, intermediate_size: 48, max_position_embeddings: 24, initializer_range: 0.5 },
};
const config = parseAlbertConfig(TEACHER).config;

/** A teacher whose embeddings vary most in a few directions, as those of trained models do. */
function teacherOf(): Model {
  const parameters = initialiseParameters(modelParameters(config, [head]), 4);
  const table = parameters.get("bert/embeddings/word_embeddings")!.data;
  for (let i = 0; i < table.length; i++) table[i]! *= i % 32 < 8 ? 4 : 0.2;
  return {
    config,
    heads: [head],
    parameters,
    vocabulary,
    digest: "t",
    manifest: { heads: [head] },
    warnings: [],
  } as never;
}

const student = (changes: object) => JSON.stringify({ ...TEACHER, num_hidden_groups: 1, ...changes });

/** What the first block reads of some words. */
function blockInput(of: AlbertConfig, parameters: Parameters): number[] {
  return tidy(() => {
    const variables = new Map([...parameters].map(([name, { shape, data }]) => [name, tensor(data, [...shape])]));
    const ids = Array.from({ length: 48 }, (_, i) => (i * 7) % 200);
    const inputs = {
      inputIds: tensor2d(ids, [4, 12], "int32"),
      inputMask: tensor2d(
        ids.map(() => 1),
        [4, 12],
      ),
      segmentIds: tensor2d(
        ids.map((_, i) => (i % 12 > 7 ? 1 : 0)),
        [4, 12],
        "int32",
      ),
    };
    return [...encode(of, variables, inputs, NO_DROPOUT).blockInput.dataSync()];
  });
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  const dot = (x: readonly number[], mx: number, y: readonly number[], my: number) =>
    x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0);
  return dot(a, ma, b, mb) / Math.sqrt(dot(a, ma, a, ma) * dot(b, mb, b, mb));
}

beforeAll(async () => {
  await setBackend("cpu");
});

describe("a student given as an architecture", () => {
  const block = (group: number) =>
    `bert/encoder/transformer/group_${group}/inner_group_0/attention_1/self/query/kernel`;

  it("begins with the teacher's head, pooler, embeddings, and its block at the depth of each group", async () => {
    const teacher = teacherOf();
    const started = await openStudent({ kind: "student", architecture: student({}) }, teacher, "teacher", 1);
    const same = (name: string, from = name) =>
      expect([...started.parameters.get(name)!.data], name).toEqual([...teacher.parameters.get(from)!.data]);
    for (const name of ["bert/embeddings/word_embeddings", "bert/pooler/dense/kernel", "output_weights"]) same(name);
    same(block(0));
    expect(started.heads).toEqual([head]);
    const two = await openStudent(
      { kind: "student", architecture: student({ num_hidden_groups: 2, num_hidden_layers: 2 }) },
      teacher,
      "teacher",
      1,
    );
    expect([...two.parameters.get(block(1))!.data]).toEqual([...teacher.parameters.get(block(3))!.data]);
  });

  it("of narrower embeddings begins with those that come nearest to what the teacher's first block reads", async () => {
    const teacher = teacherOf();
    const aims = blockInput(config, teacher.parameters);
    const near = async (from: "teacher" | "random") => {
      const started = await openStudent(
        { kind: "student", architecture: student({ embedding_size: 12 }) },
        teacher,
        from,
        1,
      );
      return correlation(blockInput(started.config, started.parameters), aims);
    };
    expect(await near("teacher")).toBeGreaterThan(0.8);
    expect(Math.abs(await near("random"))).toBeLessThan(0.2);
  });

  it("that nothing of the teacher fits begins at random, and says so", async () => {
    const narrow = student({ hidden_size: 16, embedding_size: 8, intermediate_size: 24 });
    const started = await openStudent({ kind: "student", architecture: narrow }, teacherOf(), "teacher", 1);
    expect(started.warnings.join()).toMatch(/no weight of the teacher fits a student of hidden size 16/);
    expect(started.heads).toEqual([]);
  });

  it("has as many pieces as its teacher where the architecture does not say", async () => {
    const { vocab_size: _, ...rest } = TEACHER;
    const started = await openStudent(
      { kind: "student", architecture: JSON.stringify(rest) },
      teacherOf(),
      "teacher",
      1,
    );
    expect(started.config.vocabSize).toBe(200);
  });
});
