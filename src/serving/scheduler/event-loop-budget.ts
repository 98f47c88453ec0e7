import type { Clock } from "../../platform/waiting/clock.ts";

// How much synchronous work one turn of the event loop may hold. It neither orders nor refuses: admission bounds what waits.

/** Work that one turn of the event loop may hold before the rest waits for the next turn. */
const BUDGET_MS = 3;
/** Jobs of one turn: what follows a job before its request waits again is not timed, and takes some tenths of a millisecond. */
const JOBS_IN_A_TURN = 8;

/**
 * Spreads short synchronous jobs (tokenising, building features) over turns of the event loop, so that a burst of requests
 * does not keep timers, health checks and other connections waiting. Ordered by arrival, but what ends a request goes before
 * what begins one; a single job is never cut. Bounded by admission: every waiting job belongs to an admitted request.
 */
export class EventLoopBudget {
  readonly #clock: Clock;
  readonly #waiting: { readonly since: number; readonly begin: () => void }[] = [];
  /** Requests that were computed; they wait for nothing else. */
  readonly #ending: (() => void)[] = [];
  /** Further parts of requests that have begun. */
  readonly #goingOn: (() => void)[] = [];
  #newcomersNext = true;
  #spentMs = 0;
  #jobs = 0;
  #nextTurnPlanned = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Predicted milliseconds until a request that comes now would have been begun, and leave room to be computed: a newcomer
   * waits at least as long as the first in line has.
   */
  predictedWaitMs(): number {
    const [first] = this.#waiting;
    return first === undefined ? 0 : 2 * (this.#clock.now() - first.since);
  }

  /** Runs a job at once while this turn has time left, else in a later turn. */
  async run<T>(job: () => T): Promise<T> {
    if (this.#isSpent() || this.#waiting.length > 0) {
      await new Promise<void>((begin) => this.#waiting.push({ since: this.#clock.now(), begin }));
    }
    return this.#spend(job);
  }

  /** The same for a further part of a request: a newcomer's first job waits for as many parts as there are newcomers before it. */
  async goOn<T>(job: () => T): Promise<T> {
    if (this.#isSpent() || this.#goingOn.length > 0) {
      await new Promise<void>((begin) => this.#goingOn.push(begin));
    }
    return this.#spend(job);
  }

  /** The same for the last job of a request: it goes before those that begin one. */
  async end<T>(job: () => T): Promise<T> {
    if (this.#isSpent() || this.#ending.length > 0) {
      await new Promise<void>((begin) => this.#ending.push(begin));
    }
    return this.#spend(job);
  }

  /** Whether this turn has had its share. */
  #isSpent(): boolean {
    return this.#spentMs >= BUDGET_MS || this.#jobs >= JOBS_IN_A_TURN;
  }

  #spend<T>(job: () => T): T {
    const began = this.#clock.now();
    this.#jobs++;
    try {
      return job();
    } finally {
      this.#spentMs += this.#clock.now() - began;
      this.#planNextTurn();
    }
  }

  #planNextTurn(): void {
    if (this.#nextTurnPlanned) return;
    this.#nextTurnPlanned = true;
    this.#clock.soon(() => {
      this.#nextTurnPlanned = false;
      this.#spentMs = 0;
      this.#jobs = 0;
      this.#admitNext();
    });
  }

  /** Newcomers and further parts take turns. */
  #nextInLine(): (() => void) | undefined {
    const newcomers = this.#newcomersNext ? this.#waiting.length > 0 : this.#goingOn.length === 0;
    this.#newcomersNext = !newcomers;
    return newcomers ? this.#waiting.shift()?.begin : this.#goingOn.shift();
  }

  /** Lets waiting jobs in one by one, so that each sees what those before it have spent. */
  #admitNext(): void {
    const next = this.#ending.shift() ?? this.#nextInLine();
    if (next === undefined) return;
    next();
    queueMicrotask(() => {
      // The job ran in the microtasks before this one.
      if (!this.#isSpent()) this.#admitNext();
    });
  }
}
