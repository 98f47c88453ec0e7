// The items of the highest scores, without sorting all of them.

/** An item with its score. */
export interface Scored {
  readonly index: number;
  readonly score: number;
}

/** Keeps the `size` items of the highest scores of all that are offered. Of equal scores those offered first stay. */
export class TopK {
  readonly #size: number;
  /** Highest first. */
  readonly #items: Scored[] = [];
  #least = Number.NEGATIVE_INFINITY;

  constructor(size: number) {
    this.#size = size;
  }

  offer(index: number, score: number): void {
    if (this.#items.length >= this.#size && !(score > this.#least)) return;
    if (this.#size === 0) return;
    let at = this.#items.length;
    while (at > 0 && this.#items[at - 1]!.score < score) at--;
    this.#items.splice(at, 0, { index, score });
    if (this.#items.length > this.#size) this.#items.pop();
    if (this.#items.length === this.#size) this.#least = this.#items[this.#size - 1]!.score;
  }

  /** Highest first. */
  items(): readonly Scored[] {
    return this.#items;
  }
}
