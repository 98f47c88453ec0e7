import type { AlbertError } from "../../errors.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { ModelTest } from "../../tasks/task-request.ts";
import { ambiguousPin, noVersionReady, versionInUse, versionNotLoaded } from "../errors.ts";
import type { CanaryCounts } from "../traffic/canary-trials.ts";
import { ActiveVersion, type ActiveVersionOptions, type Swap } from "./active-version.ts";
import type { LoadedVersion } from "./loaded-version.ts";
import { isPinned, type ModelSelector, type VersionRef } from "./selection.ts";
import type { ModelStatus, Traffic } from "./status.ts";
import { TrafficSplit } from "./traffic-split.ts";
import type { VersionSlot } from "./version-slot.ts";

// One name that requests can select, and its versions: which of them a request gets, and which may be released. It loads
// nothing: slots come to it, and go through `release`, once each.

export interface ServedModelOptions extends ActiveVersionOptions {
  readonly metrics: Pick<Metrics, "models" | "requests">;
  /** In [0, 1): draws which of the requests without a key a challenger gets. */
  readonly random: () => number;
  /** Ends a version's session; resolves with the number of requests that had to be answered with an error. */
  readonly release: (version: LoadedVersion) => Promise<number>;
  /** Called on every change that watchers may want to see. */
  readonly onChange: (model: ServedModel) => void;
}

export class ServedModel {
  readonly name: string;
  readonly #options: ServedModelOptions;
  readonly #slots = new Map<string, VersionSlot>();
  readonly #active: ActiveVersion;
  readonly #split: TrafficSplit;

