import type { BatchCost } from "../../runtime/engine.ts";
import type { QueuedSequence } from "./queued-request.ts";

// The span of a batch.

/**
 * Adds a batch to the traces of its requests: one span, in the first trace that is kept, with links to the spans of all requests
 * that it served.
 */
export function traceBatch(
  batch: readonly QueuedSequence[],
  { tokens, paddedTokens }: BatchCost,
  startedAt: number,
  endedAt: number,
): void {
  if (!batch.some(({ request }) => request.work.trace?.context.sampled)) return;
  const spans = new Set(batch.flatMap(({ request }) => (request.work.trace === undefined ? [] : [request.work.trace])));
  const kept = [...spans].filter(({ context }) => context.sampled);
  kept[0]?.part({
    ...{ name: "batch", startedAt, endedAt },
    attributes: {
      "albert.sequences": batch.length,
      "albert.tokens": tokens,
      "albert.padded_tokens": Math.round(paddedTokens),
    },
    links: [...spans].map(({ context }) => context),
  });
}
