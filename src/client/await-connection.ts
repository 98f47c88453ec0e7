import { type Client, connectivityState } from "@grpc/grpc-js";
import { CallError } from "./call-error.ts";

const UNAVAILABLE = 14;

/**
 * Waits until a connection stands, or is known to fail: then the next call says why. Without it a call to an address that
 * swallows packets, or to a listener that never answers, lasts until its own deadline.
 *
 * @internal
 * @throws CallError UNAVAILABLE when neither is so in time; its reason is NO_CONNECTION
 */
export async function awaitConnection(channel: Client, address: string, timeoutMs: number): Promise<void> {
  const watched = channel.getChannel();
  const deadline = Date.now() + timeoutMs;
  let state = watched.getConnectivityState(true);
  while (state === connectivityState.IDLE || state === connectivityState.CONNECTING) {
    const timedOut = await new Promise<boolean>((resolve) => {
      watched.watchConnectivityState(state, deadline, (error) => resolve(error !== undefined));
    });
    state = watched.getConnectivityState(true);
    if (timedOut && (state === connectivityState.IDLE || state === connectivityState.CONNECTING)) {
      const message = `no connection to ${address} stood within ${timeoutMs} ms`;
      const details = { reason: "NO_CONNECTION", metadata: { address }, violations: [], retryAfterMs: undefined };
      throw new CallError(UNAVAILABLE, message, details);
    }
  }
}
