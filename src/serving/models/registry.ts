import { AlbertError } from "../../errors.ts";
import type { SwapPhase } from "../../metrics/models.ts";
import { BoundedQueue, SerialQueue } from "../../platform/serial-queue.ts";
import { type Decision, type ModelTest, modelTests, type TaskRequest } from "../../tasks/task-request.ts";
import { draining, modelNotFound, stillStarting } from "../errors.ts";
import type { CanaryCounts } from "../traffic/canary-trials.ts";
import type { Swap } from "./active-version.ts";
import type { LoadedVersion } from "./loaded-version.ts";
import { VersionLoader, type VersionLoaderOptions, type VersionSource } from "./loader.ts";
import type { ModelSelector, VersionRef } from "./selection.ts";
import { ServedModel, type ServedModelOptions } from "./served-model.ts";
import type { PairedComparison } from "./shadow.ts";
import type { ModelStatus, Traffic } from "./status.ts";
import { VersionSlot } from "./version-slot.ts";
import { Watchers } from "./watchers.ts";

// The models that serve, by name. It finds the model of a request and loads versions; what happens to the versions of one
// name is that model's business.

/** Versions that are read at once in a start. Each takes the memory of its weights, twice, while it is read. */
const READS_AT_ONCE = 2;

/** What a task waits for before it begins. */
type Turns = Pick<SerialQueue, "run">;
const AT_ONCE: Turns = { run: (task) => Promise.resolve().then(task) };

/** Stands for the version of a model of which none could be found; those of a store begin at 1. */
export const UNKNOWN_VERSION = "0";

export interface ModelRegistryOptions
  extends Omit<VersionLoaderOptions, "config">,
    Omit<ServedModelOptions, "config" | "release" | "onChange"> {
  readonly config: VersionLoaderOptions["config"] & ServedModelOptions["config"];
}

/**
 * A version is read, verified, built into an engine, warmed and checked before it can get traffic; a failure on the way
 * leaves everything else as it was. A request holds a reference to the version that admitted it and ends there. Loads run
 * one at a time, but for a start, in which one is read while another is built. Every loaded version is owned here, and released
 * exactly once.
 */
export class ModelRegistry {
  readonly #options: ModelRegistryOptions;
  readonly #loader: VersionLoader;
  /** In the order in which they were expected, then in that in which they came. */
  readonly #models = new Map<string, ServedModel>();
  readonly #watchers = new Watchers<ModelStatus>();
  /** Loads run one after the other: loading is the heaviest work that happens during serving. */
  readonly #loads = new SerialQueue();
  readonly #reads = new BoundedQueue(READS_AT_ONCE);
  readonly #loading = new Set<Promise<unknown>>();
  /** Names in the order in which their models count as loaded, whichever comes first. */
  #expected: readonly string[] = [];
  #starting = false;
  #closed = false;

  constructor(options: ModelRegistryOptions) {
    this.#options = options;
    this.#loader = new VersionLoader(options);
  }

  /**
   * Says that the models of a start are yet to come. Until the returned function is called, requests for names that are not
   * known are told to try again, for such a model may be about to load, and the registry is not ready.
   */
  beginStartup(): () => void {
    this.#starting = true;
    return () => {
      this.#starting = false;
    };
  }

  /** Says in which order models that are about to be loaded count as loaded, whichever is first: those that name none ask by it. */
  expect(names: readonly string[]): void {
    this.#expected = names;
  }

  /**
   * Finds the version a request will end on, and keeps it alive until the reference is released.
   *
   * @throws AlbertError not-found MODEL_NOT_FOUND; precondition VERSION_NOT_LOADED; unavailable WARMING while the
   *   server starts or the version loads, NO_VERSION
   */
  acquire(selector: ModelSelector): VersionRef {
    return this.#find(selector.name, selector.tests).acquire(selector);
  }

