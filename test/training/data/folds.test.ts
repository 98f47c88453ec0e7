import { describe, expect, it } from "vitest";
import type { Example } from "../../../src/tasks/datasets/examples.ts";
import { foldsOf } from "../../../src/training/data/folds.ts";

const location = { file: "f", line: 1, column: 1 };
const text = (words: string, label: string | number): Example => ({
  ...{ kind: "classification", id: words, location, text: words, label },
});
const divided = async (examples: readonly Example[], of: number, seed = 1) => {
  async function* all() {
    yield* examples;
  }
  return [...(await foldsOf(all(), { of, seed }))];
};
const count = (folds: readonly number[], of: number) =>
  Array.from({ length: of }, (_, fold) => folds.filter((one) => one === fold).length);

describe("folds", () => {
  const rows = Array.from({ length: 100 }, (_, i) => text(`text ${i}`, i % 10 === 0 ? "rare" : "usual"));

  it("have the same size and the same share of every label", async () => {
    const folds = await divided(rows, 5);
    expect(count(folds, 5)).toEqual([20, 20, 20, 20, 20]);
    const rare = folds.filter((_, i) => i % 10 === 0);
    expect(count(rare, 5)).toEqual([2, 2, 2, 2, 2]);
  });

  it("are the same whatever the order of the rows, and others by another seed", async () => {
    const folds = await divided(rows, 5);
    expect((await divided([...rows].reverse(), 5)).reverse()).toEqual(folds);
    expect(await divided(rows, 5, 2)).not.toEqual(folds);
  });

  it("keep repetitions of a text, and questions of a document, together", async () => {
    const twice = [...rows, ...rows];
    const folds = await divided(twice, 4);
    expect(folds.slice(100)).toEqual(folds.slice(0, 100));
    const question = (i: number): Example => ({
      ...{ kind: "question", id: `q${i}`, location, question: `who ${i}`, context: "c", document: `d${i % 7}` },
      ...{ answers: [], isImpossible: true },
    });
    const asked = await divided(
      Array.from({ length: 70 }, (_, i) => question(i)),
      3,
    );
    asked.forEach((fold, i) => {
      expect(fold).toBe(asked[i % 7]);
    });
  });

  it("spread values of a regression by rank", async () => {
    const folds = await divided(
      Array.from({ length: 60 }, (_, i) => text(`text ${i}`, i)),
      3,
    );
    for (const from of [0, 20, 40]) {
      for (const size of count(folds.slice(from, from + 20), 3)) expect(Math.abs(size - 20 / 3)).toBeLessThan(2.5);
    }
  });

  it("are refused where there are fewer texts than parts", async () => {
    await expect(divided([rows[0]!, rows[0]!], 2)).rejects.toThrow(/1 different texts or documents.*2 parts/);
  });
});
