import type { ServingConfig } from "../../config/settings.ts";
import { AlbertError } from "../../errors.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { HeadKind } from "../../model/heads.ts";
import type { Decision } from "../../tasks/task-request.ts";
import { draining } from "../errors.ts";
import type { LoadedVersion } from "./loaded-version.ts";
import { type PhaseListener, VersionLoader, type VersionLoaderOptions, type VersionSource } from "./loader.ts";
import {
  generationMismatch,
  isPinned,
  type ModelSelector,
  modelNotFound,
  noVersionReady,
  versionInUse,
  versionNotLoaded,
} from "./selection.ts";
import { drawChallenger, type Entry, loadedVersions, type Name, newName, statusOf } from "./served-model.ts";
import { PairedComparison } from "./shadow.ts";
import type { ModelStatus, SwapReport, Traffic, VersionState } from "./status.ts";
import { SwapTiming } from "./swap-report.ts";
import { Watchers } from "./watchers.ts";

export interface ModelRegistryOptions extends Omit<VersionLoaderOptions, "config"> {
  readonly config: VersionLoaderOptions["config"] & Pick<ServingConfig, "keepPreviousMs">;
  readonly metrics: Pick<Metrics, "models" | "requests">;
  /** In [0, 1): draws which requests a challenger gets. */
  readonly random: () => number;
}

/** What a request holds while it is worked on. */
export interface VersionRef {
  readonly version: LoadedVersion;
  /** A challenger that should compute the same request for comparison. */
  readonly shadow?: { readonly version: LoadedVersion; readonly comparison: PairedComparison };
  /** Gives the versions up; calling it again does nothing. */
  release(): void;
}

/** A change of version that has taken effect. */
export interface Swap {
  readonly generation: number;
  /** The report as far as it is known at the moment of reading. */
  readonly report: () => SwapReport;
  /** Resolves when the old version has answered its last request. */
  readonly drained: Promise<void>;
}

/**
 * The models that serve, by name and version, and every change among them.
 *
 * A version is read, verified, built into an engine, warmed and checked before it can get traffic; a failure on the way
 * leaves everything else as it was. Pointing a name at another version is one assignment: a request holds a lease on the
 * version that admitted it and ends there. The version before stays loaded for `keepPreviousMs`, so that a rollback is
 * again one assignment. Loads run one at a time. Every loaded version is owned here, and released exactly once.
 */
