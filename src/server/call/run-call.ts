import { performance } from "node:perf_hooks";
import { systemClock } from "../../platform/waiting/clock.ts";
import { type IncidentLog, toAlbertError } from "../errors/status.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { IncomingCall } from "./call.ts";
import { deadlineExceeded } from "./deadline.ts";
import type { Ending, Interceptor } from "./interceptors.ts";
import type { OpenCallSettings } from "./open-call.ts";

// Runs a call's handler inside the interceptors, and within its deadline: the one place for all transports.

/** What all calls of one listener share, whatever their service and transport. */
export interface CallSettings extends OpenCallSettings {
  /** Outermost first. */
  readonly interceptors: readonly Interceptor[];
  readonly budget: ByteBudget;
  /** The most values of a message; see `mostValues`. */
  readonly maxValues: number;
  readonly logIncident: IncidentLog;
}

/**
 * The one place where a call of any transport is run: `work` inside the listener's interceptors. Transports only decode,
 * encode, count bytes and tell the call when they close; nothing else may run a handler.
 *
 * @param work  decodes the request, runs the handler and hands its replies to the transport
 * @throws AlbertError and nothing else; what the caller must not see went to the incident log
 */
export async function runCall(
  call: IncomingCall,
  { interceptors, logIncident }: Pick<CallSettings, "interceptors" | "logIncident">,
  work: () => Promise<void>,
): Promise<void> {
  const endings: Ending[] = [];
  let error: unknown;
  try {
    for (const interceptor of interceptors) {
      const begun = interceptor(call);
      const ending = begun instanceof Promise ? await begun : begun;
      if (ending !== undefined) endings.push(ending);
    }
    await whileWanted(call, work);
  } catch (thrown) {
    error = thrown ?? new Error("a handler threw nothing");
  }
  for (let i = endings.length - 1; i >= 0; i--) endings[i]?.(call, error);
  if (error !== undefined) throw toAlbertError(error, logIncident);
}

/** A handler that watches the deadline itself knows better how far the request had come; it may speak first. */
const GRACE_MS = 5;

/**
 * Ends a call at its deadline, or when its caller goes away, whether or not the handler notices: its signal is aborted,
 * and the call fails even while the handler is still winding down.
 */
function whileWanted(call: IncomingCall, work: () => Promise<void>): Promise<void> {
  const remainingMs = call.deadlineAt - performance.now();
  if (remainingMs <= 0) throw deadlineExceeded();
  const cancellation = call.cancellation ?? call.signal;
  cancellation.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stopTimer = systemClock.after(remainingMs + GRACE_MS, () => call.abort(deadlineExceeded()));
    const stop = () => {
      stopTimer();
      cancellation.removeEventListener("abort", onAbort);
    };
    const onAbort = () => {
      stop();
      reject(cancellation.reason);
    };
    cancellation.addEventListener("abort", onAbort, { once: true });
    // Whichever of work and abort is later is ignored.
    work().then(
      () => {
        stop();
        resolve();
      },
      (error: unknown) => {
        stop();
        reject(error);
      },
    );
  });
}
