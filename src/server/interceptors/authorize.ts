import type { IncomingCall, Interceptor } from "../call.ts";

/**
 * Decides whether a caller may make a call.
 *
 * @throws AlbertError unauthenticated (TOKEN_MISSING, TOKEN_INVALID) or forbidden (SCOPE_REQUIRED)
 */
export type Authorizer = (call: IncomingCall) => void | Promise<void>;

/** Runs the listener's authorizer before every call of every service, health and reflection included. */
export function authorize(authorizer: Authorizer): Interceptor {
  return async (call, proceed) => {
    await authorizer(call);
    await proceed();
  };
}
