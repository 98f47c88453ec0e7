import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compose, predictSequence } from "../../src/serving/compose.ts";

const linear = (lengths: readonly number[]) => 1 + lengths.reduce((sum, length) => sum + length, 0);
/** Attention over a rectangle, as padded kernels compute it. */
const quadratic = (lengths: readonly number[]) => linear(lengths) + (lengths.length * Math.max(...lengths) ** 2) / 50;

const lengthsOf = (lengths: readonly number[], places: readonly number[]) => places.map((place) => lengths[place]!);

describe("compose", () => {
  it("always takes the head, even one longer than the budget", () => {
    expect(compose([500, 3], { budget: 64, lookahead: 8, predictMs: linear }).places).toEqual([0]);
  });

  it("fills the budget with later sequences that fit, in order", () => {
    const { places, cause } = compose([30, 40, 20, 10, 5], { budget: 64, lookahead: 8, predictMs: linear });
    expect(places).toEqual([0, 2, 3]);
    expect(cause).toBe("full");
  });

  it("looks no further than it may", () => {
    const lengths = [30, 40, 40, 40, 10];
    expect(compose(lengths, { budget: 64, lookahead: 3, predictMs: linear }).places).toEqual([0, 4]);
    expect(compose(lengths, { budget: 64, lookahead: 2, predictMs: linear }).places).toEqual([0]);
  });

  it("keeps short sequences out of a batch in which they would pay for a long one", () => {
    const lengths = [100, 4, 4, 100];
    expect(compose(lengths, { budget: 1000, lookahead: 8, predictMs: quadratic }).places).toEqual([0, 3]);
    expect(compose(lengths, { budget: 1000, lookahead: 8, predictMs: linear }).places).toEqual([0, 1, 2, 3]);
  });

  it("lets a purely linear cost join whatever fits, in spite of rounding", () => {
    const tenth = (lengths: readonly number[]) => lengths.reduce((sum, length) => sum + length * 0.1, 0);
    expect(compose([3, 3, 3, 3], { budget: 64, lookahead: 8, predictMs: tenth }).places).toHaveLength(4);
  });

  it("takes nothing from an empty queue", () => {
    expect(compose([], { budget: 64, lookahead: 8, predictMs: linear }).places).toEqual([]);
  });

  it("never exceeds its budget, never passes over more than it may look at, and never costs more than one by one", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 3, max: 128 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 16, max: 256 }),
        fc.integer({ min: 0, max: 20 }),
        fc.constantFrom(linear, quadratic),
        (lengths, budget, lookahead, predictMs) => {
          const { places, predictedMs } = compose(lengths, { budget, lookahead, predictMs });
          const chosen = lengthsOf(lengths, places);
          const tokens = chosen.reduce((sum, length) => sum + length, 0);
          expect(places[0]).toBe(0);
          expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
          expect(chosen.length === 1 || tokens <= budget).toBe(true);
          expect(places.at(-1)! - (places.length - 1)).toBeLessThanOrEqual(lookahead);
          expect(predictedMs).toBeCloseTo(predictMs(chosen));
          const apart = chosen.reduce((sum, length) => sum + predictMs([length]), 0);
          expect(predictedMs).toBeLessThanOrEqual(apart * (1 + 1e-6));
        },
      ),
    );
  });
});

describe("predictSequence", () => {
  it("adds up batches of at most the budget", () => {
    expect(predictSequence([30, 30, 30, 100], { budget: 64, predictMs: linear })).toBe(61 + 31 + 101);
    expect(predictSequence([], { budget: 64, predictMs: linear })).toBe(0);
  });
});
