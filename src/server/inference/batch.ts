import { invalidInput } from "../../errors.ts";
import type { BatchInferRequest } from "../../gen/albert/v1/inference_pb.js";
import type { CallContext } from "../call/call.ts";
import { nextTurn } from "../call/large-messages.ts";
import type { ItemResult } from "./items.ts";

// The RPC `BatchInfer`: many items in one message, each with an outcome of its own.

/** Items that are begun in one turn of the event loop: a millisecond or two of work. */
const ITEMS_AT_ONCE = 16;

/** What a batch is answered with. */
export interface BatchOptions {
  readonly maxItems: number;
  /** Resolves when the queue has room for another item. */
  readonly backpressure: () => Promise<void>;
  /** Answers one item; its failures are results too. */
  readonly answer: (item: BatchInferRequest["items"][number]) => Promise<ItemResult>;
}

/**
 * Answers the items of one batch at the same time, each with an outcome of its own, in the order of the request. The batch
 * fails as a whole only when it holds too few or too many items, or its caller has gone.
 *
 * @throws AlbertError invalid-input for a wrong number of items; the reason with which the call was aborted
 */
export async function batchInfer(
  { items }: BatchInferRequest,
  { signal }: Pick<CallContext, "signal">,
  { maxItems, backpressure, answer }: BatchOptions,
): Promise<{ results: ItemResult[] }> {
  if (items.length < 1 || items.length > maxItems) {
    throw invalidInput([{ field: "items", description: `must hold 1 to ${maxItems} items, got ${items.length}` }]);
  }
  const outcomes: Promise<ItemResult>[] = [];
  for (const [i, item] of items.entries()) {
    if (i % ITEMS_AT_ONCE === 0) await nextTurn();
    await backpressure();
    outcomes.push(answer(item));
  }
  const results = await Promise.all(outcomes);
  signal.throwIfAborted();
  return { results };
}
