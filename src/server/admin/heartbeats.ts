// Adds heartbeats to a stream of values, so that a reader can tell a quiet stream from a broken one.

/** One of the source's values, or a sign that nothing came for a while. */
export type Beat<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "heartbeat"; readonly timeMs: number };

/**
 * The values of a source as they come, and a heartbeat whenever none came for `intervalMs`. Ends with the source; leaving it
 * early ends the source too.
 */
export async function* withHeartbeats<T>(source: AsyncIterable<T>, intervalMs: number): AsyncGenerator<Beat<T>> {
  const values = source[Symbol.asyncIterator]();
  let next = values.next();
  let ended = false;
  try {
    for (;;) {
      const arrived = await orTimeout(next, intervalMs);
      if (arrived === undefined) {
        yield { kind: "heartbeat", timeMs: Date.now() };
        continue;
      }
      if (arrived.done) {
        ended = true;
        return;
      }
      yield { kind: "value", value: arrived.value };
      next = values.next();
    }
  } finally {
    if (!ended) {
      next.catch(() => {}); // its reader is gone
      await values.return?.();
    }
  }
}

async function orTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, milliseconds, undefined);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Seconds between heartbeats as a request gives them, in milliseconds within reason; 10 s when it gives none. */
export function heartbeatMs(seconds: number): number {
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(Math.max(seconds, 0.1), 300) * 1000 : 10_000;
}
