import { performance } from "node:perf_hooks";

// Time as the serving room sees it, which reads clocks and sets timers only through it; and times that no jump of the clock shortens.

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

/**
 * Moments at which something is to be done, on one timer for the first of them. Nearly all are deadlines, and are taken back long before they come: that
 * leaves the timer as it is, so that neither setting an alarm nor taking it back touches one.
 */
class Alarms {
  readonly #alarms = new Set<{ readonly at: number; readonly action: () => void }>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  after(delayMs: number, action: () => void): () => void {
    if (delayMs === Number.POSITIVE_INFINITY) return () => undefined;
    const alarm = { at: performance.now() + delayMs, action };
    this.#alarms.add(alarm);
    if (alarm.at < this.#timerAt) this.#setTimer(alarm.at);
    return () => {
      this.#alarms.delete(alarm);
    };
  }

  #setTimer(at: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    const delayMs = Math.min(Math.max(0, at - performance.now()), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.#ring(), delayMs).unref();
  }

  #ring(): void {
    const now = performance.now();
    this.#timerAt = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const alarm of this.#alarms) {
      if (alarm.at > now) {
        next = Math.min(next, alarm.at);
        continue;
      }
      // An action that throws must keep none of the others from its turn.
      queueMicrotask(() => {
        if (this.#alarms.delete(alarm)) alarm.action();
      });
    }
    if (next < Number.POSITIVE_INFINITY) this.#setTimer(next);
  }
}

const ALARMS = new Alarms();

/** The real clock, on the scale of `performance.now()`. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, action) => ALARMS.after(delayMs, action),
  soon: (action) => {
    setImmediate(action);
  },
};

/**
 * Begins to measure a time. It is as long as the steady clock or the clock of the day says, whichever is longer: a suspended machine
 * stops the one, and a correction moves the other. Where the clock of the day went back, it is infinite.
 *
 * @returns milliseconds since the call
 */
export function beginMeasuring(): () => number {
  const day = Date.now();
  const steady = performance.now();
  return () => (Date.now() < day ? Number.POSITIVE_INFINITY : Math.max(Date.now() - day, performance.now() - steady));
}

/** Calls back at a fixed interval in milliseconds without keeping the process alive. @returns a function that stops the calls */
export function everyUnreferenced(milliseconds: number, callback: () => void): () => void {
  const timer = setInterval(callback, milliseconds).unref();
  return () => clearInterval(timer);
}
