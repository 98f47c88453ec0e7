import { RandomStream } from "../../src/model/random.ts";

// Time that passes from event to event, for simulations that run the program's own code.

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * A world whose time jumps from one event to the next. Whatever an event sets going without the store and without time happens before the
 * next one, the disk's work included; so the outcome follows from the seed alone.
 */
export class World {
  nowMs = 0;
  readonly #random: RandomStream;
  readonly #heap: Event[] = [];
  #orders = 0;
  readonly #failures: unknown[] = [];

  constructor(seed: number) {
    this.#random = new RandomStream([seed, 4019]);
  }

  /** In [0, 1). */
  random(): number {
    return this.#random.below(2 ** 31) / 2 ** 31;
  }

  /** Times of events that come on average every so many milliseconds and know nothing of each other. */
  exponential(meanMs: number): number {
    return -meanMs * Math.log(1 - this.random());
  }

  logNormal(median: number, sigma: number): number {
    const gaussian = Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
    return median * Math.exp(sigma * gaussian);
  }

  after(delayMs: number, run: () => void): void {
    push(this.#heap, { atMs: this.nowMs + Math.max(0, delayMs), order: this.#orders++, run });
  }

  wait(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal?.removeEventListener("abort", done);
        resolve();
      };
      signal?.addEventListener("abort", done);
      this.after(delayMs, done);
    });
  }

  /** Calls back again and again, from a moment on that is drawn, as processes do not start together. */
  every(intervalMs: number, callback: () => void): () => void {
    let stopped = false;
    const next = () => {
      if (stopped) return;
      callback();
      this.after(intervalMs, next);
    };
    this.after(this.random() * intervalMs, next);
    return () => {
      stopped = true;
    };
  }

  /** Keeps an error, which ends the simulation. */
  failed(error: unknown): void {
    this.#failures.push(error);
  }

  async runUntil(endMs: number): Promise<void> {
    for (;;) {
      await settled();
      if (this.#failures.length > 0) throw this.#failures[0];
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) break;
      pop(this.#heap);
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = endMs;
  }
}

/** Resolves when nothing is left to do but to wait for time: no promise, and no call to the disk, the closing of a file (`CloseReq`) included. */
async function settled(): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve));
  while (process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq") || name === "CloseReq"));
}

const before = (a: Event, b: Event) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let at = heap.push(event) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
}
