import { performance } from "node:perf_hooks";

// Time as the serving room sees it. That room reads clocks and sets timers only through it.

/** Time as the serving room sees it, so that tests can set it. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now(): number;
  /** Calls `action` once after `delayMs`; never for an infinite delay. @returns a function that cancels it */
  after(delayMs: number, action: () => void): () => void;
  /** Calls `action` once when what has already arrived has been taken in. */
  soon(action: () => void): void;
}

/** Timers cannot wait longer than this; a later moment is approached in steps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The real clock, on the scale of `performance.now()`. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, action) => {
    if (delayMs === Number.POSITIVE_INFINITY) return () => undefined;
    const end = performance.now() + delayMs;
    let timer: NodeJS.Timeout;
    const wait = () => {
      const left = end - performance.now();
      timer = setTimeout(left > LONGEST_TIMER_MS ? wait : action, Math.min(Math.max(0, left), LONGEST_TIMER_MS));
      timer.unref();
    };
    wait();
    return () => clearTimeout(timer);
  },
  soon: (action) => {
    setImmediate(action);
  },
};

/** Calls back at a fixed interval in milliseconds without keeping the process alive. @returns a function that stops the calls */
export function everyUnreferenced(milliseconds: number, callback: () => void): () => void {
  const timer = setInterval(callback, milliseconds).unref();
  return () => clearInterval(timer);
}
