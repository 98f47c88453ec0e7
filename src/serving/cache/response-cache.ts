import { deserialize, serialize } from "node:v8";
import { LRUCache } from "lru-cache";
import { AlbertError } from "../../errors.ts";
import type { ResponseCacheMetrics } from "../../metrics/caches.ts";
import type { Cancellation } from "../../platform/waiting/cancellation.ts";
import type { Clock } from "../../platform/waiting/clock.ts";
import { abortError, deadlinePassed } from "../errors.ts";
import type { Priority } from "../scheduler/work.ts";

// Keeps answers, so that an equal request need not be computed again, and lets equal requests that come at the same time share one
// computation. It knows no models: whoever asks says with the key what is equal.

export interface ResponseCacheOptions {
  /** Most that is kept, see `ResponseCache.bytes`; above 0. */
  readonly maxBytes: number;
  /** An older answer is not given; above 0. */
  readonly maxAgeMs: number;
  readonly clock: Clock;
  readonly metrics: ResponseCacheMetrics;
}

/** Who waits for an answer that another request computes. */
export interface Waiting {
  /** Requests share a computation of their own priority only: none waits behind work that others go before. */
  readonly priority: Priority;
  /** Moment on the clock. */
  readonly deadlineAt: number;
  readonly signal: Cancellation | undefined;
  /** Takes a place, as every request that is not answered at once does. @throws AlbertError overloaded, unavailable */
  readonly enter: () => () => void;
}

/** An answer, and whether it was computed for this very request. */
export interface CachedAnswer<T> {
  readonly value: T;
  readonly source: "computed" | "kept" | "shared";
}

/** Map entries, key and bookkeeping of one answer, beside its bytes. */
const OVERHEAD = 512;

/** An answer that is larger than this share of the whole is not kept: it would push out too many others. */
const LARGEST_SHARE = 1 / 8;

type Outcome = { readonly bytes: Uint8Array } | { readonly error: unknown };

/**
 * Answers are kept as bytes of a structured clone, which every caller gets a copy of: what is given is what was computed, whatever a
 * caller does with it, and its size is known. The least recently used go first. Errors are not kept.
 */
export class ResponseCache {
  readonly #kept: LRUCache<string, Uint8Array>;
  readonly #underWay = new Map<string, Promise<Outcome>>();
  readonly #clock: Clock;
  readonly #metrics: ResponseCacheMetrics;

  constructor({ maxBytes, maxAgeMs, clock, metrics }: ResponseCacheOptions) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#kept = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: Math.max(1, Math.floor(maxBytes * LARGEST_SHARE)),
      sizeCalculation: ({ byteLength }) => byteLength + OVERHEAD,
      ttl: maxAgeMs,
      ttlResolution: 0,
      perf: { now: () => clock.now() },
    });
    metrics.observe(() => ({ bytes: this.bytes, answers: this.#kept.size }));
  }

  /** Bytes of all kept answers, with an allowance for what keeps them. */
  get bytes(): number {
    return this.#kept.calculatedSize;
  }

  /**
   * The kept answer, or the one that is computed for an equal request at this moment, or else what `compute` gives, which is kept. A
   * request whose caller leaves, or whose deadline passes, or that is refused for the load takes none of the others with it: one of
   * them computes then.
   *
   * @throws whatever `compute` throws; AlbertError deadline, cancelled or as `enter` for the request itself
   */
  async answer<T>(key: string, waiting: Waiting, compute: () => Promise<T>): Promise<CachedAnswer<T>> {
    const shared = `${waiting.priority}/${key}`;
    for (;;) {
      const kept = this.#kept.get(key);
      if (kept !== undefined) {
        this.#metrics.asked("hit");
        return { value: copyOf(kept), source: "kept" };
      }
      const other = this.#underWay.get(shared);
      if (other === undefined) return { value: await this.#compute(key, shared, compute), source: "computed" };
      const outcome = await this.#join(other, waiting);
      if ("bytes" in outcome) {
        this.#metrics.asked("shared");
        return { value: copyOf(outcome.bytes), source: "shared" };
      }
      if (!isOfOneCaller(outcome.error)) throw outcome.error;
    }
  }

  async #compute<T>(key: string, shared: string, compute: () => Promise<T>): Promise<T> {
    this.#metrics.asked("miss");
    let settle: (outcome: Outcome) => void = () => {};
    this.#underWay.set(
      shared,
      new Promise((resolve) => {
        settle = resolve;
      }),
    );
    try {
      const value = await compute();
      // A buffer of the serializer's own may be larger than what is in it.
      const bytes = new Uint8Array(serialize(value));
      this.#kept.set(key, bytes);
      settle({ bytes });
      return value;
    } catch (error) {
      settle({ error });
      throw error;
    } finally {
      this.#underWay.delete(shared);
    }
  }

  /** Holds a place while another request computes. */
  async #join(other: Promise<Outcome>, waiting: Waiting): Promise<Outcome> {
    const leave = waiting.enter();
    try {
      return await this.#wait(other, waiting);
    } finally {
      leave();
    }
  }

  /** Waits for another request's outcome, no longer than this one wants to. */
  #wait(other: Promise<Outcome>, { deadlineAt, signal }: Waiting): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortError(signal, "queue"));
        return;
      }
      const onAbort = () => end(() => reject(abortError(signal, "queue")));
      const stop = this.#clock.after(deadlineAt - this.#clock.now(), () => end(() => reject(deadlinePassed("queue"))));
      const end = (settle: () => void) => {
        stop();
        signal?.removeEventListener("abort", onAbort);
        settle();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      void other.then((outcome) => end(() => resolve(outcome)));
    });
  }
}

/** Whether an error tells of the request that met it, and nothing of others that ask for the same. */
function isOfOneCaller(error: unknown): boolean {
  return error instanceof AlbertError && ["cancelled", "deadline", "overloaded"].includes(error.code);
}

/** @returns what was kept, which shares no memory with it: views of a clone lie in the bytes that it is read from */
function copyOf<T>(bytes: Uint8Array): T {
  return deserialize(bytes.slice()) as T; // of the same type as when it was written
}
