import type { IncomingCall, Interceptor } from "../call.ts";

/**
 * Decides whether a caller may make a call.
 *
 * @throws AlbertError unauthenticated for a caller it does not know; forbidden for a call it does not allow
 */
export type Authorizer = (call: IncomingCall) => void | Promise<void>;

/** Runs the listener's authorizer before every call of every service, health and reflection included. */
export function authorize(authorizer: Authorizer): Interceptor {
  return async (call, proceed) => {
    await authorizer(call);
    await proceed();
  };
}
