import type { MessageInitShape } from "@bufbuild/protobuf";
import { invalidInput } from "../../errors.ts";
import {
  type InferItem,
  type StreamInferRequest,
  type StreamInferResponseSchema,
  StreamOrder,
} from "../../gen/albert/v1/inference_pb.js";
import { draining } from "../../serving/errors.ts";
import type { CallContext } from "../call/call.ts";
import { InFlightWindow } from "./in-flight-window.ts";
import type { ItemResult } from "./items.ts";

// The RPC `StreamInfer`: many items on one stream, bounded by a window.

export interface StreamOptions {
  /** Items in work, or answered and not yet taken by the caller, at one time. */
  readonly window: number;
  /** Resolves when the queue has room for another item. */
  readonly backpressure: () => Promise<void>;
  /** Answers one item; its failures are results too. */
  readonly answer: (item: InferItem) => Promise<ItemResult>;
}

/**
 * Answers a stream of items: announces the window, keeps at most that many items in flight, and gives results as they are
 * ready or in the order of the items. Reading pauses while the window is full, so a caller that does not read its
 * results is slowed down by flow control, not buffered. When the server drains, the items in flight are answered and the
 * stream ends with UNAVAILABLE.
 */
export async function* streamInfer(
  requests: AsyncIterable<StreamInferRequest>,
  context: CallContext,
  { window, backpressure, answer }: StreamOptions,
): AsyncGenerator<MessageInitShape<typeof StreamInferResponseSchema>> {
  yield { message: { case: "window", value: { items: window } } };
  const inFlight = new InFlightWindow<ItemResult>(window);
  const onDrain = () => inFlight.end();
  const onAbort = () => inFlight.end(context.signal.reason);
  context.draining.addEventListener("abort", onDrain, { once: true });
  context.signal.addEventListener("abort", onAbort, { once: true });
  readItems(requests, inFlight, { backpressure, answer }).then(
    () => inFlight.end(),
    (error) => inFlight.end(error),
  );
  try {
    for (let result = await inFlight.take(); result !== undefined; result = await inFlight.take()) {
      yield { message: { case: "result", value: result } };
    }
    if (context.draining.aborted) throw draining();
  } finally {
    inFlight.end();
    context.draining.removeEventListener("abort", onDrain);
    context.signal.removeEventListener("abort", onAbort);
  }
}

async function readItems(
  requests: AsyncIterable<StreamInferRequest>,
  inFlight: InFlightWindow<ItemResult>,
  { backpressure, answer }: Pick<StreamOptions, "backpressure" | "answer">,
): Promise<void> {
  let first = true;
  for await (const { message } of requests) {
    if (inFlight.ended) return;
    if (message.case === "settings") inFlight.ordered = readOrder(message.value.order, first);
    else if (message.case === "item") {
      await backpressure();
      inFlight.add(answer(message.value));
    } else throw invalidInput([{ field: "message", description: "must be settings or item" }]);
    first = false;
    await inFlight.room();
  }
}

function readOrder(order: StreamOrder, first: boolean): boolean {
  if (!first) throw invalidInput([{ field: "settings", description: "must be the first message of the stream" }]);
  if (!Object.values<number>(StreamOrder).includes(order)) {
    throw invalidInput([{ field: "settings.order", description: `must be 0 to 2, got ${order}` }]);
  }
  return order === StreamOrder.REQUEST;
}
