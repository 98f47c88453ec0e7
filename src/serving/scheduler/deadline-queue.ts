import type { QueuedRequest, QueuedSequence } from "./queued-request.ts";

/**
 * The sequences that wait for one engine, ordered by when they are due, then by arrival. Bounded by admission, which
 * counts its tokens; closing and overflow are its owner's business. A ticket that ends is taken out at once.
 */
export class DeadlineQueue {
  readonly #pieces: QueuedSequence[] = [];
  #tokens = 0;

  get size(): number {
    return this.#pieces.length;
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** In order. */
  get pieces(): readonly QueuedSequence[] {
    return this.#pieces;
  }

  /** Adds all pieces of a ticket. */
  add(ticket: QueuedRequest): void {
    this.#pieces.splice(this.positionOf(ticket.times.due), 0, ...ticket.pieces);
    this.#tokens += ticket.tokens;
  }

  /** How many waiting pieces go before work that is due at `due` and arrives now. */
  positionOf(due: number): number {
    let low = 0;
    let high = this.#pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pieces[middle]!.ticket.times.due <= due) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Takes out the pieces at these ascending places. */
  take(places: readonly number[]): QueuedSequence[] {
    const taken = places.map((place) => this.#pieces[place]!);
    for (let i = places.length - 1; i >= 0; i--) this.#pieces.splice(places[i]!, 1);
    for (const { length } of taken) this.#tokens -= length;
    return taken;
  }

  /** Takes out whatever still waits of a ticket. */
  drop(ticket: QueuedRequest): void {
    for (let i = this.#pieces.length - 1; i >= 0; i--) {
      if (this.#pieces[i]!.ticket !== ticket) continue;
      this.#tokens -= this.#pieces[i]!.length;
      this.#pieces.splice(i, 1);
    }
  }
}
