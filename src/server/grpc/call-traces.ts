import type { Metadata } from "@grpc/grpc-js";
import type { IncomingCall } from "../call/call.ts";

// Which of our calls a call of the library is: both see the same metadata, and nothing else of each other.

const CALLS = new WeakMap<Metadata, Pick<IncomingCall, "trace">>();

/** Remembers the call that came with this metadata, for as long as that lives. */
export function rememberCall(metadata: Metadata, call: Pick<IncomingCall, "trace">): void {
  CALLS.set(metadata, call);
}

/** The trace of the call that came with this metadata, where it is kept. */
export function keptTraceOf(metadata: Metadata | undefined): string | undefined {
  const context = metadata === undefined ? undefined : CALLS.get(metadata)?.trace?.context;
  return context?.sampled === true ? context.traceId : undefined;
}
