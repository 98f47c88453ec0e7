import { setTimeout as delay } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { invalidInput } from "../../errors.ts";
import {
  type InferenceService,
  type InferItem,
  type InferItemResultSchema,
  InferItemSchema,
} from "../../gen/albert/v1/inference_pb.js";
import type { CallContext, ServiceHandlers } from "../call/call.ts";
import { type IncidentLog, toAlbertError, toWireError } from "../errors/status.ts";

// One item of a batch or stream: which call answers it, what becomes of its failure, and when the next may follow. It
// knows no model and no text.

/** The calls that answer one request each: what batches and streams are made of. */
export type InferenceCalls = Pick<
  ServiceHandlers<typeof InferenceService>,
  "classify" | "answerQuestion" | "chooseAnswer" | "encode" | "fillMask" | "tokenize" | "infer"
>;

/** How one item ended. */
export type ItemResult = MessageInitShape<typeof InferItemResultSchema>;

/**
 * Answers one item of a batch or stream exactly as the call of that kind would, and turns its failure into the status
 * which that call would have ended with. Never rejects: by then the whole
 * call may have ended, with no one left to listen.
 */
export async function answerItem(
  item: InferItem,
  calls: InferenceCalls,
  context: CallContext,
  logIncident: IncidentLog,
): Promise<ItemResult> {
  const { correlationId } = item;
  try {
    return { correlationId, outcome: await outcomeOf(item, calls, context) };
  } catch (error) {
    const { status } = toWireError(toAlbertError(error, logIncident));
    return { correlationId, outcome: { case: "error", value: status } };
  }
}

async function outcomeOf(
  item: InferItem,
  calls: InferenceCalls,
  context: CallContext,
): Promise<NonNullable<ItemResult["outcome"]>> {
  const { request } = item;
  switch (request.case) {
    case "classify":
      return { case: "classify", value: await calls.classify(request.value, context) };
    case "answerQuestion":
      return { case: "answerQuestion", value: await calls.answerQuestion(request.value, context) };
    case "chooseAnswer":
      return { case: "chooseAnswer", value: await calls.chooseAnswer(request.value, context) };
    case "encode":
      return { case: "encode", value: await calls.encode(request.value, context) };
    case "fillMask":
      return { case: "fillMask", value: await calls.fillMask(request.value, context) };
    case "tokenize":
      return { case: "tokenize", value: await calls.tokenize(request.value, context) };
    case "infer":
      return { case: "infer", value: await calls.infer(request.value, context) };
    case undefined:
      throw emptyItem();
  }
}

function emptyItem(): Error {
  const kinds = InferItemSchema.oneofs[0]!.fields.map(({ name }) => name).join(", ");
  return invalidInput([{ field: "request", description: `must be one of ${kinds}` }]);
}

/** Holds back the next item of a stream until its caller may make another request and the queue has room. */
export async function itemTurn({ allowance, signal }: CallContext, room: () => Promise<void>): Promise<void> {
  await allowance?.turn(signal);
  await room();
}

/** Longest pause between two looks at the queue. */
const LOOK_EVERY_MS = 50;

/** What backpressure needs to know of the queue. */
export interface QueueLoad {
  /** Predicted milliseconds that work arriving now would wait. */
  predictedWaitMs(): number;
}

/**
 * Holds back the next item of a batch or stream while the queue is half full, so that one caller's items wait here, where
 * its own deadline and window bound them, instead of being refused and crowding out others.
 *
 * @throws the signal's reason when it aborts meanwhile
 */
export async function backpressure(queue: QueueLoad, maxQueueMs: number, signal: AbortSignal): Promise<void> {
  for (let excess = queue.predictedWaitMs() - maxQueueMs / 2; excess > 0; ) {
    await delay(Math.min(excess, LOOK_EVERY_MS), undefined, { signal }).catch(() => signal.throwIfAborted());
    excess = queue.predictedWaitMs() - maxQueueMs / 2;
  }
}
