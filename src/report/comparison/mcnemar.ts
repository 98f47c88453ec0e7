import { invariant } from "../../errors.ts";

/**
 * Two-sided exact p-value of McNemar's test: how likely two equally good models differ at least this unevenly in the examples
 * that exactly one of them answers right.
 *
 * @param before  [examples] 1 where the one model is right
 * @param after   [examples] the same of the other
 */
export function mcnemar(before: Uint8Array, after: Uint8Array): number {
  invariant(before.length === after.length, "both models answered the same examples");
  let gained = 0;
  let lost = 0;
  for (let i = 0; i < before.length; i++) {
    if (after[i]! > before[i]!) gained++;
    else if (after[i]! < before[i]!) lost++;
  }
  return Math.min(1, 2 * binomialTail(gained + lost, Math.min(gained, lost)));
}

/** Probability of at most `most` heads in `tosses` of a fair coin. */
function binomialTail(tosses: number, most: number): number {
  let logTerm = -tosses * Math.LN2;
  let sum = 0;
  for (let heads = 0; heads <= most; heads++) {
    sum += Math.exp(logTerm);
    logTerm += Math.log((tosses - heads) / (heads + 1));
  }
  return sum;
}
