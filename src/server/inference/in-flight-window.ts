/** One item of a stream, from its arrival to the moment its result is taken. */
interface Slot<Result> {
  settled?: { readonly result: Result };
}

/**
 * The items of one stream that are in work, or answered and not yet taken. Bounded by a window: the producer waits
 * for `room` first. Results are taken in order of completion, or, if `ordered`, of arrival. One adder, one taker.
 */
export class InFlightWindow<Result> {
  /** May be set until the first item is added. */
  ordered = false;
  readonly #window: number;
  /** In order of arrival. */
  readonly #slots: Slot<Result>[] = [];
  #ended: { readonly error?: unknown } | undefined;
  #onChange: (() => void)[] = [];

  constructor(window: number) {
    this.#window = window;
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** @param work  must not reject */
  add(work: Promise<Result>): void {
    const slot: Slot<Result> = {};
    this.#slots.push(slot);
    void work.then((result) => {
      slot.settled = { result };
      this.#changed();
    });
  }

  /** Resolves when another item may be added, or the stream has ended. */
  async room(): Promise<void> {
    while (this.#slots.length >= this.#window && !this.ended) await this.#change();
  }

  /** No more items come; with an error, what is in hand is not waited for. Only the first end counts. */
  end(error?: unknown): void {
    this.#ended ??= error === undefined ? {} : { error };
    this.#changed();
  }

  /**
   * The next result; undefined when the stream has ended and everything was taken.
   *
   * @throws the error the stream ended with
   */
  async take(): Promise<Result | undefined> {
    for (;;) {
      if (this.#ended !== undefined && "error" in this.#ended) throw this.#ended.error;
      const index = this.ordered ? 0 : this.#slots.findIndex((slot) => slot.settled !== undefined);
      const settled = this.#slots[index]?.settled;
      if (settled !== undefined) {
        this.#slots.splice(index, 1);
        this.#changed();
        return settled.result;
      }
      if (this.ended && this.#slots.length === 0) return undefined;
      await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#onChange.push(resolve));
  }

  #changed(): void {
    for (const notify of this.#onChange.splice(0)) notify();
  }
}
