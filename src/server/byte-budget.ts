import { AlbertError } from "../errors.ts";

/** A refused caller may come back when about one typical request has been answered. */
const RETRY_AFTER_MS = 100;

/**
 * Bytes of request messages that are held at one time, over all calls of a listener. Bounds memory however many
 * connections and streams are open. What does not fit is refused at once, nothing waits.
 */
export class ByteBudget {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * Takes `bytes` until `give` returns them. A message larger than the whole budget is let in when nothing else is held.
   *
   * @throws AlbertError overloaded MEMORY_BUDGET when they do not fit beside what is held
   */
  take(bytes: number): void {
    if (this.#held > 0 && this.#held + bytes > this.#limit) {
      throw new AlbertError("overloaded", `requests in progress already hold ${this.#held} of ${this.#limit} bytes`, {
        reason: "MEMORY_BUDGET",
        metadata: { limit_bytes: String(this.#limit) },
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}
