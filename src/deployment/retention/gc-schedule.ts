import { AlbertError } from "../../errors.ts";
import type { GcReport } from "../../store/gc.ts";

// Decides when the garbage of the store is collected. What garbage is, is decided by the store and its gc roots.

export interface GcScheduleOptions {
  readonly collect: () => Promise<GcReport>;
  /** Removes from this machine's cache what some process has removed from the store. */
  readonly trimCache: () => Promise<void>;
  /** Between two collections. */
  readonly intervalMs: number;
  readonly onCollected: (report: GcReport) => void;
  readonly onError: (error: unknown) => void;
  /** Calls back once after the given milliseconds, unless the returned function is called before. */
  readonly after?: (milliseconds: number, callback: () => void) => () => void;
}

/** A process that is restarted often must collect too, but not in the rush of its start. */
const FIRST_MS = 60_000;

/**
 * Collects the store's garbage again and again until `close`. Processes that share a store need not agree on who does it:
 * where one collects, the others leave it to that one and tidy up only their own machine's cache.
 */
export class GcSchedule {
  readonly #options: GcScheduleOptions;
  #stop: () => void = () => {};
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: GcScheduleOptions) {
    this.#options = options;
    this.#plan(Math.min(FIRST_MS, options.intervalMs));
  }

  /** Waits for a collection that runs, and begins no other. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop();
    await this.#running;
  }

  #plan(delayMs: number): void {
    const { after = afterUnreferenced, intervalMs } = this.#options;
    this.#stop = after(delayMs, () => {
      this.#running = this.#collect().finally(() => {
        if (!this.#closed) this.#plan(intervalMs);
      });
    });
  }

  async #collect(): Promise<void> {
    const { collect, trimCache, onCollected, onError } = this.#options;
    try {
      onCollected(await collect());
    } catch (error) {
      if (!(error instanceof AlbertError && error.reason === "STORE_COLLECTING")) onError(error);
    }
    await trimCache().catch(onError);
  }
}

function afterUnreferenced(milliseconds: number, callback: () => void): () => void {
  const timer = setTimeout(callback, milliseconds).unref();
  return () => clearTimeout(timer);
}
