/**
 * Hands values from one side to the other, one at a time: `put` resolves when its value has been taken. The taking side ends
 * when the work that puts has ended, and throws what that threw.
 */
export class Rendezvous<T> implements AsyncIterable<T> {
  #offered: { readonly value: T; readonly taken: () => void } | undefined;
  #wake: () => void = () => {};
  #end: { readonly error?: unknown } | undefined;
  #abandoned = false;

  /** Offers a value. @throws when nobody takes values any more */
  async put(value: T): Promise<void> {
    if (this.#abandoned) throw new Error("nobody reads this stream any more");
    await new Promise<void>((taken) => {
      this.#offered = { value, taken };
      this.#wake();
    });
  }

  /** Ends the stream, with an error or without. */
  end(outcome: { readonly error?: unknown } = {}): void {
    this.#end ??= outcome;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      for (;;) {
        const offered = this.#offered;
        if (offered !== undefined) {
          this.#offered = undefined;
          yield offered.value;
          offered.taken();
        } else if (this.#end !== undefined) {
          if ("error" in this.#end) throw this.#end.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      this.#abandoned = true;
      this.#offered?.taken();
    }
  }
}
