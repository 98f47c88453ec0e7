import type { ModelRegistry } from "../serving/models/registry.ts";
import { CHAMPION, type ModelAliases } from "../store/aliases.ts";
import type { Store } from "../store/store.ts";
import type { CanaryObserver } from "./canary/canary-observer.ts";
import type { VersionActivation } from "./version-activation.ts";

// Keeps the traffic of challengers in this process in line with the rules of the store. It changes no rule.

export interface TrafficFollowerOptions {
  readonly store: Pick<Store, "versions">;
  readonly live: ModelRegistry;
  readonly canaries: Pick<CanaryObserver, "share" | "ended">;
  readonly activation: VersionActivation;
  /** The first pause before what failed is tried again. */
  readonly pollMs: number;
  readonly onError: (error: unknown, model: string) => void;
  /** Runs changes of one model in this process one after the other. */
  readonly exclusively: <T>(model: string, change: () => Promise<T>) => Promise<T>;
}

/** What failed is tried again with growing pauses up to this. */
const LONGEST_PAUSE_MS = 30_000;
/** Pauses until the last request on a challenger has ended, before it is released. */
const RELEASE_PAUSE_MS = 50;

/** The newest record of one model, and what is done about it. */
interface Following {
  record: ModelAliases;
  /** Ends the pause between two attempts. */
  wake: () => void;
  running: Promise<void> | undefined;
}

/**
 * Loads the challenger that a rule names and gives it its share, or takes that away and releases what was loaded for it. Until a
 * challenger is loaded, and where it cannot be, the champion answers everything.
 */
export class TrafficFollower {
  readonly #options: TrafficFollowerOptions;
  readonly #following = new Map<string, Following>();
  /** The versions of each model that are in memory because of a rule alone. */
  readonly #loaded = new Map<string, Set<string>>();
  /** Models of which a share was announced. */
  readonly #shared = new Set<string>();
  #closed = false;

  constructor(options: TrafficFollowerOptions) {
    this.#options = options;
  }

  /** Brings a challenger into memory for a rule that is about to be made. */
  async prepare(model: string, version: number): Promise<void> {
    const { store, live, activation, exclusively } = this.#options;
    const stored = await store.versions.get(model, version);
    await exclusively(model, async () => {
      const known = statusOf(live, model)?.versions.some((other) => other.version === String(version));
      await activation.load(stored);
      if (!known) this.#loaded.set(model, (this.#loaded.get(model) ?? new Set()).add(String(version)));
    });
  }

  /** Follows the newest record of a model; resolves when its traffic is as that says, or as a newer one does. Never rejects. */
  follow(record: ModelAliases): Promise<void> {
    const { model } = record;
    const following = this.#following.get(model) ?? { record, wake: () => {}, running: undefined };
    this.#following.set(model, following);
    following.record = record;
    following.wake();
    if (following.running === undefined && this.#isDone(record)) return Promise.resolve();
    following.running ??= this.#run(following);
    return following.running;
  }

  /** Stops following. What has a share keeps it. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { wake } of this.#following.values()) wake();
    await Promise.all([...this.#following.values()].map(({ running }) => running));
  }

  async #run(following: Following): Promise<void> {
    const { pollMs, onError } = this.#options;
    let pauseMs = pollMs;
    while (!this.#closed) {
      const { record } = following;
      let waitMs = pauseMs;
      try {
        const left = await this.#apply(record);
        if (left === "done" && following.record === record) {
          following.running = undefined; // at once: a record from now on is followed anew
          return;
        }
        if (left === "releasing") waitMs = RELEASE_PAUSE_MS;
      } catch (error) {
        onError(error, record.model);
      }
      if (following.record !== record) {
        pauseMs = pollMs;
        continue;
      }
      await pause(waitMs, following);
      if (waitMs === pauseMs) pauseMs = Math.min(2 * pauseMs, Math.max(pollMs, LONGEST_PAUSE_MS));
    }
  }

  /** @returns what is left to do: nothing; an earlier challenger still has requests; the champion changes in this process */
  async #apply(record: ModelAliases): Promise<"done" | "releasing" | "swapping"> {
    const { live, canaries } = this.#options;
    const { model } = record;
    const { rule } = record.traffic;
    const traffic = statusOf(live, model)?.traffic;
    // The same challenger may go on with another share: it keeps the old one until then.
    if (traffic !== undefined && traffic.version !== String(rule?.version)) live.setTraffic(model, undefined);
    if (!(await this.#release(record))) return "releasing";
    if (this.#isDone(record)) return "done";
    if (this.#shared.delete(model)) await canaries.ended(model);
    if (rule === undefined) return "done";
    await this.prepare(model, rule.version);
    const version = String(rule.version);
    if (statusOf(live, model)?.current === version) return "swapping";
    const { id, mode, percent } = rule;
    live.setTraffic(model, { mode, version, percent, rule: id });
    canaries.share(model, version, mode, percent);
    this.#shared.add(model);
    return "done";
  }

  #isDone({ model, traffic: { rule } }: ModelAliases): boolean {
    const traffic = statusOf(this.#options.live, model)?.traffic;
    if (rule === undefined) return traffic === undefined && !this.#loaded.has(model) && !this.#shared.has(model);
    return traffic?.rule === rule.id;
  }

  /** Releases what was loaded for an earlier rule. @returns false while requests end on it */
  async #release({ model, aliases, traffic: { rule } }: ModelAliases): Promise<boolean> {
    const { live } = this.#options;
    const loaded = this.#loaded.get(model) ?? new Set();
    for (const version of loaded) {
      if (version === String(rule?.version)) continue;
      const status = statusOf(live, model);
      // As the champion it stays, in this process perhaps in a moment.
      const isNeeded = [status?.current, status?.previous, String(aliases[CHAMPION]?.version)].includes(version);
      if (!isNeeded && status?.versions.some((other) => other.version === version)) {
        try {
          await live.unload(model, version);
        } catch {
          return false;
        }
      }
      loaded.delete(version);
    }
    if (loaded.size === 0) this.#loaded.delete(model);
    return true;
  }
}

function statusOf(live: Pick<ModelRegistry, "list">, model: string) {
  return live.list().find(({ name }) => name === model);
}

/** Waits, or until the model's rule changes. */
function pause(milliseconds: number, following: Following): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds).unref();
    following.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
