// Metrics of regression. Pure arithmetic.

/** Mean of squared differences; NaN for no rows. */
export function meanSquaredError(labels: readonly number[], predictions: readonly number[]): number {
  return labels.reduce((total, label, i) => total + (label - predictions[i]!) ** 2, 0) / labels.length;
}

/** Linear correlation, -1 to 1; NaN where either side is constant. */
export function pearsonCorrelation(a: readonly number[], b: readonly number[]): number {
  const n = a.length;
  const meanA = a.reduce((total, value) => total + value, 0) / n;
  const meanB = b.reduce((total, value) => total + value, 0) / n;
  let products = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let i = 0; i < n; i++) {
    const fromA = a[i]! - meanA;
    const fromB = b[i]! - meanB;
    products += fromA * fromB;
    squaresA += fromA * fromA;
    squaresB += fromB * fromB;
  }
  if (isConstant(a) || isConstant(b)) return Number.NaN;
  return Math.max(-1, Math.min(1, products / Math.sqrt(squaresA * squaresB)));
}

/** Rank correlation, -1 to 1, ties sharing the mean of their ranks; NaN where either side is constant. */
export function spearmanCorrelation(a: readonly number[], b: readonly number[]): number {
  return pearsonCorrelation(ranks(a), ranks(b));
}

/** Whether all values are the same; a sum of squares around their mean would not tell, for rounding. */
function isConstant(values: readonly number[]): boolean {
  return values.every((value) => value === values[0]);
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((x, y) => values[x]! - values[y]!);
  const result = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) result[order[i]!] = (from + to - 1) / 2;
    from = to;
  }
  return result;
}
