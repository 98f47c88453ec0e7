import { AlbertError, spreadRetry } from "../../errors.ts";

// Bounds the memory that messages take. Requests that do not fit are refused at once, nothing waits; replies always
// fit, for their work is done, but while they wait for a slow reader they leave less room for new requests.

/** A refused caller may come back when about one typical request has been answered. */
const RETRY_AFTER_MS = 100;

/** Bytes of messages held at one time, over all calls of a listener, however many connections and streams are open. */
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
   * Takes `bytes` of a request until `release` returns them. A message larger than the whole budget is let in when nothing
   * else is held.
   *
   * @param begun  bytes of the same message that are held already
   * @throws AlbertError overloaded MEMORY_BUDGET when they do not fit in addition to what is held
   */
  acquire(bytes: number, begun = 0): void {
    if (this.#held > begun && this.#held + bytes > this.#limit) {
      throw new AlbertError("overloaded", `messages in progress already hold ${this.#held} of ${this.#limit} bytes`, {
        reason: "MEMORY_BUDGET",
        metadata: { limit_bytes: String(this.#limit) },
        retryAfterMs: spreadRetry(RETRY_AFTER_MS),
      });
    }
    this.#held += bytes;
  }

  /** Takes `bytes` of a reply, whether or not they fit, until `release` returns them. */
  hold(bytes: number): void {
    this.#held += bytes;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}

/** Byte accounting of one call: what its requests, oldest first, and its replies hold of the budget. */
export class CallBytes {
  readonly #budget: ByteBudget;
  readonly #messages: number[] = [];
  #reply = 0;
  #closed = false;
  #received = 0;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Bytes of requests that came so far. */
  get received(): number {
    return this.#received;
  }

  /** @throws AlbertError overloaded MEMORY_BUDGET */
  acquire(bytes: number): void {
    if (this.#closed) return;
    this.#budget.acquire(bytes);
    this.#messages.push(bytes);
    this.#received += bytes;
  }

  /** More of a call's only request message has come. @throws AlbertError overloaded MEMORY_BUDGET */
  grow(bytes: number): void {
    if (this.#closed) return;
    const begun = this.#messages[0] ?? 0;
    this.#budget.acquire(bytes, begun);
    this.#messages[0] = begun + bytes;
    this.#received += bytes;
  }

  /** Returns the oldest message: streams in both directions answer item by item. */
  releaseOldest(): void {
    this.#budget.release(this.#messages.shift() ?? 0);
  }

  /** Adds to what its replies hold while the transport has not sent them. */
  hold(bytes: number): void {
    if (this.#closed) return;
    this.#budget.hold(bytes);
    this.#reply += bytes;
  }

  /** The transport has sent a reply of this size. */
  releaseReply(bytes: number): void {
    if (this.#closed) return;
    this.#budget.release(bytes);
    this.#reply -= bytes;
  }

  /** Returns everything, and counts nothing any more: the call is over, whatever is still under way. */
  close(): void {
    for (const bytes of this.#messages.splice(0)) this.#budget.release(bytes);
    this.#budget.release(this.#reply);
    this.#reply = 0;
    this.#closed = true;
  }
}
