import { performance } from "node:perf_hooks";
import type { Metadata, ServerInterceptor } from "@grpc/grpc-js";
import { AlbertError, type ErrorCode } from "../../errors.ts";
import { type ByteBudget, CallBytes } from "../call/byte-budget.ts";
import { type GrpcStatusName, statusName } from "../errors/error-table.ts";
import { keptTraceOf } from "./call-traces.ts";
import { DETAILS_TRAILER, grpcStatus } from "./grpc-status.ts";

// Observes and rewrites the final status of every gRPC call, including those that the library ends itself.

/** Receives how each call ended, exactly once per call, whichever side ended it. */
export type OutcomeListener = (method: string, status: GrpcStatusName, seconds: number, traceId?: string) => void;

/**
 * Sees the final status of every call, including those the library ends itself before or without any handler: an
 * oversized or undecodable message, a passed deadline, a wrong number of messages. Those get the same details and trailers
 * as ours. Replies count against the budget until the connection has taken them. The library offers no hook for its own
 * statuses nor for the moment when a message was sent, so `sendStatus`, `sendMessage` and `start` of the call object that it
 * hands to interceptors are replaced; they are part of the public interceptor interface. The object itself goes on to the handler: one around it, of the
 * library's own kind, would pass each event through several more.
 */
export function callOutcome(maxMessageBytes: number, budget: ByteBudget, listen: OutcomeListener): ServerInterceptor {
  return (method, call) => {
    const startedAt = performance.now();
    const bytes = new CallBytes(budget);
    let ended = false;
    let received: Metadata | undefined;
    const end = (status: GrpcStatusName) => {
      if (ended) return;
      ended = true;
      bytes.close();
      listen(method.path.slice(1), status, (performance.now() - startedAt) / 1000, keptTraceOf(received));
    };
    const sendStatus = call.sendStatus.bind(call);
    const value = (status: SentStatus) => {
      const complete = withDetails(status, maxMessageBytes);
      end(statusName(complete.code ?? 2));
      sendStatus(complete);
    };
    const sendMessage = call.sendMessage.bind(call);
    const sendCounted = (reply: Buffer, sent: () => void) => {
      bytes.hold(reply.length);
      sendMessage(reply, () => {
        bytes.releaseReply(reply.length);
        sent();
      });
    };
    const start = call.start.bind(call);
    const startObserved = (listener: Listener) => {
      const onReceiveMetadata = (metadata: Metadata) => {
        received = metadata;
        listener.onReceiveMetadata(metadata);
      };
      start(new UntilCancelled(listener, onReceiveMetadata, () => end("CANCELLED")));
    };
    // Defined, not assigned: after an assignment, each call's memory outlives it until the whole heap is collected.
    Object.defineProperty(call, "sendStatus", { value });
    Object.defineProperty(call, "sendMessage", { value: sendCounted });
    Object.defineProperty(call, "start", { value: startObserved });
    return call as ReturnType<ServerInterceptor>; // its types ask for the class around a call; it needs no more than the interface
  };
}

type Listener = Parameters<Parameters<ServerInterceptor>[1]["start"]>[0];

/** Passes the events of a call on until it is cancelled: none comes after that. */
class UntilCancelled implements Listener {
  readonly onReceiveMetadata: Listener["onReceiveMetadata"];
  readonly #listener: Listener;
  readonly #onCancel: () => void;
  #cancelled = false;

  constructor(listener: Listener, onReceiveMetadata: Listener["onReceiveMetadata"], onCancel: () => void) {
    this.#listener = listener;
    this.onReceiveMetadata = onReceiveMetadata;
    this.#onCancel = onCancel;
  }

  onReceiveMessage(message: unknown): void {
    if (!this.#cancelled) this.#listener.onReceiveMessage(message);
  }

  onReceiveHalfClose(): void {
    if (!this.#cancelled) this.#listener.onReceiveHalfClose();
  }

  onCancel(): void {
    this.#cancelled = true;
    this.#onCancel();
    this.#listener.onCancel();
  }
}

type SentStatus = Parameters<Parameters<ServerInterceptor>[1]["sendStatus"]>[0];

function withDetails(status: SentStatus, maxMessageBytes: number): SentStatus {
  const known = status.code === 0 || (status.metadata?.get(DETAILS_TRAILER).length ?? 0) > 0;
  return known ? status : grpcStatus(libraryError(statusName(status.code ?? 2), maxMessageBytes));
}

/** What the library means by a status it makes on its own. Its texts are replaced: they are not under our control. */
function libraryError(status: GrpcStatusName, maxMessageBytes: number): AlbertError {
  const make = (code: ErrorCode, reason: string, message: string, metadata = {}) =>
    new AlbertError(code, message, { reason, metadata });
  switch (status) {
    case "RESOURCE_EXHAUSTED":
      return make(
        "too-large",
        "MESSAGE_TOO_LARGE",
        `a message may hold at most ${maxMessageBytes} bytes, decompressed`,
        {
          limit_bytes: String(maxMessageBytes),
        },
      );
    case "DEADLINE_EXCEEDED":
      return make("deadline", "DEADLINE_PASSED", "the deadline passed before the answer was ready");
    case "CANCELLED":
      return make("cancelled", "CANCELLED", "the caller went away");
    case "UNIMPLEMENTED":
      return make(
        "unimplemented",
        "CALL_UNSUPPORTED",
        "expected exactly one message for this method, uncompressed or compressed with gzip or deflate",
      );
    default:
      return make("invalid-input", "FIELD_INVALID", "the message cannot be decompressed or decoded");
  }
}
