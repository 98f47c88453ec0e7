import type { VersionSource } from "../serving/models/loader.ts";
import type { ServableModel } from "../serving/models/reader.ts";
import { type ModelRegistry, UNKNOWN_VERSION } from "../serving/models/registry.ts";
import type { SwapReport } from "../serving/models/status.ts";
import type { Store } from "../store/store.ts";
import type { ModelVersion } from "../store/versions.ts";

// Loads stored versions into this process and activates them. It changes nothing in the store.

export interface ActivationOptions {
  readonly store: Pick<Store, "versions">;
  readonly live: ModelRegistry;
  /** Opens a version's directory for serving. */
  readonly prepareModel: (directory: string) => Promise<ServableModel>;
  readonly onError: (error: unknown, model: string | undefined) => void;
}

/** A version of a model, by its number. */
export type VersionNumber = Pick<ModelVersion, "model" | "version">;

/** Brings stored versions into this process's memory and lets them answer. It changes nothing in the store. */
export class VersionActivation {
  readonly #options: ActivationOptions;

  constructor(options: ActivationOptions) {
    this.#options = options;
  }

  /** Whether a version answers for its model's name. */
  isActive({ model, version }: VersionNumber): boolean {
    return this.#statusOf(model)?.current === String(version);
  }

  /** Says in which order models that are about to be activated side by side count as loaded. */
  expect(models: readonly string[]): void {
    this.#options.live.expect(models);
  }

  /**
   * Loads a version without giving it traffic.
   *
   * @returns a function that unloads it again, unless it had been in memory before
   */
  async load(stored: ModelVersion): Promise<() => Promise<void>> {
    const { live, onError } = this.#options;
    const { model, version } = stored;
    const before = this.#statusOf(model)?.versions ?? [];
    await live.load(this.#source(stored));
    if (before.some((known) => known.version === String(version))) return async () => {};
    return () => live.unload(model, String(version)).catch((error: unknown) => onError(error, model));
  }

  /**
   * Lets a version answer for its model's name, loading it if need be, and resolves when the one before has drained.
   *
   * @returns undefined when it did already
   */
  async activate(wanted: VersionNumber): Promise<SwapReport | undefined> {
    const { live, store } = this.#options;
    const { model, version } = wanted;
    if (this.isActive(wanted)) return undefined;
    const stored = await store.versions.get(model, version).catch(async (error: unknown) => {
      await live.reportUnreadable(model, String(version), error);
      throw error;
    });
    await live.load(this.#source(stored));
    const swap = live.activate(model, String(version));
    await swap.drained;
    return swap.report();
  }

  /** Notes that it cannot be told which version of a model should answer. */
  reportLost(model: string, error: unknown): Promise<void> {
    return this.#options.live.reportUnreadable(model, UNKNOWN_VERSION, error);
  }

  #statusOf(model: string) {
    return this.#options.live.list().find(({ name }) => name === model);
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
}
