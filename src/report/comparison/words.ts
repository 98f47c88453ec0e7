import { type Comparison, LEVEL } from "./compare.ts";

/**
 * What a comparison found, in one sentence for people who know neither test: which model is better, by how much, how sure that is,
 * and how many examples changed.
 *
 * @param names  of the first model and of the second
 */
export function differenceInWords(
  { metric, championValue, candidateValue, difference, mcnemarP, fixed, broken, better, examples }: Comparison,
  [first, second]: readonly [string, string],
): string {
  const value = (number: number) => String(Number(number.toPrecision(4)));
  const [low, high] = difference;
  const worse = high < 0 && (mcnemarP ?? 0) < LEVEL;
  const verdict = better
    ? `${second} is better than ${first} beyond chance`
    : worse
      ? `${second} is worse than ${first} beyond chance`
      : `no difference between ${first} and ${second} shows beyond chance`;
  const test =
    mcnemarP === undefined ? "" : `, McNemar's exact p ${mcnemarP < 0.0001 ? "below 0.0001" : value(mcnemarP)}`;
  const figures = `${metric} ${value(championValue)} -> ${value(candidateValue)} (difference ${value(low)} to ${value(high)} with 95 %${test})`;
  return `${verdict}: ${figures}; of ${examples} examples ${fixed} are answered better and ${broken} worse`;
}
