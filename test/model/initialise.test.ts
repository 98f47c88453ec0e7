import { describe, expect, it } from "vitest";
import type { Head } from "../../src/model/heads.ts";
import { initialiseParameter, initialiseParameters, parametersForHeads } from "../../src/model/initialise.ts";
import { modelParameters, trunkParameters } from "../../src/model/parameters.ts";
import { PUBLISHED_CONFIG_NAMES, publishedConfig } from "../../src/model/published-configs.ts";
import { sizeOf } from "../../src/model/tensor.ts";
import { pretrainingHeads, tinyConfig, tinyModel } from "../support/models/tiny-model.ts";

const normal = (name: string, shape: number[], stddev = 0.02) =>
  ({ name, shape, initializer: { kind: "truncated-normal", stddev }, hfName: name, hfTransposed: false }) as const;

describe("starting values", () => {
  it("are a normal distribution cut at two deviations and drawn again beyond", () => {
    const { data } = initialiseParameter(normal("w", [200, 200]), 7);
    expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(0.04);
    expect(Math.max(...data.map(Math.abs))).toBeGreaterThan(0.0395);
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
    const deviation = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);
    expect(Math.abs(mean)).toBeLessThan(0.0005);
    expect(deviation / 0.02).toBeCloseTo(0.8796, 2); // of a normal distribution cut at 2
    const inside = data.filter((value) => Math.abs(value) < 0.02).length / data.length;
    expect(inside).toBeCloseTo(0.6827 / 0.9545, 2);
  });

  it("depend on the seed and the name alone", () => {
    const one = initialiseParameter(normal("w", [10]), 7).data;
    expect(initialiseParameter(normal("w", [10]), 7).data).toEqual(one);
    expect(initialiseParameter(normal("w", [20]), 7).data.subarray(0, 10)).toEqual(one);
    expect(initialiseParameter(normal("v", [10]), 7).data).not.toEqual(one);
    expect(initialiseParameter(normal("w", [10]), 8).data).not.toEqual(one);
  });

  it("are zero for biases and beta, one for gamma, 0.02 for the heads of the official scripts", () => {
    const config = tinyConfig({ initializer_range: 3, hidden_size: 600 });
    const heads: readonly Head[] = [{ kind: "span", name: "s" }, ...pretrainingHeads];
    const largest = (name: string) => Math.max(...all.get(name)!.data.map(Math.abs));
    const all = initialiseParameters(modelParameters(config, heads), 1);
    expect(all.get("bert/pooler/dense/bias")!.data.every((value) => value === 0)).toBe(true);
    expect(all.get("bert/embeddings/LayerNorm/gamma")!.data.every((value) => value === 1)).toBe(true);
    expect(largest("cls/squad/output_weights")).toBeLessThanOrEqual(0.04);
    expect(largest("cls/seq_relationship/output_weights")).toBeGreaterThan(1);
  });
});

describe("parameters to train new heads with", () => {
  const model = tinyModel();
  const head: Head = { kind: "classification", name: "c", problemType: "single-label", labels: ["a", "b"] };

  it("keep the trunk and the heads the model has, and draw the others", () => {
    const { parameters, initialised } = parametersForHeads(model, [pretrainingHeads[0]!, head], 3);
    expect(initialised).toEqual(["output_weights", "output_bias"]);
    const names = modelParameters(model.config, [pretrainingHeads[0]!, head]).map(({ name }) => name);
    expect([...parameters.keys()]).toEqual(names);
    expect(parameters.get("bert/pooler/dense/kernel")).toBe(model.parameters.get("bert/pooler/dense/kernel"));
  });

  it("draw a head anew when its labels differ, even where its variables have the same names", () => {
    const trained = { ...tinyModel([head]) };
    const renamed: Head = { ...head, labels: ["b", "a"] };
    expect(parametersForHeads(trained, [head], 3).initialised).toEqual([]);
    expect(parametersForHeads(trained, [renamed], 3).initialised).toEqual(["output_weights", "output_bias"]);
  });

  it("draw a pooler that the checkpoint did not have", () => {
    const parameters = new Map(model.parameters);
    for (const name of ["bert/pooler/dense/kernel", "bert/pooler/dense/bias"]) {
      const { shape } = parameters.get(name)!;
      parameters.set(name, { shape, data: new Float32Array(sizeOf(shape)) });
    }
    const { initialised } = parametersForHeads({ ...model, parameters }, [head], 3);
    expect(initialised.slice(0, 2)).toEqual(["bert/pooler/dense/kernel", "bert/pooler/dense/bias"]);
  });
});

describe("the published architectures", () => {
  it.each([
    ["base", 11_683_584, 11_813_810],
    ["large", 17_683_968, 17_847_474],
    ["xlarge", 58_724_864, 59_021_490],
    ["xxlarge", 222_595_584, 223_158_450],
  ])("%s has %i weights, %i with the heads of pretraining", (name, trunk, withHeads) => {
    const config = publishedConfig(name)!;
    const count = (specs: readonly { shape: readonly number[] }[]) =>
      specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    expect(count(trunkParameters(config))).toBe(trunk);
    expect(count(modelParameters(config, pretrainingHeads))).toBe(withHeads);
  });

  it("have dropout 0.1 in version 1 of all but xxlarge, and none in version 2", () => {
    const dropout = (name: string) => publishedConfig(name)!.hiddenDropoutProb;
    expect(["base-v1", "large-v1", "xlarge-v1", "xxlarge-v1"].map(dropout)).toEqual([0.1, 0.1, 0.1, 0]);
    expect(["base", "base-v2", "xxlarge-v2"].map(dropout)).toEqual([0, 0, 0]);
  });

  it("are all known by their listed names, and no others are", () => {
    for (const name of PUBLISHED_CONFIG_NAMES) expect(publishedConfig(name)).toBeDefined();
    for (const name of ["", "tiny", "base-v3", "toString"]) expect(publishedConfig(name)).toBeUndefined();
  });
});