export class ModelRegistry {
  readonly #options: ModelRegistryOptions;
  readonly #loader: VersionLoader;
  readonly #names = new Map<string, Name>();
  readonly #watchers = new Watchers<ModelStatus>();
  /** Loads run one after the other: loading is the heaviest thing that happens beside serving. */
  #lastLoad: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: ModelRegistryOptions) {
    this.#options = options;
    this.#loader = new VersionLoader(options);
  }

  /**
   * Finds the version a request will end on, and keeps it alive.
   *
   * @throws AlbertError not-found MODEL_NOT_FOUND; precondition VERSION_NOT_LOADED; unavailable WARMING or NO_VERSION
   */
  acquire(selector: ModelSelector): VersionRef {
    const name = this.#find(selector.name, selector.heads);
    if (selector.version || selector.digest) {
      const loaded = [...name.entries.values()].flatMap((entry) => entry.loaded ?? []);
      const pinned = loaded.find((version) => isPinned(version, selector));
      if (pinned === undefined) throw versionNotLoaded(name.name, loadedVersions(name));
      return { version: pinned, release: pinned.lease() };
    }
    const current = name.current?.loaded;
    if (current === undefined) {
      throw noVersionReady(
        name.name,
        [...name.entries.values()].some(({ loading }) => loading !== undefined),
      );
    }
    const challenger = drawChallenger(name, this.#options.random);
    if (challenger?.mode === "canary") return { version: challenger.version, release: challenger.version.lease() };
    const release = current.lease();
    if (challenger === undefined) return { version: current, release };
    const releaseShadow = challenger.version.lease();
    return {
      version: current,
      shadow: { version: challenger.version, comparison: challenger.comparison },
      release: () => {
        release();
        releaseShadow();
      },
    };
  }

  /**
   * Brings a version into memory without giving it traffic. Loading what is loaded or loading already gives that.
   *
   * @throws AlbertError corrupt when its digest is not the expected one; precondition MEMORY_INSUFFICIENT; backend
   *   SELF_CHECK_FAILED; whatever reading it or building its engine throws
   */
  async load(source: VersionSource): Promise<LoadedVersion> {
    if (this.#closed) throw draining();
    const name = this.#nameOf(source.name);
    const known = name.entries.get(source.version);
    if (known?.loaded !== undefined) return known.loaded;
    if (known?.loading !== undefined) return known.loading;
    for (const [version, entry] of name.entries) if (entry.state.kind === "failed") name.entries.delete(version);
    const entry: Entry = {
      version: source.version,
      state: { kind: "loading" },
      began: this.#options.clock.now(),
      phases: {},
      rssBeforeBytes: this.#options.memory().usedBytes,
    };
    name.entries.set(source.version, entry);
    this.#setState(name, entry, { kind: "loading" });
    entry.loading = this.#lastLoad.then(() => this.#bringUp(name, entry, source));
    this.#lastLoad = entry.loading.catch(() => undefined);
    return entry.loading;
  }

  /**
   * Points a name at a loaded version. Takes effect at once; the version before drains and stays ready for a rollback.
   *
   * @param expectedGeneration  the generation the caller saw; absent: whatever it is
   * @throws AlbertError conflict GENERATION_MISMATCH; not-found; precondition VERSION_NOT_LOADED
   */
  promote(nameText: string, version: string, expectedGeneration?: number): Swap {
    const name = this.#find(nameText);
    if (expectedGeneration !== undefined && expectedGeneration !== name.generation) {
      throw generationMismatch(expectedGeneration, name.generation);
    }
    const entry = name.entries.get(version);
    if (entry?.loaded === undefined) throw versionNotLoaded(name.name, loadedVersions(name));
    return this.#flip(name, entry, "promoted");
  }

  /** Loads a version and points its name at it. */
  async swap(source: VersionSource, expectedGeneration?: number): Promise<Swap> {
    await this.load(source);
    return this.promote(source.name, source.version, expectedGeneration);
  }

  /**
   * Points a name back at the version it served before.
   *
   * @throws AlbertError precondition NO_PREVIOUS when that is no longer loaded
   */
  rollback(nameText: string, expectedGeneration?: number): Swap {
    const name = this.#find(nameText);
    if (expectedGeneration !== undefined && expectedGeneration !== name.generation) {
      throw generationMismatch(expectedGeneration, name.generation);
    }
    if (name.previous?.loaded === undefined) {
      throw new AlbertError(
        "precondition",
        `${name.name} has no previous version in memory; promote an older one instead`,
        { reason: "NO_PREVIOUS" },
      );
    }
    return this.#flip(name, name.previous, "rolled_back");
  }

  /**
   * Gives a loaded challenger a share of a name's traffic, or takes it away.
   *
   * @throws AlbertError precondition VERSION_NOT_LOADED or VERSION_IN_USE when the challenger is the serving version
   */
  setTraffic(nameText: string, traffic: Traffic | undefined): void {
    const name = this.#find(nameText);
    const before = name.traffic === undefined ? undefined : name.entries.get(name.traffic.version);
    if (traffic === undefined) {
      delete name.traffic;
    } else {
      const challenger = name.entries.get(traffic.version);
      if (challenger?.loaded === undefined) throw versionNotLoaded(name.name, loadedVersions(name));
      if (challenger === name.current) throw versionInUse("it serves the name already and cannot challenge itself");
      name.traffic = { ...traffic, comparison: new PairedComparison() };
      challenger.loaded.queue.setBackground(traffic.mode === "shadow");
      this.#setState(name, challenger, { kind: traffic.mode });
    }
    if (before?.loaded !== undefined && before.version !== traffic?.version) this.#stand(name, before);
    this.#publish(name);
  }

  /**
   * Releases a version that nothing refers to; of a version that failed to load, forgets the failure.
   *
   * @throws AlbertError precondition VERSION_IN_USE, VERSION_NOT_LOADED
   */
  async unload(nameText: string, version: string): Promise<void> {
    const name = this.#find(nameText);
    const entry = name.entries.get(version);
    if (entry === undefined) throw versionNotLoaded(name.name, loadedVersions(name));
    if (entry.loading !== undefined) throw versionInUse("it is being loaded");
    if (entry === name.current) throw versionInUse("it serves the name; promote another one first");
    if (name.traffic?.version === version) throw versionInUse(`it gets ${name.traffic.mode} traffic; end that first`);
    if (entry.loaded !== undefined && entry.loaded.leases > 0) {
      throw versionInUse(`${entry.loaded.leases} requests will end on it; try again shortly`);
    }
    if (entry === name.previous) this.#forgetPrevious(name);
    await this.#release(name, entry);
  }

  /** Notes an answered request, for the latencies of swap reports. */
  answered(version: LoadedVersion, tookMs: number): void {
    this.#names.get(version.name)?.latencies.record(this.#options.clock.now(), tookMs);
  }

  /** Notes a pair of decisions of champion and challenger on one request of `task`. */
  compared(
    version: LoadedVersion,
    comparison: PairedComparison,
    task: string,
    pair: readonly [Decision, Decision],
  ): void {
    this.#options.metrics.models.compared(task, comparison.add(...pair));
    this.#options.metrics.models.scoreShift(version.name, comparison.summary.scoreShift);
  }

  /** Everything that is served, by name. */
  list(): ModelStatus[] {
    return [...this.#names.values()].map(statusOf);
  }

  /** @throws AlbertError not-found MODEL_NOT_FOUND */
  status(nameText: string): ModelStatus {
    return statusOf(this.#find(nameText));
  }

  /** First the state of every model, or of the named one, then each change, until the signal aborts or serving ends. */
  async *watch(signal: AbortSignal, nameText?: string): AsyncGenerator<ModelStatus, void> {
    const initial = new Map(this.list().map((status) => [status.name, status]));
    for await (const status of this.#watchers.watch(initial, signal)) {
      if (nameText === undefined || status.name === nameText) yield status;
    }
  }

  /** Whether any name has a version that serves. */
  get ready(): boolean {
    const names = [...this.#names.values()];
    return names.some(({ current }) => current !== undefined);
  }

  /** Releases everything. Requests in progress may finish for the drain time. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#lastLoad;
    for (const name of this.#names.values()) {
      name.keepPrevious?.();
      delete name.current;
      delete name.previous;
      delete name.traffic;
      await Promise.all([...name.entries.values()].map((entry) => this.#release(name, entry)));
    }
    this.#watchers.close();
  }

  async #bringUp(name: Name, entry: Entry, source: VersionSource): Promise<LoadedVersion> {
    const { clock, memory, metrics } = this.#options;
    entry.began = clock.now();
    entry.rssBeforeBytes = memory().usedBytes;
    const ended: PhaseListener = (phase, seconds) => {
      entry.phases[phase] = seconds;
      metrics.models.phase(phase, seconds);
      if (phase === "build") this.#setState(name, entry, { kind: "warming" });
    };
    try {
      entry.loaded = await this.#loader.load(source, ended, {
        beside: this.ready,
        makeRoom: () => this.#releaseSpares(),
      });
    } catch (error) {
      const { reason, message } =
        error instanceof AlbertError ? error : { reason: "BUG", message: "an internal error; see the log" };
      delete entry.loading;
      this.#setState(name, entry, { kind: "failed", reason, message });
      metrics.models.swapped("failed", reason);
      throw error;
    }
    delete entry.loading;
    const { digest, engine } = entry.loaded;
    metrics.models.loaded(name.name, entry.version, digest, engine.device);
    this.#setState(name, entry, { kind: "standby" });
    return entry.loaded;
  }

  #flip(name: Name, entry: Entry, result: SwapReport["result"]): Swap {
    const { clock, metrics, memory } = this.#options;
    const old = name.current;
    if (old === entry) {
      const timing = name.lastSwap!;
      return { generation: name.generation, report: () => timing.report, drained: Promise.resolve() };
    }
    const began = clock.now();
    const outdated = name.previous === entry ? undefined : name.previous;
    this.#forgetPrevious(name);
    if (name.traffic?.version === entry.version) delete name.traffic;
    entry.loaded!.queue.setBackground(false);
    name.current = entry;
    if (old !== undefined) name.previous = old;
    name.generation++;
    const flip = {
      name: name.name,
      ...(old === undefined ? {} : { from: old.version }),
      to: entry.version,
      result,
      generation: name.generation,
      timeMs: Date.now(),
      rssBeforeBytes: result === "promoted" ? entry.rssBeforeBytes : memory().usedBytes,
    };
    const loadBegan = result === "promoted" ? entry.began : began;
    const timing = new SwapTiming(flip, loadBegan, result === "promoted" ? entry.phases : {}, clock, name.latencies);
    timing.phase("flip", (clock.now() - began) / 1000);
    name.lastSwap = timing;
    metrics.models.generation(name.name, name.generation);
    metrics.models.swapped(result, "");
    this.#setState(name, entry, { kind: "serving" });
    if (outdated !== undefined && outdated.version !== name.traffic?.version) void this.#release(name, outdated);
    const drained = old === undefined ? this.#settle(name, timing) : this.#drain(name, old, timing);
    return { generation: name.generation, report: () => timing.report, drained };
  }

  #settle(name: Name, timing: SwapTiming): Promise<void> {
    timing.drained(this.#options.memory().usedBytes);
    this.#publish(name);
    return Promise.resolve();
  }

  /** Waits for the last requests of a replaced version, keeps it ready for a while, then releases it. */
  async #drain(name: Name, old: Entry, timing: SwapTiming): Promise<void> {
    const { clock, config, metrics, memory } = this.#options;
    const began = clock.now();
    this.#setState(name, old, { kind: "draining" });
    let stop: () => void = () => undefined;
    const timeout = new Promise<void>((resolve) => {
      stop = clock.after(config.swapDrainMs, resolve);
    });
    await Promise.race([old.loaded!.idle(), timeout]);
    stop();
    timing.phase("drain", (clock.now() - began) / 1000);
    metrics.models.phase("drain", (clock.now() - began) / 1000);
    timing.drained(memory().usedBytes);
    // A rollback may have brought it back meanwhile, or another promotion may have released it.
    if (name.previous === old && old.state.kind === "draining") {
      this.#stand(name, old);
      const release = async () => {
        const releaseBegan = clock.now();
        this.#forgetPrevious(name);
        // As a challenger it is still needed.
        if (name.traffic?.version === old.version) return;
        timing.failed(await this.#release(name, old));
        timing.phase("release", (clock.now() - releaseBegan) / 1000);
        metrics.models.phase("release", (clock.now() - releaseBegan) / 1000);
        this.#publish(name);
      };
      if (config.keepPreviousMs === 0) await release();
      else name.keepPrevious = clock.after(config.keepPreviousMs, () => void release());
    }
    this.#publish(name);
  }

  /** Releases versions that are only kept for a rollback. */
  async #releaseSpares(): Promise<void> {
    for (const name of this.#names.values()) {
      const { previous } = name;
      if (previous?.loaded === undefined || previous.loaded.leases > 0) continue;
      if (name.traffic?.version === previous.version) continue;
      this.#forgetPrevious(name);
      await this.#release(name, previous);
    }
  }

  #forgetPrevious(name: Name): void {
    name.keepPrevious?.();
    delete name.keepPrevious;
    delete name.previous;
  }

  /** @returns requests that had to be answered with an error */
  async #release(name: Name, entry: Entry): Promise<number> {
    const { metrics } = this.#options;
    if (name.entries.get(entry.version) === entry) name.entries.delete(entry.version);
    const { loaded } = entry;
    delete entry.loaded;
    let failed = 0;
    try {
      if (loaded !== undefined) failed = await this.#loader.release(loaded);
    } catch {
      metrics.models.swapped("failed", "RELEASE_FAILED");
    }
    // Loaded again meanwhile, the version keeps its series.
    if (!name.entries.has(entry.version)) {
      await metrics.models.forget(name.name, entry.version);
      await metrics.requests.forget(name.name, entry.version);
    }
    if (name.entries.size === 0) this.#names.delete(name.name);
    this.#publish(name);
    return failed;
  }

  #stand(name: Name, entry: Entry): void {
    if (entry.loaded !== undefined) entry.loaded.queue.setBackground(false);
    this.#setState(name, entry, { kind: "standby" });
  }

  #setState(name: Name, entry: Entry, state: VersionState): void {
    entry.state = state;
    this.#options.metrics.models.state(name.name, entry.version, state.kind);
    this.#publish(name);
  }

  #publish(name: Name): void {
    this.#watchers.publish(name.name, statusOf(name));
  }

  #nameOf(text: string): Name {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    const name = newName(text);
    this.#names.set(text, name);
    return name;
  }

  /** An empty name means the model that was loaded first: adding another must not break callers that name none. */
  #find(text = "", heads?: readonly HeadKind[]): Name {
    const name = text === "" ? this.#default(heads) : this.#names.get(text);
    if (name === undefined) throw modelNotFound(text, [...this.#names.keys()]);
    return name;
  }

  /** The first model that can answer; else the first, whose refusal then says what is missing. */
  #default(heads: readonly HeadKind[] = []): Name | undefined {
    const names = [...this.#names.values()];
    const able = ({ current }: Name) => current?.loaded?.model.heads.some(({ kind }) => heads.includes(kind)) ?? false;
    return names.find(able) ?? names[0];
  }
}
