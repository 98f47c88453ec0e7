import type { Clock } from "../../src/platform/waiting/clock.ts";

/** A clock that stands still until a test moves it. */
export class VirtualClock implements Clock {
  #now = 0;
  #timers: { at: number; action: () => void }[] = [];
  #soon: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  /** Timers that wait. */
  get timers(): number {
    return this.#timers.length;
  }

  after(delayMs: number, action: () => void): () => void {
    if (delayMs === Number.POSITIVE_INFINITY) return () => undefined;
    const timer = { at: this.#now + Math.max(0, delayMs), action };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  soon(action: () => void): void {
    this.#soon.push(action);
  }

  /** Lets `ms` pass without firing a timer: the event loop was busy, and its timers are late. */
  stall(ms: number): void {
    this.#now += ms;
  }

  /** Runs everything that is due now, until nothing more happens. */
  async settle(): Promise<void> {
    for (let quiet = false; !quiet; ) {
      // Longer than the longest chain of promises between two actions.
      for (let tick = 0; tick < 40; tick++) await undefined;
      const soon = this.#soon.splice(0);
      for (const action of soon) action();
      quiet = soon.length === 0;
    }
  }

  /** Lets `ms` pass, firing timers in order. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.action();
      await this.settle();
    }
    this.#now = end;
    await this.settle();
  }
}
