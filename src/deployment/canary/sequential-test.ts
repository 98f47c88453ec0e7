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

/** Events of one of two kinds of trials. */
export interface Trials {
  readonly events: number;
  readonly of: number;
}

/**
 * How much the data speak for a rate above `ratio` times another: the logarithm of an e-value, as `evidenceAbove`, for trials whose
 * division between the two nobody knows beforehand. The likelihood over a uniform prior on both rates is divided by the largest
 * likelihood that any two rates within the bound have, which is at least that of the true ones (L. Wasserman, A. Ramdas and
 * S. Balakrishnan, "Universal inference", PNAS 2020).
 *
 * @param ratio  at least 1
 */
export function evidenceOfMore(one: Trials, other: Trials, ratio: number): number {
  if (one.of === 0 || other.of === 0) return 0;
  const mixed = [one, other].reduce((sum, { events, of }) => sum + logBeta(events + 1, of - events + 1), 0);
  const [rate, otherRate] = likeliestWithin(one, other, ratio);
  return mixed - logLikelihood(one.events, one.of, rate) - logLikelihood(other.events, other.of, otherRate);
}

/** Of two rates of which the first is at most `ratio` times the second, the likeliest. */
function likeliestWithin(one: Trials, other: Trials, ratio: number): [rate: number, otherRate: number] {
  const [rate, otherRate] = [one.events / one.of, other.events / other.of];
  if (rate <= ratio * otherRate) return [rate, otherRate];
  // Else they lie at the bound, where the likelihood is concave: its slope is followed to zero.
  let [low, high] = [otherRate, rate / ratio];
  for (let i = 0; i < HALVINGS; i++) {
    const at = (low + high) / 2;
    const slope =
      (one.events + other.events) / at -
      (other.of - other.events) / (1 - at) -
      (ratio * (one.of - one.events)) / (1 - ratio * at);
    if (slope > 0) low = at;
    else high = at;
  }
  return [Math.min(1, ratio * high), high];
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
