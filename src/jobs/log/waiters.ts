// Who waits until something has been written.

/** Callers that wait for news, each until it comes or it no longer wants it. */
export class Waiters {
  readonly #waiting = new Set<() => void>();

  /** Whether anybody waits. */
  get any(): boolean {
    return this.#waiting.size > 0;
  }

  /** Resolves at the next `wake`, or when the signal is aborted. */
  async wait(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal?.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal?.addEventListener("abort", wake);
    });
  }

  wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
