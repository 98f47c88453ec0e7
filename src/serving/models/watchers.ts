// Notifies readers of changes. It knows nothing of models.

/**
 * Notifies any number of readers of changes. Bounded by the number of keys: a reader that is slower than the changes gets
 * the newest value of each key, not every value. A reader that stops, or whose signal aborts, is forgotten.
 */
export class Watchers<T> {
  readonly #readers = new Set<Reader<T>>();
  #closed = false;

  /** Hands a key's new value to every reader. */
  publish(key: string, value: T): void {
    for (const reader of this.#readers) {
      // Deleting first moves the key to the end: the order of the last changes.
      reader.pending.delete(key);
      reader.pending.set(key, value);
      reader.wake();
    }
  }

  /** First `initial`, then every change, until the signal aborts or the watchers are closed. */
  async *watch(initial: ReadonlyMap<string, T>, signal: AbortSignal): AsyncGenerator<T, void> {
    const reader: Reader<T> = { pending: new Map(initial), wake: () => undefined };
    const wake = () => reader.wake();
    this.#readers.add(reader);
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        for (const [key, value] of reader.pending) {
          reader.pending.delete(key);
          yield value;
          if (signal.aborted) return;
        }
        if (this.#closed || signal.aborted) return;
        if (reader.pending.size === 0) {
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#readers.delete(reader);
    }
  }

  /** Ends every reader once it has read what is pending. */
  close(): void {
    this.#closed = true;
    for (const { wake } of [...this.#readers]) wake();
  }
}

interface Reader<T> {
  /** What it has not read yet, by key, in the order of the last changes. */
  readonly pending: Map<string, T>;
  wake: () => void;
}
