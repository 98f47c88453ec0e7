import type { ModelDescription } from "../../model/directory/model-directory.ts";
import { loadFittingTokenizer, type OpenOptions, requireFitting } from "../../model/directory/open-model-directory.ts";
import { KeptThreads } from "../../platform/threads/kept-threads.ts";
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
  /** What the model is prepared for. */
  readonly target: EngineTarget;
  /** Whether the thread is to yield to those that serve, from now on. */
  readonly background: boolean;
}

/** A model without its weights and its tokenizer, which is code and cannot cross threads. */
export interface ReadModel {
  readonly description: Omit<ModelDescription, "tokenizer">;
  readonly prepared: PreparedModel;
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
  /** By digest, as long as some version uses it. */
  readonly #tokenizers = new Map<string, WeakRef<Tokenizer>>();

  /** @param isServing whether requests are being answered meanwhile, to which reading has to yield; default: they are */
  constructor(isServing: () => boolean = () => true) {
    this.#isServing = isServing;
  }

  /**
   * As `openModelDirectory`, but for the weights: those are in files from which engines are opened.
   *
   * @throws AlbertError as `openModelDirectory` and `prepareModel` do; backend THREAD_LOST when the thread died
   */
  async prepare(path: string, target: EngineTarget, options: OpenOptions = {}): Promise<ServableModel> {
    const request: ReadRequest = { path, target, options, background: this.#isServing() };
    const { description, prepared } = await this.#threads.call(request);
    const remove = () => removeModelFiles(prepared);
    try {
      return { ...description, ...prepared, tokenizer: this.#tokenizer(description), remove };
    } catch (error) {
      await remove();
      throw error;
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
