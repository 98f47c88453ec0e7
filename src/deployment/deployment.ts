import { setTimeout } from "node:timers/promises";
import { AlbertError, invalidInput } from "../errors.ts";
import type { VersionSource } from "../serving/models/loader.ts";
import type { ServableModel } from "../serving/models/reader.ts";
import type { ModelRegistry } from "../serving/models/registry.ts";
import type { SwapReport, Traffic } from "../serving/models/status.ts";
import { type Alias, CHAMPION, generationMismatch, type ModelAliases } from "../store/aliases.ts";
import type { Store } from "../store/store.ts";
import type { ModelVersion } from "../store/versions.ts";
import { latestGateReport } from "./gate/kept-reports.ts";
import { storeModel } from "./store-model.ts";

export interface DeploymentOptions {
  readonly store: Store;
  readonly live: ModelRegistry;
  /** Whether this process answers requests; where it does not, changes only concern the store. */
  readonly serves: boolean;
  /** Between two looks at the store for changes that other processes made. */
  readonly pollMs: number;
  /**
   * Told of a version that could not be brought up after somebody else promoted it, and will be tried again; the old one goes
   * on serving. Without a model: of a store that could not be asked for its models.
   */
  readonly onError: (error: unknown, model: string | undefined) => void;
  /** Opens a version's directory for serving. */
  readonly prepareModel: (directory: string) => Promise<ServableModel>;
}

/** What a promotion or a rollback led to. */
export interface Deployed {
  readonly alias: Alias;
  /** Absent when the alias is not the one that serves. */
  readonly report?: SwapReport;
}

export interface PromoteOptions {
  /** Absent: the champion, which serves. */
  readonly alias?: string;
  /** The generation the caller saw; 0 when the alias must not exist yet. */
  readonly expectedGeneration: number;
  /** Promote although the gate did not pass. Needs a reason. */
  readonly overrideGate: boolean;
  readonly reason: string;
}

/** Looks at the aliases between two looks for new models, which list the whole store. */
const POLLS_BETWEEN_DISCOVERIES = 30;
/** A version that cannot be brought up is tried again with growing pauses up to this. */
const LONGEST_RETRY_MS = 30_000;

/**
 * Connects what the store says with what serves: the champion of every model in the store is the version that answers for
 * its name, in this process and in every other one that shares the store.
 *
 * A promotion first loads, verifies and warms the version here, then changes the alias, then lets it take over; if anything
 * fails before the alias has changed, nothing has happened. Other processes see the alias change and follow.
 */
export class Deployment {
  readonly #options: DeploymentOptions;
  readonly #following = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #discovering: Promise<void> | undefined;
  /** Changes of one model in this process come one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: DeploymentOptions) {
    this.#options = options;
  }

  /**
   * Puts a model directory, or another's checkpoint, into the store and makes it the champion if its model has none yet:
   * how models that come with the program enter the store on its first start.
   */
  async seed(model: string, directory: string): Promise<ModelVersion> {
    const { store } = this.#options;
    const { aliases } = store;
    const { version } = await storeModel(store, model, directory);
    if ((await aliases.get(model, CHAMPION)) === undefined) {
      const first = { expectedGeneration: 0, reason: "first version of the model" };
      await aliases.promote(model, version.version, first).catch((error: unknown) => {
        if (!isGenerationMismatch(error)) throw error; // another process that starts at the same time was first
      });
    }
    return version;
  }

