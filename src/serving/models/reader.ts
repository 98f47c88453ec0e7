import { invariant } from "../../errors.ts";
import type { ModelDescription } from "../../model/directory/model-directory.ts";
import { loadFittingTokenizer, type OpenOptions, requireFitting } from "../../model/directory/open-model-directory.ts";
import { KeptThreads } from "../../platform/threads/kept-threads.ts";
import type { DeviceKind } from "../../runtime/engine.ts";
import type { DeviceTiming } from "../../runtime/profile/device-timing.ts";
import { removeModelFiles } from "../../runtime/session/model-files.ts";
import type { EngineTarget, PreparedModel } from "../../runtime/session/prepared-model.ts";
import { tokenizerDigest } from "../../tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

// Opens model directories for serving, on threads of their own (`reader-thread.ts`), so that no weight ever reaches the
// thread that answers requests.

/**
 * A model as the server holds it: all there is to know of it, and files of its graph and weights from which any number of
 * engines can be opened, one after the other or side by side.
 */
export interface ServableModel extends ModelDescription, PreparedModel {
  /** Deletes the files, when the last engine has been closed. */
  remove(): Promise<void>;
}

/** What the reading thread is asked. */
export interface ReadRequest {
  readonly path: string;
  readonly options: OpenOptions;
  /** What the model is prepared for; of several devices only the one that `chosen` has for its shape, where it has one. */
  readonly targets: readonly EngineTarget[];
  readonly chosen: ReadonlyMap<string, DeviceKind>;
  /** Whether the thread is to yield to those that serve, from now on. */
  readonly background: boolean;
}

/** A model without its weights and its tokenizer, which is code and cannot cross threads. */
export interface ReadModel {
  readonly description: Omit<ModelDescription, "tokenizer">;
  readonly prepared: readonly PreparedModel[];
}

/** What a server prepares its models for. */
export interface ServingTarget extends Pick<EngineTarget, "precision"> {
  /** Devices that may serve, the preferred one first. */
  readonly devices: readonly DeviceKind[];
}

/**
 * Opens model directories on threads of their own: hashing, reading, transposing and writing the weights of ALBERT-base
 * would keep the main thread from answering for hundreds of milliseconds, and so would collecting them as garbage there.
 * Versions with the same vocabulary share one tokenizer.
 */
export class ModelReader {
  readonly #threads = new KeptThreads<ReadRequest, ReadModel>(
    new URL("./reader-thread", import.meta.url),
    import.meta.url,
  );
  readonly #isServing: () => boolean;
  readonly #timing: DeviceTiming | undefined;
  /** By digest, as long as some version uses it. */
  readonly #tokenizers = new Map<string, WeakRef<Tokenizer>>();

  /**
   * @param isServing whether requests are being answered meanwhile, to which reading has to yield; default: they are
   * @param timing chooses among several devices; needed only where there are several
   */
  constructor(isServing: () => boolean = () => true, timing?: DeviceTiming) {
    this.#isServing = isServing;
    this.#timing = timing;
  }

  /**
   * As `openModelDirectory`, but for the weights: those are in files from which engines are opened. Of several devices the
   * model is for the one that runs it fastest, which is found by running it where no model of its shape was read before.
   *
   * @throws AlbertError as `openModelDirectory` and `prepareModel` do; backend THREAD_LOST when the thread died; as
   *   `DeviceTiming.choose` does
   */
  async prepare(
    path: string,
    { devices, precision }: ServingTarget,
    options: OpenOptions = {},
  ): Promise<ServableModel> {
    const { description, prepared } = await this.#threads.call({
      ...{ path, options, background: this.#isServing() },
      targets: devices.map((device) => ({ device, precision })),
      chosen: this.#timing?.chosen ?? new Map(),
    });
    let kept: PreparedModel | undefined;
    try {
      const tokenizer = this.#tokenizer(description);
      const device = prepared.length === 1 ? prepared[0]!.device : await this.#timing?.choose(prepared);
      const chosen = prepared.find((each) => each.device === device);
      invariant(chosen !== undefined, "several devices and nothing that chooses among them");
      kept = chosen;
      return { ...description, ...chosen, tokenizer, remove: () => removeModelFiles(chosen) };
    } finally {
      for (const each of prepared) if (each !== kept) await removeModelFiles(each);
    }
  }

  /** Ends the threads that wait for a model to read. */
  close(): void {
    this.#threads.close();
  }

  #tokenizer({ vocabulary, config }: ReadModel["description"]): Tokenizer {
    const known = this.#tokenizers.get(tokenizerDigest(vocabulary))?.deref();
    if (known !== undefined) return requireFitting(known, config);
    const tokenizer = loadFittingTokenizer(vocabulary, config);
    for (const [digest, reference] of this.#tokenizers) {
      if (reference.deref() === undefined) this.#tokenizers.delete(digest);
    }
    this.#tokenizers.set(tokenizer.digest, new WeakRef(tokenizer));
    return tokenizer;
  }
}
