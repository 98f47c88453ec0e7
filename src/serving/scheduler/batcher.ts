import type { CloseCause } from "../../metrics/batches.ts";

/** Bounds of one batch. */
export interface BatchLimits {
  /** Most tokens of a batch; a single longer sequence runs alone. */
  readonly budget: number;
  /** Waiting sequences to look at beyond those taken. */
  readonly lookahead: number;
}

/** Which waiting sequences make the next batch. */
export interface NextBatch {
  /** Ascending places in the queue; never empty for a queue that is not. */
  readonly places: readonly number[];
  readonly cause: CloseCause;
}

/**
 * Chooses the next batch. The head of the queue always goes: that is what keeps the order and starves nobody. Then
 * later sequences join, in order, as long as they fit the budget. Their lengths need not be alike: an engine computes
 * without padding, and splits a batch where attention's view of it would pay for its longest sequence.
 *
 * @param lengths  of the waiting sequences, in queue order
 */
export function nextBatch(lengths: readonly number[], { budget, lookahead }: BatchLimits): NextBatch {
  if (lengths.length === 0) return { places: [], cause: "idle" };
  const places = [0];
  let tokens = lengths[0]!;
  let passedOver = 0;
  for (let place = 1; place < lengths.length && passedOver <= lookahead; place++) {
    if (tokens + lengths[place]! > budget) {
      passedOver++;
      continue;
    }
    places.push(place);
    tokens += lengths[place]!;
  }
  return { places, cause: passedOver > 0 ? "full" : "idle" };
}

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
