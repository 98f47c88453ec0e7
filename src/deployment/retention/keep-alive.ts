import { everyUnreferenced } from "../../jobs/every.ts";
import type { Needs } from "../../store/references.ts";
import type { Store } from "../../store/store.ts";

export interface HoldingOptions {
  readonly store: Pick<Store, "holds">;
  readonly holder: string;
  /** Who that is, for people. */
  readonly description: string;
  /** What is needed now. */
  readonly needs: () => Needs | Promise<Needs>;
  /** How long the store keeps what was needed when nobody says so again. */
  readonly lastsMs: number;
  readonly onError: (error: unknown) => void;
  /** Calls back every so many milliseconds until the returned function is called. */
  readonly every?: (milliseconds: number, callback: () => void) => () => void;
}

/** Between two looks at what is needed. */
const LOOK_MS = 60_000;
/** The part of its time after which a hold is renewed although nothing has changed. */
const RENEWED_AFTER = 0.25;

/** Keeps the store informed of what this server needs of it, so that no other server removes it. */
export class Holding {
  readonly #options: HoldingOptions;
  readonly #stop: () => void;
  #last: Promise<void> = Promise.resolve();
  #waiting = false;
  #told: { readonly needs: string; readonly atMs: number } | undefined;

  constructor(options: HoldingOptions) {
    this.#options = options;
    this.#stop = (options.every ?? everyUnreferenced)(LOOK_MS, () => void this.update());
  }

  /** Looks at once what is needed, and tells the store if that has changed. Never rejects. */
  update(): Promise<void> {
    if (this.#waiting) return this.#last; // it has not looked yet
    this.#waiting = true;
    this.#last = this.#last.then(async () => {
      this.#waiting = false;
      await this.#tell().catch(this.#options.onError);
    });
    return this.#last;
  }

  /** Looks no more. @param release  whether nothing is needed any more */
  async close({ release }: { readonly release: boolean }): Promise<void> {
    this.#stop();
    await this.#last;
    const { store, holder, onError } = this.#options;
    if (release && this.#told !== undefined) await store.holds.release(holder).catch(onError);
  }

  async #tell(): Promise<void> {
    const { store, holder, description, lastsMs } = this.#options;
    const needs = await this.#options.needs();
    const text = JSON.stringify(needs);
    const nowMs = Date.now();
    const fresh = this.#told !== undefined && nowMs - this.#told.atMs < RENEWED_AFTER * lastsMs;
    if (fresh && this.#told?.needs === text) return;
    if (needs.versions.length + needs.datasets.length === 0) await store.holds.release(holder);
    else await store.holds.set(holder, description, needs, lastsMs);
    this.#told = { needs: text, atMs: nowMs };
  }
}
