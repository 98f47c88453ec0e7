import type { Model } from "../model/model-directory.ts";
import { loadFittingTokenizer, type OpenOptions } from "../model/open-model-directory.ts";
import { callThread } from "../thread-calls.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { ReadModel, ReadRequest } from "./model-reader-worker.ts";

/**
 * Opens model directories on a thread of their own: hashing, reading and transposing the weights of ALBERT-base would keep
 * the main thread from answering for hundreds of milliseconds. Versions with the same vocabulary share one tokenizer.
 */
export class ModelReader {
  /** By digest, as long as some version uses it. */
  readonly #tokenizers = new Map<string, WeakRef<Tokenizer>>();

  /** As `openModelDirectory`. @throws AlbertError as that does; backend THREAD_LOST when the thread died */
  async open(path: string, options: OpenOptions = {}): Promise<Model> {
    const entry = new URL("./model-reader-worker", import.meta.url);
    const read = await callThread<ReadRequest, ReadModel>(entry, import.meta.url, { path, options });
    return { ...read.model, tokenizer: this.#tokenizer(read) };
  }

  #tokenizer({ model, tokenizerDigest }: ReadModel): Tokenizer {
    const known = this.#tokenizers.get(tokenizerDigest)?.deref();
    if (known !== undefined) return known;
    const tokenizer = loadFittingTokenizer(model.vocabulary, model.config);
    for (const [digest, reference] of this.#tokenizers) {
      if (reference.deref() === undefined) this.#tokenizers.delete(digest);
    }
    this.#tokenizers.set(tokenizer.digest, new WeakRef(tokenizer));
    return tokenizer;
  }
}
