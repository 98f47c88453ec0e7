import { type IncidentLog, toAlbertError } from "../errors/status.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { IncomingCall } from "./call.ts";
import type { Interceptor } from "./interceptors.ts";
import type { OpenCallSettings } from "./open-call.ts";

// Runs a call's handler inside the interceptors: the one place for all transports.

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
  settings: Pick<CallSettings, "interceptors" | "logIncident">,
  work: () => Promise<void>,
): Promise<void> {
  const chain = settings.interceptors.reduceRight<() => Promise<void>>(
    (inner, interceptor) => async () => interceptor(call, inner),
    work,
  );
  try {
    await chain();
  } catch (error) {
    throw toAlbertError(error, settings.logIncident);
  }
}
