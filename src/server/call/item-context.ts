import { performance } from "node:perf_hooks";
import type { CallContext } from "./call.ts";

/** An item's clock starts when the item arrives, not when its stream was opened; its facts are not the stream's. */
export function itemContext(stream: CallContext): CallContext {
  const { method, requestId, deadlineAt, signal, draining, peer, caller, allowance, trace } = stream;
  const receivedAt = performance.now();
  const header = (name: string) => stream.header(name);
  const same = { method, requestId, deadlineAt, signal, draining, peer, caller, allowance, trace, header };
  return { ...same, receivedAt, annotate: () => {} };
}
