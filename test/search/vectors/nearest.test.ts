import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quantiseRows } from "../../../src/model/formats/scaled-int8.ts";
import { nearest } from "../../../src/search/vectors/nearest.ts";
import { TopK } from "../../../src/search/vectors/top-k.ts";

/** Vectors of length 1 from a seed. */
function unitVectors(count: number, width: number, seed: number): Float32Array {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const data = Float32Array.from({ length: count * width }, next);
  for (let row = 0; row < count; row++) {
    const vector = data.subarray(row * width, (row + 1) * width);
    const length = Math.hypot(...vector);
    for (let i = 0; i < width; i++) vector[i]! /= length;
  }
  return data;
}

function stored(data: Float32Array, width: number) {
  const { data: values, scales } = quantiseRows({ shape: [data.length / width, width], data });
  return { width, values, scales: scales.data };
}

describe("the highest scores", () => {
  it("are those that sorting gives, the first of equal ones first", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5, max: 5 })), fc.integer({ min: 0, max: 12 }), (scores, size) => {
        const best = new TopK(size);
        for (const [i, score] of scores.entries()) best.offer(i, score);
        const sorted = scores
          .map((score, index) => ({ index, score }))
          .sort((a, b) => b.score - a.score || a.index - b.index);
        expect(best.items()).toEqual(sorted.slice(0, size));
      }),
    );
  });

  it("never have a score that is no number", () => {
    const best = new TopK(1);
    best.offer(0, 1);
    best.offer(1, Number.NaN);
    expect(best.items()).toEqual([{ index: 0, score: 1 }]);
  });
});

describe("the nearest vectors", () => {
  it("are found with their cosines, to a thousandth", async () => {
    const width = 37; // no multiple of what the loop takes at once
    const data = unitVectors(500, width, 7);
    const query = unitVectors(1, width, 8);
    const cosines = Array.from({ length: 500 }, (_, row) =>
      data.subarray(row * width, (row + 1) * width).reduce((sum, value, i) => sum + value * query[i]!, 0),
    );
    const found = await nearest(stored(data, width), query, 10);
    expect(found).toHaveLength(10);
    for (const { index, similarity } of found) expect(Math.abs(similarity - cosines[index]!)).toBeLessThan(4e-3);
    expect(found[0]!.index).toBe(cosines.indexOf(Math.max(...cosines)));
  });

  it("are all there are, where more are wanted", async () => {
    const data = unitVectors(3, 4, 1);
    const found = await nearest(stored(data, 4), data.subarray(4, 8), 10);
    expect(found.map(({ index }) => index)).toHaveLength(3);
    expect(found[0]).toMatchObject({ index: 1 });
    expect(found[0]!.similarity).toBeCloseTo(1, 2);
  });

  it("are looked for in stretches, between which the caller may give up", async () => {
    const data = unitVectors(40_000, 4, 1);
    let pauses = 0;
    await nearest(stored(data, 4), data.subarray(0, 4), 1, async () => void pauses++);
    expect(pauses).toBe(2);
    const stop = nearest(stored(data, 4), data.subarray(0, 4), 1, () => Promise.reject(new Error("gone")));
    await expect(stop).rejects.toThrow("gone");
  });
});