  constructor(name: string, options: ServedModelOptions) {
    this.name = name;
    this.#options = options;
    this.#split = new TrafficSplit(name, options.random);
    this.#active = new ActiveVersion(options, {
      name,
      isChallenger: (slot) => this.#split.challenger === slot,
      endChallenge: (slot) => {
        if (this.#split.challenger === slot) this.#split.end();
      },
      release: (slot) => this.#release(slot),
      changed: () => options.onChange(this),
    });
  }

  /** The version that serves. */
  get current(): LoadedVersion | undefined {
    return this.#active.current?.loaded;
  }

  get empty(): boolean {
    return this.#slots.size === 0;
  }

  /** Whether a version is being loaded. */
  get loading(): boolean {
    return [...this.#slots.values()].some((slot) => slot.loading !== undefined);
  }

  /** Reason of a version that failed to load. */
  get #failure(): string | undefined {
    const states = [...this.#slots.values()].map(({ state }) => state);
    return states.find((state) => state.kind === "failed")?.reason;
  }

  slot(version: string): VersionSlot | undefined {
    return this.#slots.get(version);
  }

  /** Whether the version that serves passes a test. */
  passes(test: ModelTest): boolean {
    return this.current !== undefined && test(this.current.model);
  }

  /** Whether a version of this digest can answer. */
  holds(digest: string): boolean {
    return this.#loadedVersions().some((version) => version.digest === digest);
  }

  /** Takes in a version that begins to load. What failed before is forgotten. */
  add(slot: VersionSlot): void {
    for (const [version, { state }] of this.#slots) if (state.kind === "failed") this.#slots.delete(version);
    this.#slots.set(slot.version, slot);
    this.changed(slot);
  }

  /** Tells metrics and watchers of a slot's new state. */
  changed({ version, publicState }: VersionSlot): void {
    this.#options.metrics.models.state(this.name, version, publicState.kind);
    this.#options.onChange(this);
  }

  /**
   * Finds the version a request will end on, and keeps it alive.
   *
   * @throws AlbertError precondition VERSION_NOT_LOADED; unavailable WARMING or NO_VERSION
   */
  acquire(selector: ModelSelector): VersionRef {
    if (selector.version || selector.digest) {
      const fitting = this.#loadedVersions().filter((version) => isPinned(version, selector));
      if (new Set(fitting.map(({ digest }) => digest)).size > 1) throw ambiguousPin(selector.digest ?? "", fitting);
      const [pinned] = fitting;
      const comes = selector.version ? this.#slots.get(selector.version)?.loading !== undefined : this.loading;
      if (pinned === undefined) throw comes ? noVersionReady(this.name, true) : this.#notLoaded();
      return { version: pinned, release: pinned.retain() };
    }
    const { current } = this;
    if (current === undefined) throw noVersionReady(this.name, this.loading, this.#failure);
    const draw = this.#split.draw(selector.key);
    const trial = draw?.trial === undefined ? {} : { trial: draw.trial };
    const challenger = draw?.challenger;
    const releaseChampion = current.retain();
    if (draw === undefined || challenger === undefined) return { version: current, ...trial, release: releaseChampion };
    const releaseChallenger = challenger.version.retain();
    const release = () => {
      releaseChampion();
      releaseChallenger();
    };
    const { comparison } = draw;
    return challenger.mode === "canary"
      ? { version: challenger.version, fallback: { version: current, comparison }, ...trial, release }
      : { version: current, shadow: { version: challenger.version, comparison }, release };
  }

  /** What was counted of the canary since it was given its share; nothing where there is none. */
  get canaryCounts(): CanaryCounts | undefined {
    return this.#split.counts;
  }

  /** Notes an answered request, for the latencies of swap reports. */
  answered(tookMs: number): void {
    this.#active.answered(tookMs);
  }

  /**
   * Points the name at a loaded version. Takes effect at once; the version before drains and stays ready for a rollback.
   *
   * @param expectedGeneration  the generation the caller saw; absent: whatever it is
   * @throws AlbertError conflict GENERATION_MISMATCH; precondition VERSION_NOT_LOADED
   */
  activate(version: string, expectedGeneration?: number): Swap {
    this.#active.checkGeneration(expectedGeneration);
    const slot = this.#slots.get(version);
    if (slot?.loaded === undefined) throw this.#notLoaded();
    return this.#active.activate(slot);
  }

  /**
   * Gives a loaded challenger a share of the traffic, or takes it away.
   *
   * @throws AlbertError precondition VERSION_NOT_LOADED or VERSION_IN_USE when the challenger is the serving version
   */
  setTraffic(traffic: Traffic | undefined): void {
    const before = this.#split.challenger;
    const challenger = traffic === undefined ? undefined : this.#slots.get(traffic.version);
    if (traffic === undefined) {
      this.#split.end();
    } else {
      if (challenger?.loaded === undefined) throw this.#notLoaded();
      if (challenger === this.#active.current)
        throw versionInUse("it serves the name already and cannot challenge itself");
      this.#split.give(challenger, traffic);
    }
    if (before?.loaded !== undefined && before !== challenger) before.become("standby");
    this.#options.onChange(this);
  }

  /**
   * Releases a version that nothing refers to; of a version that failed to load, forgets the failure.
   *
   * @throws AlbertError precondition VERSION_IN_USE, VERSION_NOT_LOADED
   */
  async unload(version: string): Promise<void> {
    const slot = this.#slots.get(version);
    if (slot === undefined) throw this.#notLoaded();
    if (slot.loading !== undefined) throw versionInUse("it is being loaded");
    if (slot === this.#active.current) throw versionInUse("it serves the name; promote another one first");
    if (slot === this.#split.challenger) throw versionInUse(`it gets ${slot.state.kind} traffic; end that first`);
    const references = slot.loaded?.references ?? 0;
    if (references > 0) throw versionInUse(`${references} requests will end on it; try again shortly`);
    if (slot === this.#active.previous) this.#active.forgetPrevious();
    await this.#release(slot);
  }

  /** Releases the version that is kept for a rollback alone. */
  async releaseSpare(): Promise<void> {
    const slot = this.#active.previous;
    if (slot?.loaded === undefined || slot.loaded.references > 0 || slot === this.#split.challenger) return;
    this.#active.forgetPrevious();
    await this.#release(slot);
  }

  /** Releases everything; requests in progress may finish for the drain time. */
  async close(): Promise<void> {
    this.#active.clear();
    this.#split.end();
    await Promise.all([...this.#slots.values()].map((slot) => this.#release(slot)));
  }

  get status(): ModelStatus {
    const { generation, current, previous, lastSwap } = this.#active;
    return {
      name: this.name,
      generation,
      ...(current === undefined ? {} : { current: current.version }),
      ...(previous === undefined ? {} : { previous: previous.version }),
      ...this.#split.status,
      versions: [...this.#slots.values()].map(({ version, publicState: state, loaded }) => ({
        version,
        state,
        ...(loaded === undefined
          ? {}
          : { digest: loaded.digest, device: loaded.engine.device, memoryBytes: loaded.memoryBytes }),
      })),
      ...(lastSwap === undefined ? {} : { lastSwap }),
    };
  }

  /** Ends a version; resolves with the number of requests that had to be answered with an error. */
  async #release(slot: VersionSlot): Promise<number> {
    const { metrics, onChange, release } = this.#options;
    if (this.#slots.get(slot.version) === slot) this.#slots.delete(slot.version);
    const loaded = slot.release();
    let failed = 0;
    try {
      if (loaded !== undefined) failed = await release(loaded);
    } catch {
      metrics.models.swapped("failed", "RELEASE_FAILED");
    }
    // Loaded again meanwhile, the version keeps its series.
    if (!this.#slots.has(slot.version)) {
      await metrics.models.forget(this.name, slot.version);
      await metrics.requests.forget(this.name, slot.version);
    }
    onChange(this);
    return failed;
  }

  #loadedVersions(): LoadedVersion[] {
    return [...this.#slots.values()].flatMap(({ loaded }) => loaded ?? []);
  }

  #notLoaded(): AlbertError {
    const loaded = this.#loadedVersions().map(({ version }) => version);
    return versionNotLoaded(this.name, loaded);
  }
}
