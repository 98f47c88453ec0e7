import { AlbertError } from "../errors.ts";
import type { Model } from "../model/model-directory.ts";
import { loadFittingTokenizer, type OpenOptions } from "../model/open-model-directory.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { spawnWorker } from "../worker-threads.ts";
import type { ReadReply, ReadRequest } from "./model-reader-worker.ts";

/**
 * Opens model directories on a thread of their own: hashing, reading and transposing the weights of ALBERT-base would keep
 * the main thread from answering for hundreds of milliseconds. Versions with the same vocabulary share one tokenizer.
 */
export class ModelReader {
  /** By digest, as long as some version uses it. */
  readonly #tokenizers = new Map<string, WeakRef<Tokenizer>>();

  /** As `openModelDirectory`. @throws AlbertError as that does; backend READER_LOST when the thread died */
  async open(path: string, options: OpenOptions = {}): Promise<Model> {
    const reply = await readOnThread({ path, options });
    switch (reply.kind) {
      case "model":
        return { ...reply.model, tokenizer: this.#tokenizer(reply) };
      case "refused":
        throw new AlbertError(reply.error.code, reply.error.message, reply.error);
      case "bug":
        throw reply.error;
    }
  }

  #tokenizer({ model, tokenizerDigest }: Extract<ReadReply, { kind: "model" }>): Tokenizer {
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

function readOnThread(workerData: ReadRequest): Promise<ReadReply> {
  return new Promise((resolve, reject) => {
    const worker = spawnWorker(new URL("./model-reader-worker", import.meta.url), import.meta.url, { workerData });
    const lost = (cause: unknown) =>
      reject(new AlbertError("backend", "the thread that read the model died", { reason: "READER_LOST", cause }));
    worker.once("message", resolve);
    worker.once("error", lost);
    // After a message this rejection changes nothing.
    worker.once("exit", lost);
  });
}
