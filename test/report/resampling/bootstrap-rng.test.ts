import { describe, expect, it } from "vitest";
import { deriveSeed } from "../../../src/model/random.ts";
import { bootstrapRng } from "../../../src/report/resampling/bootstrap-rng.ts";

const WORD = 0xffff_ffffn;

/** xoshiro128** as published, on whole numbers without a width. */
function published(state: readonly number[]): () => number {
  const s = state.map((word) => BigInt(word >>> 0));
  const rotated = (value: bigint, bits: bigint) => ((value << bits) | (value >> (32n - bits))) & WORD;
  return () => {
    const result = (rotated((s[1]! * 5n) & WORD, 7n) * 9n) & WORD;
    const shifted = (s[1]! << 9n) & WORD;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= shifted;
    s[3] = rotated(s[3]!, 11n);
    return Number(result);
  };
}

describe("the bootstrap's random numbers", () => {
  it("are those of the published generator", () => {
    for (const seed of [0, 1, 42]) {
      const draw = bootstrapRng(2 ** 32, seed);
      const expected = published([...deriveSeed("sample", seed, 0), ...deriveSeed("sample", seed, 1)]);
      for (let i = 0; i < 1000; i++) expect(draw()).toBe(expected());
    }
  });

  it("are indices below the bound, each about as often", () => {
    const draw = bootstrapRng(10, 7);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) counts[draw()]!++;
    // 1000 each; a spread of five standard deviations.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(counts).toHaveLength(10);
  });
});
