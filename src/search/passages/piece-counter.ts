/** Counts the pieces that begin in a range of a text. */
export class PieceCounter {
  readonly #starts: Int32Array;

  /** @param starts  where each piece begins, in order */
  constructor(starts: Int32Array) {
    this.#starts = starts;
  }

  /** Pieces that begin in `from..to`. */
  between(from: number, to: number): number {
    return this.#before(to) - this.#before(from);
  }

  /** Where the piece begins that follows the next `count` pieces from a place on; there must be one. It is after that place. */
  after(from: number, count: number): number {
    for (let i = this.#before(from) + count; i < this.#starts.length; i++) {
      if (this.#starts[i]! > from) return this.#starts[i]!;
    }
    return from + 1;
  }

  /** How many pieces begin before a place. */
  #before(place: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle]! < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
