import { beginMeasuring, everyUnreferenced } from "../../platform/waiting/clock.ts";
import type { GcRoots } from "../../store/references.ts";
import type { Store } from "../../store/store.ts";

// Renews, in the store, the references to what this server needs.

export interface KeepAliveOptions {
  readonly store: Pick<Store, "references">;
  readonly holder: string;
  /** A description of the holder, for people. */
  readonly description: string;
  /** What is needed now. */
  readonly roots: () => GcRoots | Promise<GcRoots>;
  /** How long the store keeps what a server needed after that server's last sign. */
  readonly lastsMs: number;
  readonly onError: (error: unknown) => void;
  /** Calls back at a fixed interval in milliseconds until the returned function is called. */
  readonly every?: (milliseconds: number, callback: () => void) => () => void;
}

/** Between two looks at what is needed. */
const LOOK_MS = 60_000;
/** The part of its time after which a reference is renewed although nothing has changed. */
const RENEWED_AFTER = 0.25;

/** Keeps the store informed of what this server needs of it, so that no other server removes it. */
export class KeepAlive {
  readonly #options: KeepAliveOptions;
  readonly #stop: () => void;
  #last: Promise<void> = Promise.resolve();
  #waiting = false;
  #told: { readonly roots: string; readonly agoMs: () => number } | undefined;

  constructor(options: KeepAliveOptions) {
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

  /** Stops looking. @param release  whether nothing is needed any more */
  async close({ release }: { readonly release: boolean }): Promise<void> {
    this.#stop();
    await this.#last;
    const { store, holder, onError } = this.#options;
    if (release && this.#told !== undefined) await store.references.release(holder).catch(onError);
  }

  async #tell(): Promise<void> {
    const { store, holder, description, lastsMs } = this.#options;
    const roots = await this.#options.roots();
    const text = JSON.stringify(roots);
    const agoMs = beginMeasuring();
    const fresh = this.#told !== undefined && this.#told.agoMs() < RENEWED_AFTER * lastsMs;
    if (fresh && this.#told?.roots === text) return;
    if (roots.versions.length + roots.datasets.length === 0) await store.references.release(holder);
    else await store.references.set(holder, description, roots, lastsMs);
    this.#told = { roots: text, agoMs };
  }
}
