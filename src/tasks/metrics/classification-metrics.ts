// Metrics of classification over labels and predictions. Pure arithmetic.

/** Index of the largest logit; of equal ones the first, as in the official code. */
export function argmax(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** counts[label][prediction] over all rows. */
export function confusionMatrix(
  labels: readonly number[],
  predictions: readonly number[],
  classes: number,
): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  labels.forEach((label, i) => {
    counts[label]![predictions[i]!]! += 1;
  });
  return counts;
}

/** Share of rows that are right; NaN for none. */
export function accuracy(labels: readonly number[], predictions: readonly number[]): number {
  return labels.filter((label, i) => label === predictions[i]).length / labels.length;
}

/**
 * Matthews correlation of any number of classes, -1 to 1; 0 where either side knows a single class. With two classes it is
 * the official `matthew_corr`.
 */
export function matthewsCorrelation(counts: readonly (readonly number[])[]): number {
  const truths = counts.map(sum);
  const predicted = counts.map((_, k) => sum(counts.map((row) => row[k]!)));
  const total = sum(truths);
  const correct = sum(counts.map((row, k) => row[k]!));
  const covariance = correct * total - dot(truths, predicted);
  const spread = Math.sqrt((total * total - dot(predicted, predicted)) * (total * total - dot(truths, truths)));
  return spread === 0 ? 0 : covariance / spread;
}

/** Precision, recall and their harmonic mean of one class; each 0 where it would divide by 0. */
export function classScores(
  counts: readonly (readonly number[])[],
  positive: number,
): { readonly precision: number; readonly recall: number; readonly f1: number } {
  const hits = counts[positive]![positive]!;
  const predicted = sum(counts.map((row) => row[positive]!));
  const actual = sum(counts[positive]!);
  return {
    precision: ratio(hits, predicted),
    recall: ratio(hits, actual),
    f1: ratio(2 * hits, predicted + actual),
  };
}

/** Unweighted means of the class scores over the classes that occur among labels or predictions. */
export function macroScores(counts: readonly (readonly number[])[]): {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
} {
  const present = counts.flatMap((row, k) => (sum(row) + sum(counts.map((other) => other[k]!)) > 0 ? [k] : []));
  const scores = present.map((k) => classScores(counts, k));
  const mean = (values: readonly number[]) => ratio(sum(values), values.length);
  return {
    precision: mean(scores.map(({ precision }) => precision)),
    recall: mean(scores.map(({ recall }) => recall)),
    f1: mean(scores.map(({ f1 }) => f1)),
  };
}

/** Minus the log-probability of the right class, in nats. */
export function crossEntropy(logits: ArrayLike<number>, label: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i]!);
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i]! - largest);
  return Math.log(total) - (logits[label]! - largest);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((total, value, i) => total + value * b[i]!, 0);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
