import type { ServingConfig } from "../../config/settings.ts";
import { corrupt } from "../../errors.ts";
import type { SwapPhase } from "../../metrics/models.ts";
import type { Clock } from "../../platform/waiting/clock.ts";
import type { Engine } from "../../runtime/engine.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { LoadedVersion } from "./loaded-version.ts";
import { fits, type MemoryReading, outOfMemory } from "./memory.ts";
import type { ServableModel } from "./reader.ts";
import { compareWithDryRun, probeSequence, smokeTest } from "./smoke-test.ts";

// Loads a version into memory, phase by phase, and releases it again. It gives no version traffic.

/** Where a version comes from. */
export interface VersionSource {
  /** Name it will serve under. */
  readonly name: string;
  readonly version: string;
  /** Opens the model; must verify what it reads. The version owns what is opened. */
  readonly open: () => Promise<ServableModel>;
  /** The digest it must have, where the caller knows it. */
  readonly digest?: string;
}

export interface VersionLoaderOptions {
  readonly config: Pick<ServingConfig, "batchTokens" | "swapDrainMs" | "memoryHeadroom">;
  readonly scheduler: Scheduler;
  readonly openEngine: (model: ServableModel) => Promise<Engine>;
  /**
   * Builds an engine that yields to those that serve. With it, a version that is loaded while others serve is tried out
   * there, so that the others are hardly disturbed; absent: every check runs on the engine that will serve.
   */
  readonly openDryRunEngine?: (model: ServableModel) => Promise<Engine>;
  readonly clock: Clock;
  readonly memory: () => MemoryReading;
}

/** What surrounds the loading of a version. */
export interface LoadingConditions {
  /** Whether other versions serve meanwhile. */
  readonly othersServe: boolean;
  /** Releases what can be spared when memory is short. */
  readonly makeRoom: () => Promise<void>;
}

/** Called when a phase has ended, with its duration. */
export type PhaseListener = (phase: SwapPhase, seconds: number) => void;

/** Turns stored versions into ones that can answer, and releases all they hold when they are done. */
export class VersionLoader {
  readonly #options: VersionLoaderOptions;

  constructor(options: VersionLoaderOptions) {
    this.#options = options;
  }

  /** Reads and verifies one version. @throws AlbertError whatever opening the model throws */
  read(source: VersionSource, ended: PhaseListener): Promise<ServableModel> {
    return this.#timed("load", ended, () => source.open());
  }

  /**
   * Builds, warms and checks one version that was read. On failure nothing of it remains.
   *
   * @throws AlbertError corrupt DIGEST_MISMATCH; precondition MEMORY_INSUFFICIENT; backend SELF_CHECK_FAILED; whatever
   *   creating its engine throws
   */
  async start(
    source: VersionSource,
    model: ServableModel,
    ended: PhaseListener,
    conditions: LoadingConditions,
  ): Promise<LoadedVersion> {
    try {
      return await this.#start(source, model, ended, conditions);
    } catch (error) {
      await model.remove();
      throw error;
    }
  }

  async #start(
    source: VersionSource,
    model: ServableModel,
    ended: PhaseListener,
    { othersServe, makeRoom }: LoadingConditions,
  ): Promise<LoadedVersion> {
    const { config, scheduler, openEngine, openDryRunEngine } = this.#options;
    if (source.digest !== undefined && model.digest !== source.digest) {
      throw corrupt(`the model has digest ${model.digest}, expected ${source.digest}`, { reason: "DIGEST_MISMATCH" });
    }
    await this.#requireMemory(model.fileBytes, makeRoom);
    const dryRun =
      othersServe && openDryRunEngine !== undefined
        ? await this.#timed("rehearse", ended, async () => {
            const engine = await openDryRunEngine(model);
            const outcome = await checked(engine, () => smokeTest(model, engine));
            await engine.close();
            return outcome;
          })
        : undefined;
    const engine = await this.#timed("build", ended, () => openEngine(model));
    await this.#timed("check", ended, () =>
      checked<unknown>(engine, () =>
        dryRun === undefined ? smokeTest(model, engine) : compareWithDryRun(model, engine, dryRun),
      ),
    );
    const probe = probeSequence(model);
    const queue = scheduler.open({
      digest: model.digest,
      engine,
      batchTokens: config.batchTokens,
      probe: () => engine.run([probe]),
    });
    return new LoadedVersion(source.name, source.version, model, engine, queue);
  }

  /**
   * Ends a version: what is in its queue may finish for the drain time, then its session and memory go.
   *
   * @returns requests that had to be answered with an error
   */
  async release(version: LoadedVersion): Promise<number> {
    const failed = await this.#options.scheduler.close(version.queue, this.#options.config.swapDrainMs);
    await version.close();
    return failed;
  }

  async #requireMemory(bytes: number, makeRoom: () => Promise<void>): Promise<void> {
    const { config, memory } = this.#options;
    if (fits(bytes, memory(), config.memoryHeadroom)) return;
    await makeRoom();
    if (!fits(bytes, memory(), config.memoryHeadroom)) throw outOfMemory(bytes, memory());
  }

  async #timed<T>(phase: SwapPhase, ended: PhaseListener, work: () => Promise<T>): Promise<T> {
    const began = this.#options.clock.now();
    const result = await work();
    ended(phase, (this.#options.clock.now() - began) / 1000);
    return result;
  }
}

/** Checks an engine, and closes it when it fails; throws both errors when closing fails too. */
async function checked<T>(engine: Engine, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    try {
      await engine.close();
    } catch (closing) {
      throw new AggregateError([error, closing], "the version failed its check and its engine could not be closed");
    }
    throw error;
  }
}
