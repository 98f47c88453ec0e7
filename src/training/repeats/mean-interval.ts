// The mean of a few figures with its interval by Student's t. Pure arithmetic.

/** A mean of figures, and where the mean of many more such figures is expected in 95 of 100 cases. */
export interface MeanInterval {
  readonly mean: number;
  /** Of the figures among each other (n - 1 in the denominator). */
  readonly standardDeviation: number;
  readonly low: number;
  readonly high: number;
}

/** The mean of two figures or more with its 95 % interval, mean -+ t(0.975; n - 1) * deviation / sqrt(n). */
export function meanInterval(values: readonly number[]): MeanInterval {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const standardDeviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
  const half = (studentQuantile(0.975, n - 1) * standardDeviation) / Math.sqrt(n);
  return { mean, standardDeviation, low: mean - half, high: mean + half };
}

/** The value that Student's t with so many degrees of freedom, an integer, stays below with this probability, above one half. */
export function studentQuantile(probability: number, freedom: number): number {
  let [low, high] = [0, 1];
  while (studentShare(high, freedom) < probability) high *= 2;
  for (let step = 0; step < 100; step++) {
    const middle = (low + high) / 2;
    if (studentShare(middle, freedom) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The probability that Student's t is at most t >= 0: the finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4. */
function studentShare(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const odd = freedom % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k <= freedom - 2; k += 2) {
    term *= ((k - 1) / k) * cosine * cosine;
    sum += term;
  }
  const within = odd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
  return 0.5 + within / 2;
}
