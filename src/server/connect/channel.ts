/**
 * Hands values from one side to the other, one at a time, without a buffer: `send` resolves when its value has been received.
 * The receiving side ends when the work that sends has ended, and throws what that threw.
 */
export class Channel<T> implements AsyncIterable<T> {
  #offered: { readonly value: T; readonly received: () => void } | undefined;
  #wake: () => void = () => {};
  #end: { readonly error?: unknown } | undefined;
  #abandoned = false;

  /** Offers a value. @throws when the receiver has gone */
  async send(value: T): Promise<void> {
    if (this.#abandoned) throw new Error("the receiver of this stream has gone");
    await new Promise<void>((received) => {
      this.#offered = { value, received };
      this.#wake();
    });
  }

  /** Ends the stream, with an error or without. */
  close(outcome: { readonly error?: unknown } = {}): void {
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
          offered.received();
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
      this.#offered?.received();
    }
  }
}
