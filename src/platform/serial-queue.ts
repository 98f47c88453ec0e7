// Runs asynchronous tasks one after the other, for all or by key, or a few at once.

/** Runs tasks one after the other, in the order in which they were given. A task that fails stops none of those behind it. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs a task after all that were given before. @returns what the task returns, or rejects as it does */
  run<T>(task: () => T | Promise<T>): Promise<T> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => {}); // the caller of this task gets its error
    return done;
  }

  /** Resolves when every task that was given so far has ended. Never rejects. */
  async drained(): Promise<void> {
    await this.#last;
  }
}

/** Runs at most so many tasks at once, in the order in which they were given. A task that fails stops none of those behind it. */
export class BoundedQueue {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param atOnce  1 or more */
  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Runs a task as soon as one may. @returns as `SerialQueue.run` */
  async run<T>(task: () => T | Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next(); // which takes the place of this one
    }
  }
}

/** Serial queues by key: tasks of one key run one after the other, those of different keys side by side. */
export class KeyedSerialQueue {
  readonly #queues = new Map<string, { readonly queue: SerialQueue; waiting: number }>();

  /** Runs a task after all that were given before with the same key. @returns as `SerialQueue.run` */
  async run<T>(key: string, task: () => T | Promise<T>): Promise<T> {
    const entry = this.#queues.get(key) ?? { queue: new SerialQueue(), waiting: 0 };
    this.#queues.set(key, entry);
    entry.waiting++;
    try {
      return await entry.queue.run(task);
    } finally {
      entry.waiting--;
      if (entry.waiting === 0) this.#queues.delete(key);
    }
  }

  /** Keys of which a task runs or waits. */
  get size(): number {
    return this.#queues.size;
  }
}
