import { invariant } from "../../errors.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import type { ClassificationPrediction } from "../../tasks/evaluation/prediction.ts";
import type { Residuals } from "../evaluation-report.ts";
import { thinned } from "../figures/ranking.ts";
import type { JudgedRow } from "../rows/judged-row.ts";
import type { ReportPart } from "./part.ts";

/** Points of the drawn cloud. */
const POINTS = 400;
/** Bars of the histogram. */
const BARS = 20;

/**
 * The part of a report about values.
 *
 * @param kind  "similarity" where the values have another scale than the right ones, so that only how they go together counts
 */
export function regressionPart(
  examples: readonly Example[],
  predictions: readonly ClassificationPrediction[],
  kind: "regression" | "similarity",
): ReportPart {
  const judged: { readonly example: Example; readonly gold: number; readonly predicted: number }[] = [];
  examples.forEach((example, i) => {
    invariant(example.kind === "classification", "values are given to texts");
    if (typeof example.label !== "number") return;
    judged.push({ example, gold: example.label, predicted: Number(predictions[i]!.predicted) });
  });
  const golds = judged.map(({ gold }) => gold);
  // On another scale, rows are compared by where a straight line through all of them would put them.
  const line =
    kind === "regression"
      ? { slope: 1, offset: 0 }
      : fittedLine(
          judged.map(({ predicted }) => predicted),
          golds,
        );
  const values = judged.map(({ predicted }) => line.slope * predicted + line.offset);
  const rows = judged.map(({ example, gold, predicted }, i): JudgedRow => {
    const error = Math.abs(values[i]! - gold);
    return {
      example,
      right: short(gold),
      predicted: short(predicted),
      score: error,
      isRight: error === 0,
      loss: error * error,
    };
  });
  const figures = new RegressionFigures(golds, values);
  return {
    kind,
    rows,
    measure: "absolute error",
    dimensions: [{ name: "right value", propertyOf: ({ right }) => Number(right) }],
    steps: 6 * rows.length,
    figures: (weights) => {
      const { pearson, spearman, ...errors } = figures.of(weights);
      return kind === "regression" ? { pearson, spearman, ...errors } : { pearson, spearman };
    },
    tables: { residuals: residualsOf(golds, values) },
  };
}

/** Correlations and errors of values, for any weights of their rows. */
class RegressionFigures {
  readonly #golds: readonly number[];
  readonly #values: readonly number[];
  readonly #goldOrder: Uint32Array;
  readonly #valueOrder: Uint32Array;

  constructor(golds: readonly number[], values: readonly number[]) {
    this.#golds = golds;
    this.#values = values;
    this.#goldOrder = orderOf(golds);
    this.#valueOrder = orderOf(values);
  }

  of(weights: Float64Array) {
    const golds = this.#golds;
    const values = this.#values;
    let [total, squares, absolute, sum, sumOfSquares] = [0, 0, 0, 0, 0];
    weights.forEach((weight, row) => {
      const error = values[row]! - golds[row]!;
      total += weight;
      squares += weight * error * error;
      absolute += weight * Math.abs(error);
      sum += weight * golds[row]!;
    });
    const mean = sum / total;
    weights.forEach((weight, row) => {
      sumOfSquares += weight * (golds[row]! - mean) ** 2;
    });
    return {
      pearson: weightedCorrelation(golds, values, weights),
      spearman: weightedCorrelation(
        weightedRanks(golds, this.#goldOrder, weights),
        weightedRanks(values, this.#valueOrder, weights),
        weights,
      ),
      MSE: squares / total,
      RMSE: Math.sqrt(squares / total),
      MAE: absolute / total,
      R2: sumOfSquares === 0 ? Number.NaN : 1 - squares / sumOfSquares,
    };
  }
}

function orderOf(values: readonly number[]): Uint32Array {
  return Uint32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);
}

/** Ranks in which a row counts as often as its weight says; equal values share the mean of their ranks. */
function weightedRanks(values: readonly number[], order: Uint32Array, weights: Float64Array): Float64Array {
  const ranks = new Float64Array(values.length);
  let before = 0;
  for (let from = 0; from < order.length; ) {
    let to = from;
    let weight = 0;
    while (to < order.length && values[order[to]!] === values[order[from]!]) weight += weights[order[to++]!]!;
    for (let i = from; i < to; i++) ranks[order[i]!] = before + (weight + 1) / 2;
    before += weight;
    from = to;
  }
  return ranks;
}

/** Linear correlation of weighted rows; NaN where either side does not vary. */
function weightedCorrelation(a: ArrayLike<number>, b: ArrayLike<number>, weights: Float64Array): number {
  let [total, sumA, sumB] = [0, 0, 0];
  weights.forEach((weight, row) => {
    total += weight;
    sumA += weight * a[row]!;
    sumB += weight * b[row]!;
  });
  let [products, squaresA, squaresB] = [0, 0, 0];
  weights.forEach((weight, row) => {
    const [fromA, fromB] = [a[row]! - sumA / total, b[row]! - sumB / total];
    products += weight * fromA * fromB;
    squaresA += weight * fromA * fromA;
    squaresB += weight * fromB * fromB;
  });
  const spread = Math.sqrt(squaresA * squaresB);
  // Rounding leaves a constant side a spread of about nothing.
  return spread <= 1e-12 * total ? Number.NaN : Math.max(-1, Math.min(1, products / spread));
}

/** The straight line of least squares from `values` to `golds`. */
function fittedLine(values: readonly number[], golds: readonly number[]): { slope: number; offset: number } {
  const mean = (numbers: readonly number[]) => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const [meanValue, meanGold] = [mean(values), mean(golds)];
  const squares = values.reduce((sum, value) => sum + (value - meanValue) ** 2, 0);
  const products = values.reduce((sum, value, i) => sum + (value - meanValue) * (golds[i]! - meanGold), 0);
  const slope = squares === 0 ? 0 : products / squares;
  return { slope, offset: meanGold - slope * meanValue };
}

function residualsOf(golds: readonly number[], values: readonly number[]): Residuals {
  const residuals = values.map((value, i) => value - golds[i]!);
  const sorted = [...residuals].sort((a, b) => a - b);
  const mean = residuals.reduce((sum, value) => sum + value, 0) / residuals.length;
  const variance = residuals.reduce((sum, value) => sum + (value - mean) ** 2, 0) / residuals.length;
  const [least = 0, most = 0] = [sorted[0], sorted.at(-1)];
  const width = (most - least) / BARS;
  const bars = Array.from({ length: width === 0 ? 1 : BARS }, (_, i) => ({
    from: least + i * width,
    to: least + (i + 1) * width,
    rows: 0,
  }));
  for (const value of residuals) {
    bars[width === 0 ? 0 : Math.min(BARS - 1, Math.floor((value - least) / width))]!.rows++;
  }
  return {
    mean,
    standardDeviation: Math.sqrt(variance),
    quantiles: [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => ({ share, value: quantile(sorted, share) })),
    histogram: bars,
    points: thinned(
      golds.map((gold, i) => [gold, values[i]!] as const),
      POINTS,
    ),
  };
}

/** Between two values, on the straight line from one to the other. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN];
  return low + (at - Math.floor(at)) * (high - low);
}

function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}
