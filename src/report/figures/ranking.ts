import type { RankingCurves } from "../evaluation-report.ts";

// How well scores put the rows of one label before all others. Rows have weights, so that a resample is the same computation.

/** The rows of one label against the rest, sorted once for any number of weightings. */
export interface Ranking {
  /** Rows by descending score. */
  readonly order: Uint32Array;
  readonly scores: ArrayLike<number>;
  /** [rows] 1 where the row has the label. */
  readonly truths: Uint8Array;
}

export function rankingOf(scores: ArrayLike<number>, truths: Uint8Array): Ranking {
  const order = Uint32Array.from({ length: scores.length }, (_, i) => i);
  order.sort((a, b) => scores[b]! - scores[a]!);
  return { order, scores, truths };
}

/** Areas under the two curves; NaN where a side has no rows. */
export interface RankingAreas {
  readonly rocAuc: number;
  readonly averagePrecision: number;
}

/**
 * The area under the ROC curve by trapezoids, and the average precision, a sum of precisions weighted by the recall that each step
 * adds. Rows of one score are one step.
 *
 * @param weights  [rows]
 */
export function rankingAreas(ranking: Ranking, weights: ArrayLike<number>): RankingAreas {
  let hits = 0;
  let misses = 0;
  let area = 0;
  let precisions = 0;
  forEachStep(ranking, weights, (positives, negatives) => {
    area += negatives * (hits + positives / 2);
    hits += positives;
    misses += negatives;
    if (hits > 0) precisions += (positives * hits) / (hits + misses);
  });
  const none = hits === 0 || misses === 0;
  return {
    rocAuc: none ? Number.NaN : area / (hits * misses),
    averagePrecision: hits === 0 ? Number.NaN : precisions / hits,
  };
}

/** Points of a drawn curve. */
const POINTS = 100;

/** The points of both curves, thinned out; undefined where a side has no rows. */
export function rankingCurves(label: string, ranking: Ranking): RankingCurves | undefined {
  const steps: (readonly [hits: number, misses: number])[] = [[0, 0]];
  const each = new Uint8Array(ranking.scores.length).fill(1);
  forEachStep(ranking, each, (positives, negatives) => {
    const [hits, misses] = steps.at(-1)!;
    steps.push([hits + positives, misses + negatives]);
  });
  const [positives, negatives] = steps.at(-1)!;
  if (positives === 0 || negatives === 0) return undefined;
  const drawn = thinned(steps, POINTS);
  return {
    label,
    roc: drawn.map(([hits, misses]) => [rounded(misses / negatives), rounded(hits / positives)]),
    precisionRecall: drawn
      .filter(([hits, misses]) => hits + misses > 0)
      .map(([hits, misses]) => [rounded(hits / positives), rounded(hits / (hits + misses))]),
  };
}

/** At most about `most` of the items, the first and the last among them. */
export function thinned<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]!);
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}

function forEachStep(
  { order, scores, truths }: Ranking,
  weights: ArrayLike<number>,
  take: (positives: number, negatives: number) => void,
): void {
  for (let from = 0; from < order.length; ) {
    const score = scores[order[from]!]!;
    let positives = 0;
    let negatives = 0;
    for (; from < order.length && scores[order[from]!] === score; from++) {
      const row = order[from]!;
      if (truths[row] === 1) positives += weights[row]!;
      else negatives += weights[row]!;
    }
    take(positives, negatives);
  }
}
