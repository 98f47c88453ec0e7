import type { CostModel } from "../profile/cost-model.ts";
import { runShape } from "../profile/cost-model.ts";

// Splits a batch into runs of similar length where that is predicted to be faster.

/**
 * Splits a batch into runs of similar length where that is predicted to be cheaper: attention computes a padded view, so
 * one long text among many short ones would make all of them pay for its length. Sequences are sorted by length and cut
 * where the padding saved outweighs the fixed cost of one more run. Results do not depend on the cut.
 *
 * @param lengths    tokens of each sequence
 * @param maxTokens  no run holds more tokens than this, unless a single sequence does
 * @returns          indexes into `lengths`, each exactly once
 */
export function planChunks(
  lengths: readonly number[],
  cost: Pick<CostModel, "predict">,
  maxTokens: number,
): number[][] {
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const sorted = order.map((index) => lengths[index]!);
  const best = new Float64Array(order.length + 1).fill(Number.POSITIVE_INFINITY);
  const cutBefore = new Int32Array(order.length + 1);
  best[0] = 0;
  for (let from = 0; from < order.length; from++) {
    const longest = sorted[from]!;
    let tokens = 0;
    for (let to = from + 1; to <= order.length; to++) {
      tokens += sorted[to - 1]!;
      if (tokens > maxTokens && to > from + 1) break;
      const total = best[from]! + cost.predict({ tokens, scores: (to - from) * longest * longest });
      if (total < best[to]!) {
        best[to] = total;
        cutBefore[to] = from;
      }
    }
  }
  const chunks: number[][] = [];
  for (let to = order.length; to > 0; to = cutBefore[to]!) chunks.push(order.slice(cutBefore[to]!, to));
  return chunks.reverse();
}

/** Milliseconds of a batch, as it would be split. */
export function predictBatchMs(
  lengths: readonly number[],
  cost: Pick<CostModel, "predict">,
  maxTokens: number,
): number {
  return planChunks(lengths, cost, maxTokens).reduce(
    (sum, chunk) => sum + cost.predict(runShape(chunk.map((index) => lengths[index]!))),
    0,
  );
}
