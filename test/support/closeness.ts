import { expect } from "vitest";

export interface Tolerance {
  readonly absolute?: number;
  readonly relative?: number;
}

const IMPOSSIBLE = -1e29;

/**
 * Fails unless every element lies within the tolerance. NaN and infinities agree only with themselves, values at or below
 * -1e29 stand for "impossible" and agree with each other, lengths must be equal, and the message names the worst element.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute = 0, relative = 0 }: Tolerance,
  what = "values",
): void {
  expect(actual.length, `length of ${what}`).toBe(expected.length);
  let worst = { index: -1, excess: 0, actual: 0, expected: 0 };
  for (let index = 0; index < expected.length; index++) {
    const a = actual[index]!;
    const e = expected[index]!;
    if (Object.is(a, e) || a === e || (a <= IMPOSSIBLE && e <= IMPOSSIBLE)) continue;
    const difference = Math.abs(a - e);
    const excess = Number.isFinite(difference)
      ? difference - (absolute + relative * Math.abs(e))
      : Number.POSITIVE_INFINITY;
    if (excess > worst.excess) worst = { index, excess, actual: a, expected: e };
  }
  if (worst.index < 0) return;
  const { index, actual: a, expected: e } = worst;
  expect.fail(`${what} differ at ${index}: got ${a}, expected ${e}, apart by ${Math.abs(a - e)}`);
}
