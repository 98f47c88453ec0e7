import { deadlineTooShort, deadlineUnreachable, queueFull } from "../errors.ts";

/** Bounds on what may be in hand at a time. */
export interface AdmissionLimits {
  readonly maxRequests: number;
  readonly maxQueueTokens: number;
  readonly maxQueueMs: number;
}

/** The load a new piece of work would meet. */
export interface Load {
  /** Tokens that wait already. */
  readonly queuedTokens: number;
  /** Predicted milliseconds until a device would begin the new work. */
  readonly waitMs: number;
}

/** What a new piece of work asks for. */
export interface Demand {
  readonly tokens: number;
  /** Predicted milliseconds on an idle device. */
  readonly runMs: number;
  /** Milliseconds its deadline leaves; Infinity for none. */
  readonly givenMs: number;
}

/**
 * Decides who comes in. A request takes a place before anything is done for it, and asks again when its size is known; what
 * cannot be answered in time is refused at once, with the predicted moment at which trying again makes sense.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #random: () => number;
  #requests = 0;

  /** @param random  in [0, 1); spreads the retries of refused callers */
  constructor(limits: AdmissionLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Requests admitted and not yet answered. */
  get requests(): number {
    return this.#requests;
  }

  /**
   * Takes a place for one request, before it is tokenised.
   *
   * @param waitMs   predicted wait for a device
   * @param givenMs  what the deadline leaves
   * @returns gives the place back; calling it again does nothing
   * @throws AlbertError overloaded QUEUE_FULL or DEADLINE_UNREACHABLE
   */
  enter(waitMs: number, givenMs: number): () => void {
    const { maxRequests, maxQueueMs } = this.#limits;
    if (this.#requests >= maxRequests) throw queueFull("requests", this.#requests, maxRequests, this.#retry(waitMs));
    if (waitMs > maxQueueMs) throw queueFull("predicted-ms", waitMs, maxQueueMs, this.#retry(waitMs - maxQueueMs));
    if (waitMs > givenMs) throw deadlineUnreachable(waitMs, givenMs, this.#retry(waitMs - givenMs));
    this.#requests++;
    let held = true;
    return () => {
      if (held) this.#requests--;
      held = false;
    };
  }

  /**
   * Looks at the size of a request that holds a place.
   *
   * @throws AlbertError deadline DEADLINE_TOO_SHORT; overloaded DEADLINE_UNREACHABLE or QUEUE_FULL
   */
  check({ tokens, runMs, givenMs }: Demand, { queuedTokens, waitMs }: Load): void {
    const { maxQueueTokens, maxQueueMs } = this.#limits;
    if (runMs > givenMs) throw deadlineTooShort(runMs, givenMs);
    if (waitMs + runMs > givenMs) {
      throw deadlineUnreachable(waitMs + runMs, givenMs, this.#retry(waitMs + runMs - givenMs));
    }
    if (waitMs > maxQueueMs) throw queueFull("predicted-ms", waitMs, maxQueueMs, this.#retry(waitMs - maxQueueMs));
    // An empty queue takes a request of any size: it would never fit otherwise.
    if (queuedTokens > 0 && queuedTokens + tokens > maxQueueTokens) {
      throw queueFull("tokens", queuedTokens + tokens, maxQueueTokens, this.#retry(waitMs));
    }
  }

  /** At least 10 ms, and spread by a quarter either way, so that refused callers do not come back together. */
  #retry(excessMs: number): number {
    return Math.ceil(Math.max(10, excessMs) * (0.75 + 0.5 * this.#random()));
  }
}
