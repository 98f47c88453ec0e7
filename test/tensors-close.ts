/** Two lists of numbers that should agree. */
export interface Closeness {
  /** Largest absolute difference allowed. */
  readonly absolute: number;
  /** What the numbers are, for the message. */
  readonly what: string;
}

/**
 * Fails with the worst index when any difference exceeds the tolerance. NaN and infinities agree only with themselves;
 * expected values at or below -1e29 stand for "impossible" and agree with each other.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute, what }: Closeness,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: ${actual.length} numbers, expected ${expected.length}`);
  }
  let worst = -1;
  let worstDifference = absolute;
  for (let index = 0; index < expected.length; index++) {
    const difference = distance(actual[index]!, expected[index]!);
    if (difference > worstDifference) {
      worst = index;
      worstDifference = difference;
    }
  }
  if (worst >= 0) {
    throw new Error(`${what}[${worst}]: ${actual[worst]} differs from ${expected[worst]} by more than ${absolute}`);
  }
}

function distance(actual: number, expected: number): number {
  if (Object.is(actual, expected) || (actual <= -1e29 && expected <= -1e29)) return 0;
  const difference = Math.abs(actual - expected);
  return Number.isFinite(difference) ? difference : Number.POSITIVE_INFINITY;
}
