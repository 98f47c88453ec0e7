import { setTimeout } from "node:timers/promises";
import { type AlbertError, corrupt } from "../errors.ts";
import { isDamagedRecord } from "../model/formats/records.ts";
import { CHAMPION, type ModelAliases, PREVIOUS } from "../store/aliases.ts";
import type { Store } from "../store/store.ts";
import type { VersionActivation, VersionNumber } from "./version-activation.ts";

// Keeps what this process serves in line with the aliases of the store. It changes no alias.

export interface FollowerOptions {
  readonly store: Pick<Store, "aliases" | "versions">;
  readonly activation: Pick<VersionActivation, "activate" | "expect" | "reportLost">;
  /** Between two looks at the store for changes that other processes made. */
  readonly pollMs: number;
  /**
   * Called for a champion that cannot serve and will be tried again; what served before goes on. Without a model: for a store that
   * could not be asked for its models.
   */
  readonly onError: (error: unknown, model: string | undefined) => void;
  /** Hears of every record that is read, for the traffic of its challenger, which keeps no champion waiting. */
  readonly onRecord: (record: ModelAliases) => void;
  /** Called for an earlier version that serves because the champion cannot. */
  readonly onFallback: (fallback: VersionNumber, champion: VersionNumber) => void;
  /** Runs changes of one model in this process one after the other. */
  readonly exclusively: <T>(model: string, change: () => Promise<T>) => Promise<T>;
  /** Resolves after so many milliseconds, or when the signal is aborted; by the machine's own timers unless given. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const timerWait = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  setTimeout(milliseconds, undefined, { signal, ref: false }).catch(() => {});

/** Looks at the aliases between two looks for new models, which list the whole store. */
const POLLS_BETWEEN_DISCOVERIES = 30;
/** A champion that cannot be activated is tried again with growing pauses up to this. */
const LONGEST_RETRY_MS = 30_000;

/**
 * Reconciles what this process serves with what the store says: the champion of every model in the store answers for its name.
 * One damaged model is reported and never keeps the others from serving. It points no alias at another version.
 */
export class ChampionFollower {
  readonly #options: FollowerOptions;
  readonly #following = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #discovering: Promise<void> | undefined;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Activates the champion of every model in the store, then follows their changes and new models until `close`. */
  async start(): Promise<void> {
    const { store, activation, exclusively } = this.#options;
    const models = await store.versions.models();
    activation.expect(models);
    await Promise.all(
      models.map(async (model) => {
        // A job that was taken up again may promote meanwhile: what it activated must not be replaced by what was read before.
        await exclusively(model, () => this.#activateAtStart(model));
        this.follow(model);
      }),
    );
    this.#discovering = this.#discover();
  }

  /** Follows the changes of a model's aliases, unless it does already. */
  follow(model: string): void {
    if (this.#following.has(model)) return;
    const { store, pollMs, onError, onRecord } = this.#options;
    const follow = async () => {
      const changes = store.aliases.watch(model, {
        intervalMs: pollMs,
        signal: this.#stop.signal,
        onError: (error) => onError(error, model),
      });
      for await (const record of changes) {
        onRecord(record);
        await this.#reconcileWithRetry(model, record.aliases);
      }
    };
    this.#following.set(model, follow());
  }

  /** Stops following. What serves goes on. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#discovering;
    await Promise.all(this.#following.values());
  }

  /** A champion that cannot serve gives way to its predecessor until it can; a damaged record of aliases is set aside. */
  async #activateAtStart(model: string): Promise<void> {
    const { store, activation, onError, onFallback } = this.#options;
    let aliases: ModelAliases["aliases"];
    try {
      ({ aliases } = await store.aliases.list(model));
    } catch (error) {
      onError(error, model);
      await activation.reportLost(model, error);
      if (isDamagedRecord(error))
        await store.aliases.setAside(model).catch((failure: unknown) => onError(failure, model));
      return;
    }
    const { [CHAMPION]: champion, [PREVIOUS]: previous } = aliases;
    if (champion === undefined) {
      if (await store.aliases.wasSetAside(model)) await activation.reportLost(model, championLost(model));
      return;
    }
    try {
      await activation.activate(champion);
    } catch (error) {
      onError(error, model);
      if (previous === undefined || previous.version === champion.version) return;
      try {
        await activation.activate(previous);
        onFallback(previous, champion);
      } catch (failure) {
        onError(failure, model);
      }
    }
  }

  /** Follows models that other processes put into the store. */
  async #discover(): Promise<void> {
    const { store, pollMs, onError } = this.#options;
    while (await this.#wait(pollMs * POLLS_BETWEEN_DISCOVERIES)) {
      try {
        for (const model of await store.versions.models()) this.follow(model);
      } catch (error) {
        onError(error, undefined);
      }
    }
  }

  /** Reconciles, and tries again what failed, for a store or a disk may come back; by then the aliases may have changed. */
  async #reconcileWithRetry(model: string, seen: ModelAliases["aliases"]): Promise<void> {
    const { store, pollMs, onError, onRecord } = this.#options;
    let aliases = seen;
    for (let waitMs = pollMs; ; waitMs = Math.min(2 * waitMs, Math.max(pollMs, LONGEST_RETRY_MS))) {
      try {
        return await this.#reconcile(aliases);
      } catch (error) {
        onError(error, model);
      }
      if (!(await this.#wait(waitMs))) return;
      aliases = await store.aliases.list(model).then(
        (now) => {
          onRecord(now);
          return now.aliases;
        },
        () => aliases,
      );
    }
  }

  async #reconcile(aliases: ModelAliases["aliases"]): Promise<void> {
    const { store, activation, exclusively } = this.#options;
    const champion = aliases[CHAMPION];
    if (champion === undefined) return;
    await exclusively(champion.model, async () => {
      // A change that this process made itself has been reconciled already.
      const current = await store.aliases.get(champion.model, CHAMPION);
      if (current?.generation === champion.generation) await activation.activate(champion);
    });
  }

  /** @returns false when this is being closed */
  async #wait(ms: number): Promise<boolean> {
    await (this.#options.wait ?? timerWait)(ms, this.#stop.signal);
    return !this.#stop.signal.aborted;
  }
}

/** A model that served, and of which it was lost what. */
function championLost(model: string): AlbertError {
  const message = `the aliases of ${model} were damaged and set aside: promote the version that is to serve`;
  return corrupt(message, { reason: "RECORD_CORRUPT", metadata: { model } });
}
