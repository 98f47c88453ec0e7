import type { Figure } from "../evaluation-report.ts";
import { bootstrapRng } from "./bootstrap-rng.ts";

// Intervals of figures by the bootstrap (Efron, 1979): the same figures of many samples of the rows, drawn with replacement.

/** Numbers of samples that are drawn, many rows having fewer. */
const MOST_SAMPLES = 1000;
const FEWEST_SAMPLES = 100;

/** Steps of computation that all samples may take together: about a second. */
const BUDGET = 2e8;

/** Two-sided: intervals hold 95 %. */
const LEVEL = 0.05;

export interface Resampling {
  readonly samples: number;
  readonly seed: number;
}

/**
 * How many samples are drawn.
 *
 * @param steps  of one computation of the figures, roughly
 */
export function resamplingFor(steps: number, seed: number): Resampling {
  const samples = Math.floor(BUDGET / Math.max(1, steps));
  return { samples: Math.min(MOST_SAMPLES, Math.max(FEWEST_SAMPLES, samples)), seed };
}

/**
 * Figures of rows, each with a percentile interval. Figures that have no value on these rows are left out; samples in which
 * one has none do not count for it.
 *
 * @param compute  the figures of rows that count as often as their weights say
 */
export function withIntervals(
  rows: number,
  compute: (weights: Float64Array) => Readonly<Record<string, number>>,
  { samples, seed }: Resampling,
): Figure[] {
  const values = Object.entries(compute(new Float64Array(rows).fill(1))).filter(([, value]) => Number.isFinite(value));
  const drawn = new Map(values.map(([name]) => [name, [] as number[]]));
  const draw = bootstrapRng(rows, seed);
  const weights = new Float64Array(rows);
  for (let sample = 0; sample < samples && rows > 0; sample++) {
    weights.fill(0);
    for (let i = 0; i < rows; i++) weights[draw()]! += 1;
    for (const [name, value] of Object.entries(compute(weights))) {
      if (Number.isFinite(value)) drawn.get(name)?.push(value);
    }
  }
  return values.map(([name, value]) => {
    const sorted = Float64Array.from(drawn.get(name)!).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? value;
    return { name, value, low: at(LEVEL / 2), high: at(1 - LEVEL / 2) };
  });
}
