/**
 * How often something is done whose cost grows: what took n reads is due again after so many times n occasions. So however much there is to
 * read, each occasion costs a part of a read on average.
 */
export class Pace {
  readonly #least: number;
  readonly #each: number;
  #left = 0;

  /**
   * @param least  occasions between two times, at least
   * @param each  occasions for each read
   */
  constructor(least: number, each: number) {
    this.#least = least;
    this.#each = each;
  }

  /** Counts an occasion. @returns whether the work is due; it stays so until it is done */
  isDue(): boolean {
    if (this.#left > 0) this.#left--;
    return this.#left === 0;
  }

  /** Tells that the work is done. @param reads  what it took */
  spent(reads: number): void {
    this.#left = Math.max(this.#least, this.#each * reads);
  }
}
