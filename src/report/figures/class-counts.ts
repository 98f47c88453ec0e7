import type { ClassScores } from "../evaluation-report.ts";

// Precision, recall and F1 of labels from their counts, and the averages over labels. Whatever would be divided by 0 is 0.

/** Counts of each label, in weights of rows. */
export interface ClassCounts {
  /** Rows of the label that are given it. */
  readonly hits: Float64Array;
  /** Rows that are given it. */
  readonly predicted: Float64Array;
  /** Rows whose label it is. */
  readonly actual: Float64Array;
}

export function emptyCounts(labels: number): ClassCounts {
  return { hits: new Float64Array(labels), predicted: new Float64Array(labels), actual: new Float64Array(labels) };
}

export function scoresAt({ hits, predicted, actual }: ClassCounts, label: number): ClassScores {
  return scoresOf(hits[label]!, predicted[label]!, actual[label]!);
}

export function scoresOf(hits: number, predicted: number, actual: number): ClassScores {
  return {
    precision: ratio(hits, predicted),
    recall: ratio(hits, actual),
    f1: ratio(2 * hits, predicted + actual),
  };
}

/**
 * Averages over labels: of all counts together (micro), of the labels' scores (macro), and of the same weighted by their rows.
 *
 * @param all  whether labels that neither occur nor are given count as 0; else they are left out
 */
export function averagesOf(
  counts: ClassCounts,
  all: boolean,
): Readonly<Record<"micro" | "macro" | "weighted", ClassScores>> {
  const labels = Array.from(counts.hits.keys()).filter(
    (label) => all || counts.predicted[label]! + counts.actual[label]! > 0,
  );
  const scores = labels.map((label) => scoresAt(counts, label));
  const support = labels.map((label) => counts.actual[label]!);
  const mean = (key: keyof ClassScores, weights: readonly number[]) =>
    ratio(
      scores.reduce((sum, score, i) => sum + score[key] * weights[i]!, 0),
      sumOf(weights),
    );
  const averaged = (weights: readonly number[]): ClassScores => ({
    precision: mean("precision", weights),
    recall: mean("recall", weights),
    f1: mean("f1", weights),
  });
  return {
    micro: scoresOf(sumOf(counts.hits), sumOf(counts.predicted), sumOf(counts.actual)),
    macro: averaged(labels.map(() => 1)),
    weighted: averaged(support),
  };
}

/** Matthews' correlation from the counts of a task with one label a row; 0 where either side knows a single label. */
export function matthewsOf({ hits, predicted, actual }: ClassCounts): number {
  const total = sumOf(actual);
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const covariance = sumOf(hits) * total - dot(actual, predicted);
  const spread = Math.sqrt((total * total - dot(predicted, predicted)) * (total * total - dot(actual, actual)));
  return ratio(covariance, spread);
}

function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
