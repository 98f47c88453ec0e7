import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import { albert, tinyFolder, writeTinyClassifier } from "../tiny-run.ts";

const folder = tinyFolder();
afterAll(() => folder.remove());

const source = join(folder.path, "source");
const ROWS = 40;
let data: string;

beforeAll(async () => {
  const sizes = { embedding_size: 64, hidden_size: 128, intermediate_size: 256 };
  ({ data } = await writeTinyClassifier(folder, sizes, ROWS, { lineage: { parent: "p" } }));
});

const size = (directory: string) => statSync(join(directory, "model.safetensors")).size;

describe("albert convert", () => {
  it("puts the word embeddings into a file of their own, which is the same for every model that has them", async () => {
    const outputs = ["apart-a", "apart-b"].map((name) => join(folder.path, name));
    for (const output of outputs) {
      const flags = ["--weights", "int8", "--embeddings-apart", "--output", output];
      expect((await albert("convert", source, ...flags)).error).toBeUndefined();
    }
    const [a, b] = outputs.map((output) => readFileSync(join(output, "embeddings.safetensors")));
    expect(a!.equals(b!)).toBe(true);
    const whole = join(folder.path, "whole");
    await albert("convert", source, "--weights", "int8", "--output", whole);
    expect((await openModelDirectory(outputs[0]!)).parameters).toEqual((await openModelDirectory(whole)).parameters);
  });

  it.each([
    ["float16", 0.55, 1e-3],
    ["int8", 0.45, 2e-2],
  ])("stores weights as %s in fewer bytes, near to what they were", async (weights, share, error) => {
    const output = join(folder.path, weights);
    const { error: failure } = await albert("convert", source, "--weights", weights, "--output", output);
    expect(failure).toBeUndefined();
    expect(size(output)).toBeLessThan(size(source) * share);
    const [before, after] = [await openModelDirectory(source), await openModelDirectory(output)];
    expect(after.manifest).toMatchObject({ name: weights, weights, heads: before.heads });
    expect(after.manifest.lineage).toEqual({ parent: "p", converted: { from: before.digest, weights } });
    expect(after.manifest.metrics).toBeUndefined();
    expect(after.digest).not.toBe(before.digest);
    for (const [name, { data: expected }] of before.parameters) {
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const found = after.parameters.get(name)!.data;
      expect(
        expected.every((value, i) => Math.abs(value - found[i]!) <= largest * error),
        name,
      ).toBe(true);
    }
  });

  it("measures both on data, keeps that with the version and shows it", async () => {
    const output = join(folder.path, "measured");
    const flags = ["--weights", "int8", "--task", "classification", "--data", data, "--output", output, "--json"];
    const { printed, error } = await albert("convert", source, ...flags);
    expect(error).toBeUndefined();
    const { measured } = JSON.parse(printed);
    expect(measured).toMatchObject({ task: "classification", examples: ROWS });
    const evaluated = async (model: string) =>
      JSON.parse(
        (await albert("evaluate", "--task", "classification", "--model", model, "--data", data, "--json")).printed,
      ).metrics;
    expect(measured.before).toEqual(await evaluated(source));
    expect(measured.after).toEqual(await evaluated(output));
    expect(measured.changedAnswers).toBeLessThan(ROWS / 4);
    const { manifest } = await openModelDirectory(output);
    expect(manifest.metrics).toEqual(measured.after);
    expect(manifest.lineage?.converted?.measured).toEqual(measured);
    const shown = (await albert("inspect", output)).printed;
    expect(shown).toMatch(/weights {5}int8, converted from [0-9a-f]{64}\n/);
    expect(shown).toContain(`${measured.changedAnswers} of ${ROWS} answers changed`);
  });

  it("refuses half of what a measurement needs, and values that no half holds", async () => {
    const output = join(folder.path, "refused");
    const half = await albert("convert", source, "--weights", "int8", "--output", output, "--data", data);
    expect(half.error).toContain("both --task and --data");
    const model = await openModelDirectory(source);
    const [first, tensor] = [...model.parameters][0]!;
    const parameters = new Map(model.parameters).set(first, {
      ...tensor,
      data: tensor.data.slice().fill(70_000, 0, 1),
    });
    const contents = { ...model, name: "large", parameters, weights: "float16" } as const;
    await expect(writeModelDirectory(output, contents)).rejects.toMatchObject({ reason: "WEIGHTS_BEYOND_RANGE" });
  });
});