  /** Brings up the champion of every model in the store, and follows their changes and new models until `close`. */
  async start(): Promise<void> {
    if (!this.#options.serves) return;
    for (const model of await this.#options.store.versions.models()) {
      const champion = await this.#options.store.aliases.get(model, CHAMPION);
      if (champion !== undefined) await this.#bringUp(champion);
      this.#follow(model);
    }
    this.#discovering = this.#discover();
  }

  /**
   * Points an alias at a version; for the champion, resolves when the version serves and the one before has drained.
   *
   * @throws AlbertError precondition GATE_FAILED; conflict GENERATION_MISMATCH; whatever loading the version throws
   */
  async promote(model: string, version: number, options: PromoteOptions): Promise<Deployed> {
    const { alias = CHAMPION, expectedGeneration, overrideGate, reason } = options;
    if (overrideGate && reason.trim() === "") {
      throw invalidInput([{ field: "reason", description: "passing over the gate needs a reason" }]);
    }
    const { store, serves } = this.#options;
    return this.#inTurn(model, async () => {
      const stored = await store.versions.get(model, version);
      if (alias !== CHAMPION) return { alias: await store.aliases.promote(model, version, options) };
      const champion = await store.aliases.get(model, CHAMPION);
      const replaces = champion !== undefined && champion.version !== version;
      if (!overrideGate && replaces) await this.#requireGate(stored);
      if ((champion?.generation ?? 0) !== expectedGeneration) {
        throw generationMismatch(model, CHAMPION, expectedGeneration, champion);
      }
      const release = serves ? await this.#bringIn(stored) : undefined;
      const change = { expectedGeneration, reason: reason === "" ? "promoted" : reason };
      const changed = await store.aliases.promote(model, version, change).catch(async (error: unknown) => {
        await release?.();
        throw error;
      });
      if (!serves) return { alias: changed };
      this.#follow(model);
      return this.#deployed(changed);
    });
  }

  /** Points an alias back at the version before, once that can serve; instant while it is still in memory. */
  async rollback(
    model: string,
    options: { readonly alias?: string; readonly expectedGeneration: number; readonly reason: string },
  ): Promise<Deployed> {
    const { store, serves } = this.#options;
    const { alias = CHAMPION, expectedGeneration } = options;
    const change = { alias, expectedGeneration, reason: options.reason || "rolled back" };
    return this.#inTurn(model, async () => {
      if (alias !== CHAMPION || !serves) return { alias: await store.aliases.rollback(model, change) };
      const stored = await store.versions.get(model, await store.aliases.versionBefore(model, alias));
      const release = await this.#bringIn(stored);
      const changed = await store.aliases.promote(model, stored.version, change).catch(async (error: unknown) => {
        await release();
        throw error;
      });
      this.#follow(model);
      return this.#deployed(changed);
    });
  }

  /** Brings a version into memory without traffic. */
  async load(model: string, version: number): Promise<ModelVersion> {
    this.#requireServing();
    const stored = await this.#options.store.versions.get(model, version);
    await this.#inTurn(model, () => this.#options.live.load(this.#source(stored)));
    return stored;
  }

  /** Releases a version. @throws AlbertError precondition VERSION_IN_USE */
  async unload(model: string, version: number): Promise<ModelVersion> {
    const stored = await this.#options.store.versions.get(model, version);
    await this.#options.live.unload(model, String(version));
    return stored;
  }

  /** Gives a challenger a share of the traffic, loading it first; `undefined` takes it away. */
  async setTraffic(model: string, traffic: (Omit<Traffic, "version"> & { readonly version: number }) | undefined) {
    const { live } = this.#options;
    if (traffic !== undefined) await this.load(model, traffic.version);
    live.setTraffic(model, traffic === undefined ? undefined : { ...traffic, version: String(traffic.version) });
    return live.status(model);
  }

  #requireServing(): void {
    if (this.#options.serves) return;
    throw new AlbertError("precondition", "this process trains and serves no models; ask one that serves", {
      reason: "ROLE_WITHOUT_SERVING",
    });
  }

  /** Stops following. What serves goes on. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#discovering;
    await Promise.all(this.#following.values());
  }

  /** Follows models that other processes put into the store. */
  async #discover(): Promise<void> {
    const { store, pollMs, onError } = this.#options;
    while (await this.#wait(pollMs * POLLS_BETWEEN_DISCOVERIES)) {
      try {
        for (const model of await store.versions.models()) this.#follow(model);
      } catch (error) {
        onError(error, undefined);
      }
    }
  }

  /** @returns false when this is being closed */
  async #wait(ms: number): Promise<boolean> {
    await setTimeout(ms, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {});
    return !this.#stop.signal.aborted;
  }

  #follow(model: string): void {
    if (this.#following.has(model)) return;
    const { store, pollMs, onError } = this.#options;
    const follow = async () => {
      const changes = store.aliases.watch(model, {
        intervalMs: pollMs,
        signal: this.#stop.signal,
        onError: (error) => onError(error, model),
      });
      for await (const { aliases } of changes) await this.#obeyAtLast(model, aliases);
    };
    this.#following.set(model, follow());
  }

  /** Obeys, and tries again what failed, for a store or a disk may come back; by then the aliases may say something else. */
  async #obeyAtLast(model: string, seen: ModelAliases["aliases"]): Promise<void> {
    const { store, pollMs, onError } = this.#options;
    let aliases = seen;
    for (let waitMs = pollMs; ; waitMs = Math.min(2 * waitMs, Math.max(pollMs, LONGEST_RETRY_MS))) {
      try {
        return await this.#obey(aliases);
      } catch (error) {
        onError(error, model);
      }
      if (!(await this.#wait(waitMs))) return;
      aliases = await store.aliases.list(model).then(
        (now) => now.aliases,
        () => aliases,
      );
    }
  }

  async #obey(aliases: ModelAliases["aliases"]): Promise<void> {
    const champion = aliases[CHAMPION];
    if (champion === undefined) return;
    await this.#inTurn(champion.model, async () => {
      // A change that this process made itself has been obeyed already.
      const current = await this.#options.store.aliases.get(champion.model, CHAMPION);
      if (current?.generation === champion.generation) await this.#bringUp(champion);
    });
  }

  async #bringUp(champion: Alias): Promise<SwapReport | undefined> {
    const { live, store } = this.#options;
    const current = live.list().find(({ name }) => name === champion.model)?.current;
    if (current === String(champion.version)) return live.status(champion.model).lastSwap;
    await live.load(this.#source(await store.versions.get(champion.model, champion.version)));
    return this.#takeOver(champion);
  }

  /** Loads a version. @returns what unloads it again, unless it had been in memory before */
  async #bringIn(stored: ModelVersion): Promise<() => Promise<void>> {
    const { live, onError } = this.#options;
    const { model, version } = stored;
    const held = live.list().find(({ name }) => name === model)?.versions ?? [];
    await live.load(this.#source(stored));
    if (held.some((known) => known.version === String(version))) return async () => {};
    return () => live.unload(model, String(version)).catch((error: unknown) => onError(error, model));
  }

  async #deployed(alias: Alias): Promise<Deployed> {
    const report = await this.#bringUp(alias);
    return { alias, ...(report === undefined ? {} : { report }) };
  }

  async #takeOver({ model, version }: Alias): Promise<SwapReport> {
    const swap = this.#options.live.activate(model, String(version));
    await swap.drained;
    return swap.report();
  }

  async #requireGate({ model, version }: ModelVersion): Promise<void> {
    const report = await latestGateReport(this.#options.store.versions, model, version);
    if (report?.verdict === "pass") return;
    const found = report === undefined ? "never ran" : `is ${report.verdict}`;
    throw new AlbertError(
      "precondition",
      `the gate of version ${version} of ${model} ${found}; override it with a reason`,
      {
        reason: "GATE_FAILED",
        metadata: { model, version: String(version), verdict: report?.verdict ?? "none" },
      },
    );
  }

  #source(stored: ModelVersion): VersionSource {
    const { store, prepareModel } = this.#options;
    return {
      name: stored.model,
      version: String(stored.version),
      digest: stored.digest,
      open: () => store.versions.open(stored, prepareModel),
    };
  }

  async #inTurn<T>(model: string, run: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(model) ?? Promise.resolve();
    const mine = before.then(run, run);
    this.#turns.set(
      model,
      mine.catch(() => {}),
    );
    return mine;
  }
}

/** Whether somebody else changed the alias first. */
export function isGenerationMismatch(error: unknown): boolean {
  return error instanceof AlbertError && error.reason === "GENERATION_MISMATCH";
}
