import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine, SequenceInput } from "../../src/runtime/engine.ts";
import { createEngine } from "../../src/runtime/packed-engine.ts";
import { ProfileCache } from "../../src/runtime/profile/profile-cache.ts";
import { bits, sequencesFor } from "../support/models/any-sequence.ts";
import { randomModel, withPoisonousToken } from "../support/models/random-model.ts";

const model = randomModel();
const V = model.config.vocabSize;
const anySequence = sequencesFor(model.config);

describe("an engine on the CPU", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine(model, { device: "cpu", calibrationMs: 0 });
  });
  afterAll(() => engine.close());

  it("answers exactly what was asked, in the promised shapes", async () => {
    await fc.assert(
      fc.asyncProperty(anySequence, async (sequence) => {
        const [output] = (await engine.run([sequence])).outputs;
        expect([...output!.keys()].sort()).toEqual([...sequence.outputs].sort());
        for (const [name, tensors] of output!) {
          const sizes = Object.fromEntries(Object.entries(tensors).map(([key, values]) => [key, values.length]));
          expect(sizes, name).toEqual(promised(name, sequence));
        }
      }),
      { numRuns: 40 },
    );
  });

  it("reads a batch in any order", async () => {
    const sequence = (length: number): SequenceInput => ({
      inputIds: Int32Array.from({ length }, (_, position) => (position * 13 + length) % V),
      tokenTypeIds: new Int32Array(length),
      outputs: ["sentiment", "@sequence"],
    });
    const lengths = [3, 60, 1, 17, 60, 2];
    const { outputs, cost } = await engine.run(lengths.map(sequence));
    const reversed = await engine.run(lengths.toReversed().map(sequence));
    expect(outputs.map(bits)).toEqual(reversed.outputs.toReversed().map(bits));
    expect(cost.tokens).toBe(143);
    expect(cost.runMs).toBeGreaterThan(0);
  });

  it("has no more places for beams than positions, and fills the rest as padding would", async () => {
    const sequence: SequenceInput = {
      inputIds: Int32Array.of(2, 5, 3),
      tokenTypeIds: new Int32Array(3),
      outputs: ["answer"],
      answerMask: Uint8Array.of(0, 1, 1),
      startTopN: 5,
      endTopN: 4,
    };
    const answer = (await engine.run([sequence])).outputs[0]!.get("answer")!;
    expect([...answer["startIndexes"]!]).toEqual([0, 1, 2, 3, 4]);
    expect([...answer["endIndexes"]!.slice(0, 4)]).toEqual([0, 1, 2, 3]);
    expect([...answer["startLogProbs"]!].map((value) => value > -1e29)).toEqual([true, false, false, false, false]);
  });

  it("refuses what its graph could not look up, naming every violation", async () => {
    const wrong: SequenceInput = {
      inputIds: Int32Array.of(2, V, -1),
      tokenTypeIds: Int32Array.of(0, 2, 0),
      outputs: ["fill", "nothing"],
      answerMask: Uint8Array.of(1),
      startTopN: 0,
    };
    const tooLong = { inputIds: new Int32Array(65), tokenTypeIds: new Int32Array(65), outputs: ["sentiment"] };
    await expect(engine.run([wrong, tooLong])).rejects.toMatchObject({
      code: "invalid-input",
      violations: [
        { field: "sequences[0].inputIds" },
        { field: "sequences[0].tokenTypeIds" },
        { field: "sequences[0].maskedPositions" },
        { field: "sequences[0].outputs" },
        { field: "sequences[0].answerMask" },
        { field: "sequences[0].startTopN" },
        { field: "sequences[1].inputIds" },
      ].map((violation) => expect.objectContaining(violation)),
    });
    await expect(engine.run([])).rejects.toMatchObject({ code: "invalid-input" });
  });

  it("predicts more time for more tokens", () => {
    expect(engine.predictMs([64])).toBeGreaterThan(0);
    expect(engine.predictMs(Array.from({ length: 64 }, () => 64))).toBeGreaterThan(engine.predictMs([8]));
    expect(engine.tokenBudget).toBeGreaterThanOrEqual(8);
  });

  it("names the sequences whose outputs are not finite", async () => {
    const other = await createEngine(withPoisonousToken(model, 7), { device: "cpu", calibrationMs: 0 });
    const sequence = (id: number, length: number): SequenceInput => ({
      inputIds: new Int32Array(length).fill(9).fill(id, 0, 1),
      tokenTypeIds: new Int32Array(length),
      outputs: ["sentiment", "span", "answer", "@sequence"],
    });
    const result = await other.run([sequence(7, 11), sequence(3, 2), sequence(7, 1), sequence(4, 11)]);
    expect(result.nonFinite).toEqual([0, 2]);
    await other.close();
  });

  it("names a variable that the model lacks or holds in another shape", async () => {
    const name = "bert/encoder/transformer/group_0/inner_group_0/attention_1/self/key/kernel";
    const without = new Map(model.parameters);
    without.delete(name);
    const misshapen = new Map(model.parameters).set(name, { shape: [2, 2], data: new Float32Array(4) });
    for (const parameters of [without, misshapen]) {
      await expect(createEngine({ ...model, parameters }, { device: "cpu" })).rejects.toMatchObject({
        code: "corrupt",
        message: expect.stringContaining(name),
      });
    }
  });

  it("leaves no file behind", async () => {
    const mine = () =>
      readdirSync(tmpdir()).filter((name) => /^albert-session-/.test(name) && name.includes(`-${process.pid}-`));
    const before = mine().length;
    const other = await createEngine(model, { device: "cpu", calibrationMs: 0 });
    expect(mine().length).toBe(before + 1);
    await other.close();
    expect(mine().length).toBe(before);
  });
});

function promised(name: string, sequence: SequenceInput): Record<string, number> {
  const T = sequence.inputIds.length;
  const K1 = sequence.startTopN ?? 5;
  const K2 = sequence.endTopN ?? 5;
  switch (name) {
    case "@pooled":
      return { values: model.config.hiddenSize };
    case "@sequence":
      return { values: T * model.config.hiddenSize };
    case "sentiment":
    case "order":
      return { logits: 2 };
    case "score":
    case "choice":
      return { logits: 1 };
    case "fill":
      return { logits: sequence.maskedPositions!.length * V };
    case "span":
      return { startLogits: T, endLogits: T };
    default:
      return {
        startLogProbs: K1,
        startIndexes: K1,
        endLogProbs: K1 * K2,
        endIndexes: K1 * K2,
        answerabilityLogit: 1,
      };
  }
}

describe("an engine whose shape was measured before", () => {
  it("takes the budget and the costs of the one that was, and is ready after one run", async () => {
    const profiles = new ProfileCache();
    const first = await createEngine(model, { device: "cpu", threads: 1, calibrationMs: 50, profiles });
    const second = await createEngine(model, { device: "cpu", threads: 1, calibrationMs: 10_000, profiles });
    expect(second.tokenBudget).toBe(first.tokenBudget);
    expect(second.predictMs([60])).toBe(first.predictMs([60]));
    const other = await createEngine(model, { device: "cpu", threads: 2, calibrationMs: 0, profiles });
    expect(other.predictMs([60])).not.toBe(first.predictMs([60]));
    await Promise.all([first, second, other].map((engine) => engine.close()));
  });
});
