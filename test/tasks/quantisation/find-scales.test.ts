import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { trunkProducts } from "../../../src/model/activation-scales.ts";
import type { Model } from "../../../src/model/directory/model-directory.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import type { Engine } from "../../../src/runtime/engine.ts";
import type { ClassificationExample } from "../../../src/tasks/datasets/examples.ts";
import { drawnExamples } from "../../../src/tasks/quantisation/drawn-examples.ts";
import { findScales } from "../../../src/tasks/quantisation/find-scales.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";

const examples: readonly ClassificationExample[] = Array.from({ length: 8 }, (_, i) => ({
  ...{ id: String(i), kind: "classification", text: "the film is good ".repeat(i + 1), label: "up" },
  location: { file: "f", line: i + 1, column: 1 },
}));

describe("the search for scales", () => {
  let directory: string;
  let model: Model;
  let products: readonly string[];
  beforeAll(async () => {
    directory = await writeTinyModel([
      { name: "mood", kind: "classification", problemType: "single-label", labels: ["down", "up"] },
    ]);
    model = await openModelDirectory(directory);
    products = trunkProducts(model.config).map(({ name }) => name);
  });
  afterAll(() => rmSync(dirname(directory), { recursive: true, force: true }));

  /**
   * Searches with engines whose answer is right until the rounded products together move a logit by more than 1.
   *
   * @param effects  how far each product moves it, in the order of products
   */
  async function found(effects: readonly number[], maxLoss: number) {
    const moved = ({ scales = new Map() }: Model) =>
      products.reduce((sum, name, at) => sum + (scales.has(name) ? effects[at]! : 0), 0);
    let opened = 0;
    const open = async (
      of: Model,
      precision: "fp32" | "int8",
    ): Promise<Pick<Engine, "tokenBudget" | "run" | "close">> => {
      opened++;
      const first = precision === "int8" ? moved(of) : 0;
      return {
        tokenBudget: 64,
        run: async (sequences) => ({
          outputs: sequences.map(() => new Map([["mood", { logits: Float32Array.of(first, 1) }]])),
          cost: { tokens: 0, paddedTokens: 0, assembleMs: 0, runMs: 0 },
        }),
        close: async () => void opened--,
      };
    };
    const result = await findScales({ model, task: "classification", examples, maxLoss, threads: 1, open });
    expect(opened).toBe(0);
    expect([...result.scales.keys()]).toEqual(products.filter((name) => !result.inFloat32.includes(name)));
    return result;
  }

  it("rounds every product where the answers stay right", async () => {
    const { inFloat32, after, products: count } = await found([0.1, 0.2, 0.1, 0.1, 0.1], 0);
    expect({ inFloat32, count, accuracy: after["eval_accuracy"] }).toEqual({ inFloat32: [], count: 5, accuracy: 1 });
  });

  it("leaves the most sensitive products in float32, no more than are needed", async () => {
    expect((await found([0.1, 0.2, 0.8, 0.1, 0.1], 0.005)).inFloat32).toEqual([products[2]]);
    const { inFloat32, before, after } = await found([0.1, 0.9, 0.1, 1.5, 0.1], 0.005);
    expect(inFloat32).toEqual([products[3], products[1]].slice(0, inFloat32.length));
    expect([before["eval_accuracy"], after["eval_accuracy"]]).toEqual([1, 1]);
  });

  it("rounds nothing in the end where nothing else keeps the answers, and everything where they may be lost", async () => {
    expect((await found([2, 2, 2, 2, 2], 0.005)).scales.size).toBe(0);
    expect((await found([2, 2, 2, 2, 2], 1)).inFloat32).toEqual([]);
  });
});

describe("the examples that are observed", () => {
  const numbers = (drawn: readonly { readonly id: string }[]) => drawn.map(({ id }) => Number(id));
  const many = Array.from({ length: 1000 }, (_, i) => ({ ...examples[0]!, id: String(i) }));

  it("are drawn by the seed, in the order of the data, and all where there are no more", async () => {
    const drawn = numbers(await drawnExamples(many, 50, 1));
    expect(numbers(await drawnExamples(many, 50, 1))).toEqual(drawn);
    expect(numbers(await drawnExamples(many, 50, 2))).not.toEqual(drawn);
    expect([...drawn].sort((a, b) => a - b)).toEqual(drawn);
    expect(new Set(drawn).size).toBe(50);
    expect(await drawnExamples(examples, 50, 1)).toEqual(examples);
  });

  it("are as likely from one part of the data as from any other", async () => {
    const counts = [0, 0, 0, 0];
    for (let seed = 0; seed < 40; seed++) {
      for (const place of numbers(await drawnExamples(many, 50, seed))) counts[Math.floor(place / 250)]!++;
    }
    for (const count of counts) expect(Math.abs(count - 500)).toBeLessThan(100);
  });
});
