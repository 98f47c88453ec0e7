import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextBatch } from "../../../src/serving/scheduler/batcher.ts";
import { predictTotalMs } from "../../../src/serving/scheduler/predict-cost.ts";

const linear = (lengths: readonly number[]) => 1 + lengths.reduce((sum, length) => sum + length, 0);
const lengthsOf = (lengths: readonly number[], places: readonly number[]) => places.map((place) => lengths[place]!);

describe("nextBatch", () => {
  it("always takes the head, even one longer than the budget", () => {
    expect(nextBatch([500, 3], { budget: 64, lookahead: 8 }).places).toEqual([0]);
  });

  it("fills the budget with later sequences that fit, in order", () => {
    const { places, cause } = nextBatch([30, 40, 20, 10, 5], { budget: 64, lookahead: 8 });
    expect(places).toEqual([0, 2, 3]);
    expect(cause).toBe("full");
  });

  it("looks no further than it may", () => {
    const lengths = [30, 40, 40, 40, 10];
    expect(nextBatch(lengths, { budget: 64, lookahead: 3 }).places).toEqual([0, 4]);
    expect(nextBatch(lengths, { budget: 64, lookahead: 2 }).places).toEqual([0]);
  });

  it("takes nothing from an empty queue", () => {
    expect(nextBatch([], { budget: 64, lookahead: 8 }).places).toEqual([]);
  });

  it("never exceeds its budget, never passes over more than it may look at, and takes all it may", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 3, max: 128 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 16, max: 256 }),
        fc.integer({ min: 0, max: 20 }),
        (lengths, budget, lookahead) => {
          const { places } = nextBatch(lengths, { budget, lookahead });
          const chosen = lengthsOf(lengths, places);
          const tokens = chosen.reduce((sum, length) => sum + length, 0);
          expect(places[0]).toBe(0);
          expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
          expect(chosen.length === 1 || tokens <= budget).toBe(true);
          expect(places.at(-1)! - (places.length - 1)).toBeLessThanOrEqual(lookahead);
          const passedOver = lengths.flatMap((length, place) => (places.includes(place) ? [] : [{ length, place }]));
          for (const { length, place } of passedOver.slice(0, lookahead)) {
            const before = lengthsOf(
              lengths,
              places.filter((taken) => taken < place),
            ).reduce((sum, taken) => sum + taken, 0);
            expect(before + length).toBeGreaterThan(budget);
          }
        },
      ),
    );
  });
});

describe("predictTotalMs", () => {
  it("adds up batches of at most the budget", () => {
    expect(predictTotalMs([30, 30, 30, 100], { budget: 64, predictMs: linear })).toBe(61 + 31 + 101);
    expect(predictTotalMs(Array(6400).fill(64), { budget: 64, predictMs: linear })).toBeCloseTo(6400 * 65);
    expect(predictTotalMs([], { budget: 64, predictMs: linear })).toBe(0);
  });
});
