import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  ModelInferRequest,
  ModelInferResponseSchema,
  ModelStreamInferResponseSchema,
} from "../../gen/inference/open_inference_pb.js";
import { draining } from "../../serving/errors.ts";
import type { CallContext } from "../call/call.ts";
import { itemContext } from "../call/item-context.ts";
import { type IncidentLog, toAlbertError } from "../errors/status.ts";
import { InFlightWindow } from "../inference/in-flight-window.ts";

// ModelStreamInfer: requests of tensors as they come on one stream.

export interface StreamOptions {
  /** Requests in work, or answered and not yet taken by the caller, at one time. */
  readonly window: number;
  /** Resolves when the queue has room for another request. */
  readonly backpressure: () => Promise<void>;
  readonly answer: (
    request: ModelInferRequest,
    context: CallContext,
  ) => Promise<MessageInitShape<typeof ModelInferResponseSchema>>;
  readonly logIncident: IncidentLog;
}

type StreamReply = MessageInitShape<typeof ModelStreamInferResponseSchema>;

/**
 * Answers the requests of one stream in their order. One that fails is answered with its message and reason, and the stream goes on. When the
 * server drains, what is in work is answered and the stream ends with UNAVAILABLE.
 */
export async function* streamTensors(
  requests: AsyncIterable<ModelInferRequest>,
  context: CallContext,
  options: StreamOptions,
): AsyncGenerator<StreamReply> {
  const inFlight = new InFlightWindow<StreamReply>(options.window);
  inFlight.ordered = true;
  const onDrain = () => inFlight.end();
  const onAbort = () => inFlight.end(context.signal.reason);
  context.draining.addEventListener("abort", onDrain, { once: true });
  context.signal.addEventListener("abort", onAbort, { once: true });
  readRequests(requests, inFlight, context, options).then(
    () => inFlight.end(),
    (error) => inFlight.end(error),
  );
  try {
    for (let reply = await inFlight.take(); reply !== undefined; reply = await inFlight.take()) yield reply;
    if (context.draining.aborted) throw draining();
  } finally {
    inFlight.end();
    context.draining.removeEventListener("abort", onDrain);
    context.signal.removeEventListener("abort", onAbort);
  }
}

async function readRequests(
  requests: AsyncIterable<ModelInferRequest>,
  inFlight: InFlightWindow<StreamReply>,
  context: CallContext,
  { backpressure, answer, logIncident }: StreamOptions,
): Promise<void> {
  for await (const request of requests) {
    if (inFlight.ended) return;
    await backpressure();
    inFlight.add(
      answer(request, itemContext(context)).then(
        (inferResponse) => ({ inferResponse }),
        (error: unknown) => {
          const { reason, message } = toAlbertError(error, logIncident);
          return { errorMessage: `${reason}: ${message}`, inferResponse: { id: request.id } };
        },
      ),
    );
    await inFlight.room();
  }
}
