import { spreadRetry } from "../../errors.ts";
import { deadlineTooShort, deadlineUnreachable, queueFull } from "../errors.ts";

// Decides which requests are admitted. It counts places and compares predictions with bounds; it knows no queue and predicts nothing itself.

/** Bounds on what may be in hand at a time. */
export interface AdmissionLimits {
  readonly maxRequests: number;
  readonly maxQueueTokens: number;
  readonly maxQueueMs: number;
}

/** What a new piece of work asks for, and the load it would meet. */
export interface Demand {
  readonly tokens: number;
  /** Predicted milliseconds on an idle device. */
  readonly runMs: number;
  /** Milliseconds its deadline leaves; Infinity for none. */
  readonly remainingMs: number;
  /** Tokens that wait already. */
  readonly queuedTokens: number;
  /** Predicted milliseconds until a device would begin the new work. */
  readonly waitMs: number;
}

/**
 * A request takes a place before anything is done for it, and asks again when its size is known. What cannot be answered in
 * time is refused at once, with the predicted moment at which trying again makes sense.
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
   * Takes a place for one request, before it is tokenised. The returned function gives it back; calling that again does
   * nothing.
   *
   * @param waitMs   predicted wait for a device
   * @param remainingMs  what the deadline leaves
   * @throws AlbertError overloaded QUEUE_FULL or DEADLINE_UNREACHABLE
   */
  enter(waitMs: number, remainingMs: number): () => void {
    const { maxRequests, maxQueueMs } = this.#limits;
    if (this.#requests >= maxRequests) throw queueFull("requests", this.#requests, maxRequests, this.#retry(waitMs));
    if (waitMs > maxQueueMs) throw queueFull("predicted-ms", waitMs, maxQueueMs, this.#retry(waitMs - maxQueueMs));
    if (waitMs > remainingMs) throw deadlineUnreachable(waitMs, remainingMs, this.#retry(waitMs - remainingMs));
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
  check({ tokens, runMs, remainingMs, queuedTokens, waitMs }: Demand): void {
    const { maxQueueTokens, maxQueueMs } = this.#limits;
    if (runMs > remainingMs) throw deadlineTooShort(runMs, remainingMs);
    if (waitMs + runMs > remainingMs) {
      throw deadlineUnreachable(waitMs + runMs, remainingMs, this.#retry(waitMs + runMs - remainingMs));
    }
    if (waitMs > maxQueueMs) throw queueFull("predicted-ms", waitMs, maxQueueMs, this.#retry(waitMs - maxQueueMs));
    // An empty queue takes a request of any size: it would never fit otherwise.
    if (queuedTokens > 0 && queuedTokens + tokens > maxQueueTokens) {
      throw queueFull("tokens", queuedTokens + tokens, maxQueueTokens, this.#retry(waitMs));
    }
  }

  /** When the excess is predicted to be gone; at least 10 ms. */
  #retry(excessMs: number): number {
    return spreadRetry(Math.max(10, excessMs), this.#random);
  }
}
