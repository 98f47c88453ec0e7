// Evidence about the rate of an event that counts at any time, however often it is looked at. Both functions integrate likelihood
// ratios over a uniform prior, so that the ratio is a martingale where the bound holds, and by Ville's inequality (1939) exceeds
// 1 / alpha ever with a probability of at most alpha. After H. Robbins, "Statistical methods related to the law of the iterated
// logarithm" (1970); the use for canaries, where each event falls to either version with known odds, is that of M. Lindon and
// A. Malek, "Anytime-valid inference for multinomial count data" (NeurIPS 2022).

/**
 * How much the data speak for a rate above a bound: the logarithm of an e-value. It exceeds ln(1 / alpha) at any time with a
 * probability of at most alpha where the rate is at or below the bound.
 *
 * @param events  of `trials`
 * @param bound   greater than 0; from 1 on nothing speaks for a rate above it
 */
export function evidenceAbove(events: number, trials: number, bound: number): number {
  if (bound >= 1) return 0;
  // The uniform prior on (bound, 1): a beta integral, cut off at the bound, over the likelihood at the bound.
  const integral = logBeta(events + 1, trials - events + 1) + logBinomialCdf(events, trials + 1, bound);
  return integral - Math.log1p(-bound) - logLikelihood(events, trials, bound);
}

/** A lower and an upper end between which a rate lies. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * A confidence sequence: at all times together, the rate lies in the intervals with a probability of at least 1 - alpha.
 *
 * @param events  of `trials`; without trials the interval is everything
 */
export function rateInterval(events: number, trials: number, alpha: number): Interval {
  if (trials === 0) return { low: 0, high: 1 };
  const limit = logBeta(events + 1, trials - events + 1) + Math.log(alpha);
  const holds = (rate: number) => logLikelihood(events, trials, rate) > limit;
  const middle = events / trials;
  return { low: edge(middle, 0, holds), high: edge(middle, 1, holds) };
}

/** Halvings of the way to the end of an interval. */
const HALVINGS = 40;

/** Where what holds inside ends, on the way outside. */
function edge(inside: number, outside: number, holds: (rate: number) => boolean): number {
  if (holds(outside)) return outside;
  let [last, first] = [inside, outside];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (last + first) / 2;
    if (holds(middle)) last = middle;
    else first = middle;
  }
  return first;
}

function logLikelihood(events: number, trials: number, rate: number): number {
  const others = trials - events;
  return (events === 0 ? 0 : events * Math.log(rate)) + (others === 0 ? 0 : others * Math.log1p(-rate));
}

/** Logarithm of the probability of at most `most` events. 0 <= most < trials, 0 < rate < 1 */
function logBinomialCdf(most: number, trials: number, rate: number): number {
  const odds = rate / (1 - rate);
  if (most >= trials * rate) return Math.log1p(-Math.min(1 - Number.EPSILON, upperTail(most + 1, trials, rate, odds)));
  // Terms shrink from the last one downwards.
  let sum = 1;
  let term = 1;
  for (let k = most; k > 0 && term > sum * Number.EPSILON; k--) {
    term *= k / ((trials - k + 1) * odds);
    sum += term;
  }
  return logBinomial(most, trials, rate) + Math.log(sum);
}

/** Probability of at least `least` events, where that is more than are expected. */
function upperTail(least: number, trials: number, rate: number, odds: number): number {
  let term = Math.exp(logBinomial(least, trials, rate));
  let sum = term;
  for (let k = least; k < trials && term > sum * Number.EPSILON; k++) {
    term *= ((trials - k) * odds) / (k + 1);
    sum += term;
  }
  return sum;
}

function logBinomial(events: number, trials: number, rate: number): number {
  return -Math.log1p(trials) - logBeta(events + 1, trials - events + 1) + logLikelihood(events, trials, rate);
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Logarithm of the gamma function of a positive number: Stirling's series, moved to where that is exact to 1e-14. */
function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  for (; z < 16; z++) shift += Math.log(z);
  const inverse = 1 / (z * z);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / z;
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
