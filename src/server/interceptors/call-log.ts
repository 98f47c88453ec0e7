import { performance } from "node:perf_hooks";
import { AlbertError } from "../../errors.ts";
import type { Interceptor } from "../call.ts";
import type { ServerLog } from "../log.ts";

/**
 * One line per call at level debug, and at level warn for calls slower than `slowMs` (0: none). Lines hold names, numbers
 * and reasons; never text of a request or an answer.
 */
export function callLog(log: ServerLog, slowMs: number): Interceptor {
  return async (call, proceed) => {
    let outcome = "ok";
    try {
      await proceed();
    } catch (error) {
      outcome = error instanceof AlbertError ? error.reason : "BUG";
      throw error;
    } finally {
      const ms = performance.now() - call.receivedAt;
      const slow = slowMs > 0 && ms > slowMs;
      const line = { method: call.method, request_id: call.requestId, outcome, ms: Math.round(ms), ...call.facts };
      if (slow) log.warn(line, "slow call");
      else log.debug(line, "call");
    }
  };
}
