// How far stated probabilities are from frequencies, and what brings them nearer. Pure arithmetic.

/** Equal bins of the largest probability, as in Guo et al. 2017 (arXiv:1706.04599). */
export const CALIBRATION_BINS = 15;

/** The bin of a probability; 1 is in the last one. */
export function binOf(probability: number): number {
  return Math.min(CALIBRATION_BINS - 1, Math.floor(probability * CALIBRATION_BINS));
}

/** Temperatures that a fit may end at. Data on which every row is right would ask for ever smaller ones. */
const COLDEST = 0.05;
const HOTTEST = 20;

/**
 * Expected calibration error, 0 to 1: over bins of the largest probability, the mean distance between it and the share of
 * rows that are right, weighted by rows. NaN for none.
 */
export function expectedCalibrationError(
  probabilities: readonly (readonly number[])[],
  labels: readonly number[],
): number {
  const bins = Array.from({ length: CALIBRATION_BINS }, () => ({ confidence: 0, right: 0 }));
  probabilities.forEach((row, i) => {
    const confidence = Math.max(...row);
    const bin = bins[binOf(confidence)]!;
    bin.confidence += confidence;
    if (row.indexOf(confidence) === labels[i]) bin.right++;
  });
  return bins.reduce((sum, { confidence, right }) => sum + Math.abs(confidence - right), 0) / labels.length;
}

/** Mean of minus the log-probability of the right label, in nats. */
export function logLoss(probabilities: readonly (readonly number[])[], labels: readonly number[]): number {
  return probabilities.reduce((sum, row, i) => sum - Math.log(row[labels[i]!]!), 0) / labels.length;
}

/** The softmax of a row of log-probabilities (or logits) divided by a temperature. */
export function atTemperature(logProbabilities: readonly number[], temperature: number): number[] {
  const largest = Math.max(...logProbabilities);
  const weights = logProbabilities.map((value) => Math.exp((value - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/**
 * The temperature, from 0.05 to 20, at which the log-loss is smallest. It is convex in one over the temperature, so that the
 * sign of its slope leads there by halving.
 */
export function fitTemperature(logProbabilities: readonly (readonly number[])[], labels: readonly number[]): number {
  const slope = (temperature: number) =>
    logProbabilities.reduce((sum, row, i) => {
      const expected = atTemperature(row, temperature).reduce((mean, share, k) => mean + share * row[k]!, 0);
      return sum + expected - row[labels[i]!]!;
    }, 0);
  let [low, high] = [Math.log(COLDEST), Math.log(HOTTEST)];
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    // Below zero: a larger inverse, that is a lower temperature, still lessens the loss.
    if (slope(Math.exp(middle)) < 0) high = middle;
    else low = middle;
  }
  return Math.exp((low + high) / 2);
}

/**
 * The threshold with the best F1 for "true from this probability on": halfway between two probabilities of the data, so that
 * no row sits on it. 0.5 where no row is true.
 */
export function bestThreshold(probabilities: readonly number[], truths: readonly boolean[]): number {
  const ordered = probabilities.map((probability, i) => ({ probability, truth: truths[i]! }));
  ordered.sort((a, b) => b.probability - a.probability);
  const actual = truths.filter(Boolean).length;
  let hits = 0;
  let best = 0;
  let threshold = 0.5;
  for (const [i, { probability, truth }] of ordered.entries()) {
    if (truth) hits++;
    const next = ordered[i + 1]?.probability ?? 0;
    if (next === probability && i + 1 < ordered.length) continue;
    const f1 = (2 * hits) / (i + 1 + actual);
    if (f1 > best) {
      best = f1;
      threshold = (probability + next) / 2;
    }
  }
  return threshold;
}

/** F1 of one label's decisions; 0 where nothing is true and nothing given. */
export function f1Of(given: readonly boolean[], truths: readonly boolean[]): number {
  const hits = given.filter((value, i) => value && truths[i]).length;
  const total = given.filter(Boolean).length + truths.filter(Boolean).length;
  return total === 0 ? 0 : (2 * hits) / total;
}
