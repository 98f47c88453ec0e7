import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { explain } from "../../api.ts";

// Hooks that connect a view to calls of the server: one call at a time, or repeated reads.

/** A call in the making: nothing yet, running, an answer, or the sentences that say why there is none. */
export type Call<T> =
  | { readonly state: "idle" }
  | { readonly state: "running" }
  | { readonly state: "done"; readonly value: T }
  | { readonly state: "failed"; readonly problems: readonly string[] };

/**
 * Runs one call at a time; starting another abandons the one before, and leaving the page ends it.
 *
 * @returns the call as it stands, and a function that starts it
 */
export function useCall<T, A extends unknown[]>(
  run: (signal: AbortSignal, ...args: A) => Promise<T>,
): readonly [Call<T>, (...args: A) => Promise<T | undefined>] {
  const [call, setCall] = useState<Call<T>>({ state: "idle" });
  const current = useRef<AbortController | undefined>(undefined);
  const latest = useRef(run);
  latest.current = run;
  useEffect(() => () => current.current?.abort(), []);
  const start = useCallback(async (...args: A): Promise<T | undefined> => {
    current.current?.abort();
    const controller = new AbortController();
    current.current = controller;
    setCall({ state: "running" });
    try {
      const value = await latest.current(controller.signal, ...args);
      if (!controller.signal.aborted) setCall({ state: "done", value });
      return value;
    } catch (error) {
      if (!controller.signal.aborted) setCall({ state: "failed", problems: explain(error) });
      return undefined;
    }
  }, []);
  return [call, start];
}

/** Calls `read` now and then every `intervalMs` while the view is shown. */
export function usePolling(read: () => unknown, intervalMs: number): void {
  const latest = useRef(read);
  latest.current = read;
  useEffect(() => {
    latest.current();
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") latest.current();
    }, intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
}
