// Predicts how long a run takes, from the runs seen so far. It measures nothing itself.

/** What a run's duration depends on. */
export interface RunShape {
  /** T: rows of every dense layer. */
  readonly tokens: number;
  /** B * S * S: scores of attention over the padded view. */
  readonly scores: number;
}

/** The shape of a run over sequences of these lengths. */
export function runShape(lengths: readonly number[]): RunShape {
  let tokens = 0;
  let longest = 0;
  for (const length of lengths) {
    tokens += length;
    longest = Math.max(longest, length);
  }
  return { tokens, scores: lengths.length * longest * longest };
}

/** How much an observation's weight shrinks with each later one: the model forgets over about a hundred runs. */
const MEMORY = 0.99;
/** A run this many times slower than predicted says more about the machine's neighbours than about the model. */
const OUTLIER = 4;

/**
 * Milliseconds of a run as `fixed + perToken * tokens + perScore * scores`, fitted to the runs seen so far by weighted
 * least squares on relative error: a short run that is predicted 50 % wrong counts like a long one that is.
 */
export class CostModel {
  /** Normal equations of the fit: sums of x xT and x y. */
  readonly #matrix = [0, 0, 0, 0, 0, 0, 0, 0, 0];
  readonly #vector = [0, 0, 0];
  #coefficients: readonly [number, number, number] = [0, 0, 0];
  #observations = 0;

  /** Learns from one run. */
  observe(shape: RunShape, ms: number): void {
    if (!(ms > 0)) return;
    const predicted = this.predict(shape);
    const seen = this.#observations >= 8 && ms > predicted * OUTLIER ? predicted * OUTLIER : ms;
    const row = [1, shape.tokens, shape.scores].map((value) => value / seen);
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) this.#matrix[3 * i + j] = this.#matrix[3 * i + j]! * MEMORY + row[i]! * row[j]!;
      this.#vector[i] = this.#vector[i]! * MEMORY + row[i]!;
    }
    this.#observations += 1;
    this.#coefficients = nonNegativeSolution(this.#matrix, this.#vector);
  }

  /** Milliseconds expected; 0 before anything was observed. */
  predict({ tokens, scores }: RunShape): number {
    const [fixed, perToken, perScore] = this.#coefficients;
    return fixed + perToken * tokens + perScore * scores;
  }
}

/**
 * Least squares with no negative coefficient: of the solutions over each subset of terms, the best whose terms are all
 * positive. With three terms there are seven subsets.
 */
function nonNegativeSolution(matrix: readonly number[], vector: readonly number[]): [number, number, number] {
  let best: [number, number, number] = [0, 0, 0];
  let bestError = Number.POSITIVE_INFINITY;
  for (let subset = 1; subset < 8; subset++) {
    const terms = [0, 1, 2].filter((term) => (subset & (1 << term)) !== 0);
    const solved = solve(terms, matrix, vector);
    if (solved === undefined || solved.some((value) => !(value >= 0))) continue;
    const full: [number, number, number] = [0, 0, 0];
    terms.forEach((term, index) => {
      full[term] = solved[index]!;
    });
    // |Xw - y|^2 without its constant: wT A w - 2 wT b.
    const error = full.reduce(
      (sum, wi, i) => sum + wi * (full.reduce((row, wj, j) => row + matrix[3 * i + j]! * wj, 0) - 2 * vector[i]!),
      0,
    );
    if (error < bestError) {
      best = full;
      bestError = error;
    }
  }
  return best;
}

/** Gaussian elimination over some of the terms, in units that make the diagonal 1. */
function solve(terms: readonly number[], matrix: readonly number[], vector: readonly number[]): number[] | undefined {
  const scale = terms.map((term) => 1 / Math.sqrt(matrix[4 * term]! || 1));
  const rows = terms.map((i, a) => [
    ...terms.map((j, b) => matrix[3 * i + j]! * scale[a]! * scale[b]!),
    vector[i]! * scale[a]!,
  ]);
  for (let pivot = 0; pivot < rows.length; pivot++) {
    const own = rows[pivot]!;
    if (Math.abs(own[pivot]!) < 1e-9) return undefined;
    for (let other = 0; other < rows.length; other++) {
      if (other === pivot) continue;
      const factor = rows[other]![pivot]! / own[pivot]!;
      rows[other] = rows[other]!.map((value, column) => value - factor * own[column]!);
    }
  }
  return rows.map((row, index) => (row.at(-1)! / row[index]!) * scale[index]!);
}
