import type { App } from "../../app.ts";
import type { Config } from "../../config/settings.ts";

// What a server process does at a signal, from the first moment of its start-up.

/** How a server process ends. */
export interface EndOnSignals {
  /** Whether a signal came. The process then ends by itself, whatever fails on the way. */
  readonly ending: boolean;
  /** Says what has to be closed from now on; before, a signal ends the process at once. */
  follow(app: Pick<App, "close">): void;
}

/**
 * The first SIGTERM drains as configured, the first SIGINT (a person at a terminal) without the delay meant for load
 * balancers; a second signal ends the process at once. So does the end of the time for delay and calls, whatever still holds
 * on: a job in the middle of a step goes on from its checkpoint when a server starts again. The exit status is 0 when
 * everything ended by itself, and 1 when something was cut. The process does not wait for sockets that a peer leaves open.
 */
export function endOnSignals({ drainDelayMs, drainTimeoutMs }: Config["server"]): EndOnSignals {
  let ending = false;
  let app: Pick<App, "close"> | undefined;
  const end = async (signal: NodeJS.Signals) => {
    if (ending) process.exit(1);
    ending = true;
    const delayMs = signal === "SIGINT" ? 0 : drainDelayMs;
    setTimeout(() => process.exit(1), delayMs + drainTimeoutMs);
    process.exit((await (app?.close(delayMs) ?? true)) ? 0 : 1);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  return {
    get ending() {
      return ending;
    },
    follow(opened) {
      app = opened;
    },
  };
}