  /**
   * Brings a version into memory without giving it traffic. Loading what is loaded or loading already gives that.
   *
   * @throws AlbertError corrupt when its digest is not the expected one; precondition MEMORY_INSUFFICIENT; backend
   *   SELF_CHECK_FAILED; whatever reading it or building its engine throws
   */
  async load(source: VersionSource): Promise<LoadedVersion> {
    if (this.#closed) throw draining();
    const model = this.#modelOf(source.name);
    const known = model.slot(source.version);
    if (known?.loaded !== undefined) return known.loaded;
    if (known?.loading !== undefined) return known.loading;
    // In a start, one is read while another is built.
    const [whole, reading, building] = this.#starting
      ? [AT_ONCE, this.#reads, this.#loads]
      : [this.#loads, AT_ONCE, AT_ONCE];
    const loaded: Promise<LoadedVersion> = whole.run(() => this.#loadInto(model, slot, source, { reading, building }));
    const record = { began: this.#options.clock.now(), phaseSeconds: {}, rssBeforeBytes: 0 };
    const slot: VersionSlot = new VersionSlot(source.version, loaded, record, (changed) => model.changed(changed));
    model.add(slot);
    this.#loading.add(loaded);
    const forget = () => this.#loading.delete(loaded);
    loaded.then(forget, forget);
    return loaded;
  }

  /**
   * Notes that a version which should serve cannot even be read: its name is known from now on, and NOT_SERVING for this reason
   * unless another version answers.
   *
   * @param version  of a model of which no version could be found, `UNKNOWN_VERSION`
   */
  async reportUnreadable(name: string, version: string, error: unknown): Promise<void> {
    await this.load({ name, version, open: () => Promise.reject(error) }).catch(() => {});
  }

  /**
   * Points a name at a loaded version. Takes effect at once; the version before drains and stays ready for a rollback.
   *
   * @param expectedGeneration  the generation the caller saw; absent: whatever it is
   * @throws AlbertError conflict GENERATION_MISMATCH; not-found; precondition VERSION_NOT_LOADED
   */
  activate(name: string, version: string, expectedGeneration?: number): Swap {
    return this.#find(name).activate(version, expectedGeneration);
  }

  /** Loads a version and points its name at it. */
  async swap(source: VersionSource, expectedGeneration?: number): Promise<Swap> {
    await this.load(source);
    return this.activate(source.name, source.version, expectedGeneration);
  }

  /**
   * Gives a loaded challenger a share of a name's traffic, or takes it away.
   *
   * @throws AlbertError precondition VERSION_NOT_LOADED or VERSION_IN_USE when the challenger is the serving version
   */
  setTraffic(name: string, traffic: Traffic | undefined): void {
    this.#find(name).setTraffic(traffic);
  }

  /** What this process counted of the canary of a name since it was given its share; nothing where there is none. */
  canaryCounts(name: string): CanaryCounts | undefined {
    return this.#models.get(name)?.canaryCounts;
  }

  /**
   * Releases a version that nothing refers to; of a version that failed to load, forgets the failure.
   *
   * @throws AlbertError precondition VERSION_IN_USE, VERSION_NOT_LOADED
   */
  async unload(name: string, version: string): Promise<void> {
    await this.#find(name).unload(version);
  }

  /** Notes an answered request, for the latencies of swap reports. */
  answered(version: LoadedVersion, tookMs: number): void {
    this.#models.get(version.name)?.answered(tookMs);
  }

  /** Notes a pair of decisions of champion and challenger on one request of `task`. @returns whether they agree */
  compared(
    version: LoadedVersion,
    comparison: PairedComparison,
    task: string,
    pair: readonly [Decision, Decision],
  ): boolean {
    const { models } = this.#options.metrics;
    const agreed = comparison.add(...pair);
    models.compared(task, agreed);
    models.scoreShift(version.name, comparison.summary.scoreShift);
    return agreed;
  }

  /** Everything that is served, by name. */
  list(): ModelStatus[] {
    return [...this.#models.values()].map(({ status }) => status);
  }

  /** @throws AlbertError not-found MODEL_NOT_FOUND */
  status(name: string): ModelStatus {
    return this.#find(name).status;
  }

  /** First the state of every model, or of the named one, then each change, until the signal aborts or serving ends. */
  async *watch(signal: AbortSignal, name?: string): AsyncGenerator<ModelStatus, void> {
    const initial = new Map(this.list().map((status) => [status.name, status]));
    for await (const status of this.#watchers.watch(initial, signal)) {
      if (name === undefined || status.name === name) yield status;
    }
  }

  /** Whether models of the start are yet to come. */
  get starting(): boolean {
    return this.#starting;
  }

  /** Name of the model that answers a request which names none; without a request, of the first of all. */
  defaultName(asked?: Pick<TaskRequest, "task" | "input">): string | undefined {
    return this.#default(asked === undefined ? [] : modelTests(asked))?.name;
  }

  /** A name under which a version of this digest is in memory, of one that serves if there is any. */
  nameOfDigest(digest: string): string | undefined {
    const models = [...this.#models.values()];
    const serving = models.find(({ current }) => current?.digest === digest);
    const ready = serving ?? models.find((model) => model.holds(digest));
    return ready?.name;
  }

  /** Whether the start is over, in which every model came to serve or failed by name, and any model serves. */
  get ready(): boolean {
    return !this.#starting && this.#serves;
  }

  get #serves(): boolean {
    return [...this.#models.values()].some(({ current }) => current !== undefined);
  }

  /** Releases everything. Requests in progress may finish for the drain time. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#loading);
    for (const model of [...this.#models.values()]) await model.close();
    this.#watchers.close();
  }

  /** @param turns  what reading and building wait for */
  async #loadInto(
    model: ServedModel,
    slot: VersionSlot,
    source: VersionSource,
    { reading, building }: { readonly reading: Turns; readonly building: Turns },
  ): Promise<LoadedVersion> {
    const { clock, memory, metrics } = this.#options;
    const ended = (phase: SwapPhase, seconds: number) => {
      metrics.models.phase(phase, seconds);
      slot.phase(phase, seconds);
    };
    try {
      const readAhead = reading.run(() => {
        if (this.#closed) throw draining();
        slot.began(clock.now(), memory().usedBytes);
        return this.#loader.read(source, ended);
      });
      readAhead.catch(() => {}); // whose turn it is to build gets the error
      // Its turn is taken before it is read: versions come up in the order in which they were asked for.
      const loaded = await building.run(async () => {
        const read = await readAhead;
        if (this.#closed) {
          await read.remove();
          throw draining();
        }
        // In a start nothing has to be spared: the server is not ready yet.
        const othersServe = !this.#starting && this.#serves;
        return this.#loader.start(source, read, ended, { othersServe, makeRoom: () => this.#releaseSpares() });
      });
      metrics.models.loaded(model.name, slot.version, loaded.digest, loaded.engine.device);
      slot.ready(loaded);
      return loaded;
    } catch (error) {
      slot.fail(error);
      metrics.models.swapped("failed", error instanceof AlbertError ? error.reason : "BUG");
      throw error;
    }
  }

  /** Releases versions that are only kept for a rollback. */
  async #releaseSpares(): Promise<void> {
    for (const model of [...this.#models.values()]) await model.releaseSpare();
  }

  #modelOf(name: string): ServedModel {
    const known = this.#models.get(name);
    if (known !== undefined) return known;
    const model = new ServedModel(name, {
      ...this.#options,
      release: (version) => this.#loader.release(version),
      onChange: (changed) => this.#changed(changed),
    });
    this.#models.set(name, model);
    this.#restoreOrder();
    return model;
  }

  #changed(model: ServedModel): void {
    if (model.empty && this.#models.get(model.name) === model) this.#models.delete(model.name);
    this.#watchers.publish(model.name, model.status);
  }

  /** Moves the models that were expected before the others; among these the order in which they came stays. */
  #restoreOrder(): void {
    const place = ([name]: readonly [string, ServedModel]) => {
      const found = this.#expected.indexOf(name);
      return found === -1 ? this.#expected.length : found;
    };
    const ordered = [...this.#models].sort((a, b) => place(a) - place(b));
    this.#models.clear();
    for (const [name, model] of ordered) this.#models.set(name, model);
  }

  /** An empty name means the model that was loaded first: adding another must not break callers that name none. */
  #find(name = "", tests: readonly ModelTest[] = []): ServedModel {
    const model = name === "" ? this.#default(tests) : this.#models.get(name);
    if (model === undefined) throw this.#starting ? stillStarting() : modelNotFound(name, [...this.#models.keys()]);
    return model;
  }

  /** The first model that passes the first test that any passes; else the first, whose refusal then says what is missing. */
  #default(tests: readonly ModelTest[]): ServedModel | undefined {
    const models = [...this.#models.values()];
    for (const test of tests) {
      const suits = models.find((model) => model.passes(test));
      if (suits !== undefined) return suits;
    }
    return models[0];
  }
}
