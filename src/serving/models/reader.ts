import type { ModelDescription } from "../../model/directory/model-directory.ts";
import { loadFittingTokenizer, type OpenOptions, requireFitting } from "../../model/directory/open-model-directory.ts";
import { callThread } from "../../platform/threads/worker-rpc.ts";
import { removeModelFiles } from "../../runtime/session/model-files.ts";
import type { EngineTarget, PreparedModel } from "../../runtime/session/prepared-model.ts";
import { tokenizerDigest } from "../../tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

// Opens model directories for serving, on a thread of its own (`reader-thread.ts`), so that no weight ever reaches the
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
}

/** A model without its weights and its tokenizer, which is code and cannot cross threads. */
export interface ReadModel {
  readonly description: Omit<ModelDescription, "tokenizer">;
  readonly prepared: PreparedModel;
}

/**
 * Opens model directories on a thread of their own: hashing, reading, transposing and writing the weights of ALBERT-base
 * would keep the main thread from answering for hundreds of milliseconds, and so would collecting them as garbage there.
 * Versions with the same vocabulary share one tokenizer.
 */
export class ModelReader {
  /** By digest, as long as some version uses it. */
  readonly #tokenizers = new Map<string, WeakRef<Tokenizer>>();

  /**
   * As `openModelDirectory`, but for the weights: those are in files from which engines are opened.
   *
   * @throws AlbertError as `openModelDirectory` and `prepareModel` do; backend THREAD_LOST when the thread died
   */
  async prepare(path: string, target: EngineTarget, options: OpenOptions = {}): Promise<ServableModel> {
    const request: ReadRequest = { path, target, options };
    const entry = new URL("./reader-thread", import.meta.url);
    const read = await callThread<ReadRequest, ReadModel>(entry, import.meta.url, request);
    const { description, prepared } = read;
    const remove = () => removeModelFiles(prepared);
    try {
      return { ...description, ...prepared, tokenizer: this.#tokenizer(description), remove };
    } catch (error) {
      await remove();
      throw error;
    }
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
