import type { CloseCause } from "../../metrics/batches.ts";

// Which waiting sequences make the next batch. Pure: it sees lengths, not requests.

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
 * Chooses the next batch. The head of the queue always goes: this keeps the order and starves no request. Then
 * later sequences join, in order, as long as they fit the budget. Their lengths need not be alike: an engine computes
 * without padding, and splits a batch where attention's view of it would pay for its longest sequence.
 *
 * @param lengths  of the waiting sequences, in queue order
 */
export function nextBatch(lengths: readonly number[], { budget, lookahead }: BatchLimits): NextBatch {
  const [head] = lengths;
  if (head === undefined) return { places: [], cause: "idle" };
  const places = [0];
  let tokens = head;
  let passedOver = 0;
  for (let place = 1; place < lengths.length && passedOver <= lookahead; place++) {
    const length = lengths[place]!;
    if (tokens + length > budget) {
      passedOver++;
      continue;
    }
    places.push(place);
    tokens += length;
  }
  return { places, cause: passedOver > 0 ? "full" : "idle" };
}
