// Small computations over rows of probabilities that several kinds of tasks share.

/** Minus the log-probability in nats, of a probability that is not smaller than the precision of numbers. */
export function lossOf(probability: number): number {
  return -Math.log(Math.min(1, Math.max(Number.EPSILON, probability)));
}

/** One column of a matrix of rows. */
export function column(rows: readonly (readonly number[])[], index: number): number[] {
  return rows.map((row) => row[index]!);
}

/** The mean of the values that are numbers; NaN where there is none. */
export function meanOfFinite(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite);
  return finite.reduce((sum, value) => sum + value, 0) / finite.length;
}
