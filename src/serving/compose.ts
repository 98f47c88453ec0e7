import type { CloseCause } from "../metrics/batches.ts";

/** Bounds of one batch, and the engine's own estimate of what a batch costs. */
export interface CompositionRules {
  /** Most tokens of a batch; a single longer sequence runs alone. */
  readonly budget: number;
  /** Waiting sequences to look at beyond those taken. */
  readonly lookahead: number;
  readonly predictMs: (lengths: readonly number[]) => number;
}

/** Which waiting sequences make the next batch. */
export interface Composition {
  /** Ascending places in the queue; never empty for a queue that is not. */
  readonly places: readonly number[];
  readonly predictedMs: number;
  readonly cause: CloseCause;
}

/**
 * Chooses the next batch. The head of the queue always goes: that is what keeps the order and starves nobody. Then
 * later sequences join, in order, as long as they fit the budget and computing them together is predicted to take no longer
 * than computing them apart. Attention pays for the longest sequence of a batch, so a long head keeps many short ones
 * out although they would fit.
 *
 * @param lengths  of the waiting sequences, in queue order
 */
export function compose(lengths: readonly number[], { budget, lookahead, predictMs }: CompositionRules): Composition {
  if (lengths.length === 0) return { places: [], predictedMs: 0, cause: "idle" };
  const places = [0];
  const chosen = [lengths[0]!];
  let tokens = lengths[0]!;
  let predictedMs = predictMs(chosen);
  let passedOver = 0;
  let cause: CloseCause = "idle";
  for (let place = 1; place < lengths.length && passedOver <= lookahead; place++) {
    const length = lengths[place]!;
    if (tokens + length > budget) {
      cause = "full";
      passedOver++;
      continue;
    }
    chosen.push(length);
    const together = predictMs(chosen);
    if (together > (predictedMs + predictMs([length])) * (1 + ROUNDING)) {
      chosen.pop();
      passedOver++;
      continue;
    }
    places.push(place);
    tokens += length;
    predictedMs = together;
  }
  return { places, predictedMs, cause };
}

/** A cost that is exactly linear must not keep sequences apart by the last bit of a sum. */
const ROUNDING = 1e-9;

/**
 * Predicted milliseconds to compute these sequences in order, in batches of at most `budget` tokens.
 *
 * @param lengths  of the sequences, in the order they will run
 */
export function predictSequence(
  lengths: readonly number[],
  { budget, predictMs }: Omit<CompositionRules, "lookahead">,
): number {
  let total = 0;
  let batch: number[] = [];
  let tokens = 0;
  for (const length of lengths) {
    if (batch.length > 0 && tokens + length > budget) {
      total += predictMs(batch);
      batch = [];
      tokens = 0;
    }
    batch.push(length);
    tokens += length;
  }
  return batch.length > 0 ? total + predictMs(batch) : total;
}
