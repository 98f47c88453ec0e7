/**
 * Rows whose label is likely wrong, by confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty
 * in Dataset Labels", JAIR 70, 2021): a row counts for the label of which the model is at least as sure as it is, on average, on
 * the rows that have that label; of several the likeliest. Where that is not the row's own label, the row is suspected.
 *
 * The model must not have been trained on these rows.
 *
 * @param golds          [rows] index of each row's label
 * @param probabilities  [rows][labels]
 * @returns rows, the likeliest errors first: by how much less probable the row's label is than the likeliest other one
 */
export function likelyLabelErrors(
  golds: readonly number[],
  probabilities: readonly (readonly number[])[],
  labels: number,
): number[] {
  const sums = new Float64Array(labels);
  const counts = new Float64Array(labels);
  golds.forEach((gold, row) => {
    sums[gold]! += probabilities[row]![gold]!;
    counts[gold]! += 1;
  });
  // Rounding must not hide rows that are exactly as sure as the mean, as all are where a label has one row.
  const thresholds = Array.from(sums, (sum, label) =>
    counts[label] === 0 ? Number.POSITIVE_INFINITY : sum / counts[label]! - 1e-12,
  );
  const suspected = golds.flatMap((gold, row) => {
    const confident = probabilities[row]!.map((probability, label) =>
      probability >= thresholds[label]! ? probability : -1,
    );
    const likeliest = Math.max(...confident);
    return likeliest < 0 || confident[gold] === likeliest ? [] : [row];
  });
  const margin = (row: number) => {
    const gold = golds[row]!;
    return probabilities[row]![gold]! - Math.max(...probabilities[row]!.filter((_, label) => label !== gold));
  };
  const margins = new Map(suspected.map((row) => [row, margin(row)]));
  return suspected.sort((a, b) => margins.get(a)! - margins.get(b)!);
}
