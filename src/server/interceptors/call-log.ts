import { performance } from "node:perf_hooks";
import { AlbertError } from "../../errors.ts";
import type { IncomingCall, Interceptor } from "../call.ts";
import type { ServerLog } from "../log.ts";

/** Which calls are logged. */
export interface CallLogOptions {
  /** Log every call at level debug. */
  readonly all: boolean;
  /** Log calls that take longer than this at level warn; 0: none. Streams last as long as their callers like, and never count. */
  readonly slowMs: number;
}

/** One line per logged call. Lines hold names, numbers and reasons; never text of a request or an answer. */
export function callLog(log: ServerLog, { all, slowMs }: CallLogOptions): Interceptor {
  const write = (call: IncomingCall, outcome: string) => {
    const ms = performance.now() - call.receivedAt;
    const slow = slowMs > 0 && ms > slowMs && !call.streaming;
    // Most calls are not logged; nothing is built for them.
    if (!slow && !all) return;
    const line = { method: call.method, request_id: call.requestId, outcome, ms: Math.round(ms), ...call.facts };
    if (slow) log.warn(line, "slow call");
    else log.debug(line, "call");
  };
  return async (call, proceed) => {
    try {
      await proceed();
    } catch (error) {
      write(call, error instanceof AlbertError ? error.reason : "BUG");
      throw error;
    }
    write(call, "ok");
  };
}
