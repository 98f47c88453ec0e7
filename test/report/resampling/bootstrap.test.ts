import { describe, expect, it } from "vitest";
import { deriveSeed, RandomStream } from "../../../src/model/random.ts";
import { resamplingFor, withIntervals } from "../../../src/report/resampling/bootstrap.ts";

const random = new RandomStream(deriveSeed("bootstrap-test"));
const values = Float64Array.from({ length: 500 }, () => random.float());

function mean(weights: Float64Array): Record<string, number> {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { mean: weights.reduce((sum, weight, i) => sum + weight * values[i]!, 0) / total, nothing: Number.NaN };
}

describe("intervals of figures", () => {
  it("are as wide as a normal distribution's where that is known, hold the value, and leave out what has no value", () => {
    const figures = withIntervals(values.length, mean, { samples: 1000, seed: 3 });
    expect(figures.map(({ name }) => name)).toEqual(["mean"]);
    const { value, low, high } = figures[0]!;
    const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / values.length;
    const half = 1.96 * Math.sqrt(variance / values.length);
    expect((value - low) / half).toBeGreaterThan(0.85);
    expect((value - low) / half).toBeLessThan(1.15);
    expect((high - value) / half).toBeGreaterThan(0.85);
    expect((high - value) / half).toBeLessThan(1.15);
  });

  it("are the same for the same seed, and others for another", () => {
    const of = (seed: number) => withIntervals(values.length, mean, { samples: 100, seed });
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });

  it("take fewer samples of more rows, though never too few", () => {
    expect(resamplingFor(1000, 0).samples).toBe(1000);
    expect(resamplingFor(1_000_000, 0).samples).toBe(200);
    expect(resamplingFor(1e9, 0).samples).toBe(100);
  });
});
