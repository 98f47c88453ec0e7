// How long many sequences are predicted to take. Pure: it sees lengths, not requests.

/** How batches are predicted to run. */
export interface CostRules {
  /** Most tokens of a batch. */
  readonly budget: number;
  /** Milliseconds of one batch. */
  readonly predictMs: (lengths: readonly number[]) => number;
}

/** Sequences whose cost is predicted one batch at a time; beyond them tokens are assumed to cost the same. */
const PREDICTED_EXACTLY = 64;

/**
 * Predicted milliseconds to compute these sequences in order, in batches of at most `budget` tokens.
 *
 * @param lengths  of the sequences, in the order they will run
 */
export function predictTotalMs(lengths: readonly number[], { budget, predictMs }: CostRules): number {
  let predictedMs = 0;
  let predictedTokens = 0;
  let next = 0;
  while (next < lengths.length && next < PREDICTED_EXACTLY) {
    const batch: number[] = [];
    let tokens = 0;
    while (next < lengths.length && (batch.length === 0 || tokens + lengths[next]! <= budget)) {
      batch.push(lengths[next]!);
      tokens += lengths[next]!;
      next++;
    }
    predictedMs += predictMs(batch);
    predictedTokens += tokens;
  }
  if (next === lengths.length) return predictedMs;
  const restTokens = lengths.slice(next).reduce((sum, length) => sum + length, 0);
  return predictedMs * (1 + restTokens / predictedTokens);
}
