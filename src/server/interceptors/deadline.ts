import { performance } from "node:perf_hooks";
import type { Interceptor } from "../call.ts";
import { callLate } from "../call-endings.ts";

/** Timers cannot be longer: a larger delay would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A handler that watches the deadline itself knows better how far the request had come; it may speak first. */
const GRACE_MS = 5;

/**
 * Ends a call at its deadline, or when its caller goes away, whether or not the handler notices: its signal is aborted,
 * and the call fails even while the handler is still winding down.
 */
export const deadline: Interceptor = async (call, proceed) => {
  const remainingMs = call.deadlineAt - performance.now();
  if (remainingMs <= 0) throw callLate();
  const delayMs = remainingMs + GRACE_MS;
  const timer = delayMs <= MAX_TIMER_MS ? setTimeout(() => call.abort(callLate()), delayMs) : undefined;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(call.signal.reason);
    call.signal.addEventListener("abort", onAbort, { once: true });
    if (call.signal.aborted) onAbort();
  });
  const work = proceed();
  // Whichever loses the race may still reject later; nobody is left to hear it.
  work.catch(() => {});
  aborted.catch(() => {});
  try {
    await Promise.race([work, aborted]);
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", onAbort);
  }
};
