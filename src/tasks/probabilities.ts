// Softmax, sigmoid and the choice of the largest values.

/** Softmax in double precision, shifted by the largest logit. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i]!);
  const probabilities = new Float64Array(logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    const weight = Math.exp(logits[i]! - largest);
    probabilities[i] = weight;
    total += weight;
  }
  for (let i = 0; i < probabilities.length; i++) probabilities[i]! /= total;
  return probabilities;
}

/** Logistic function, exact at both ends. */
export function sigmoid(logit: number): number {
  return logit >= 0 ? 1 / (1 + Math.exp(-logit)) : Math.exp(logit) / (1 + Math.exp(logit));
}

/** Indexes of the `count` largest values, largest first; of equal values the earlier comes first. NaN is never chosen. */
export function topIndexes(values: ArrayLike<number>, count: number): number[] {
  const indexes: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) continue;
    if (indexes.length === count && !(value > values[indexes[count - 1]!]!)) continue;
    let low = 0;
    let high = indexes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[indexes[middle]!]! >= value) low = middle + 1;
      else high = middle;
    }
    indexes.splice(low, 0, i);
    if (indexes.length > count) indexes.pop();
  }
  return indexes;
}
