// The histogram buckets that all series share.

/**
 * Upper bounds in seconds of every duration histogram: 1 ms to 60 s, each 1.6 times the one before. All stages share them,
 * so that their histograms can be added.
 */
export const DURATION_BUCKETS: readonly number[] = geometric(0.001, 60, 1.6);

/** Upper bounds for counts of tokens: 8 to 32,768, doubling. */
export const TOKEN_BUCKETS: readonly number[] = geometric(8, 32_768, 2);

/** Upper bounds for counts of requests, sequences or windows: 1 to 512, doubling. */
export const COUNT_BUCKETS: readonly number[] = geometric(1, 512, 2);

/** Upper bounds for ratios between 0 and 1. */
export const RATIO_BUCKETS: readonly number[] = [0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 0.75, 1];

function geometric(first: number, last: number, factor: number): number[] {
  const bounds: number[] = [];
  for (let bound = first; bound < last; bound *= factor) bounds.push(Number(bound.toPrecision(3)));
  return [...bounds, last];
}
