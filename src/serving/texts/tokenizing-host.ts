import type { Worker } from "node:worker_threads";
import { AlbertError } from "../../errors.ts";
import type { Vocabulary } from "../../model/directory/vocabulary.ts";
import { type HeapLimit, isHeapExhausted, resourceLimits, SMALL_HEAP } from "../../platform/threads/hosted-thread.ts";
import { endThread, spawnWorker } from "../../platform/threads/worker.ts";
import { workTooLarge } from "../../platform/threads/worker-rpc.ts";
import type { Cancellation } from "../../platform/waiting/cancellation.ts";
import { unpackText } from "../../tokenizer/packed-text.ts";
import type { TokenizedText, Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { TokenizingReply, TokenizingRequest } from "./tokenizing-thread.ts";

// The main thread's side of the thread that tokenizes long texts.

/** A tokenizer with the vocabulary that a thread can make it from again. */
export interface VocabularyTokenizer {
  readonly tokenizer: Tokenizer;
  readonly vocabulary: Vocabulary;
}

interface Job {
  readonly text: string;
  readonly by: VocabularyTokenizer;
  readonly signal: Cancellation | undefined;
  readonly resolve: (text: TokenizedText) => void;
  readonly reject: (error: unknown) => void;
}

/** Tokenizers that the thread may hold; with one more it starts afresh. */
const MAX_TOKENIZERS = 8;

/**
 * The main thread's side of the thread that tokenizes: one text at a time, first come, first served. The thread begins with
 * the first text, keeps no process alive, and is replaced by another when it dies.
 */
export class TokenizingHost {
  readonly #jobs: Job[] = [];
  #current: Job | undefined;
  #worker: Worker | undefined;
  /** Digests of the tokenizers that the thread has. */
  readonly #known = new Set<string>();
  #closed = false;
  readonly #heap: HeapLimit;

  constructor(heap: HeapLimit = SMALL_HEAP) {
    this.#heap = heap;
  }

  /**
   * What the tokenizer makes of a text.
   *
   * @throws AlbertError too-large (WORK_TOO_LARGE) when the text needs more than the thread's heap; backend (THREAD_LOST) when the thread
   *   died over it; the signal's reason
   */
  tokenize(text: string, by: VocabularyTokenizer, signal?: Cancellation): Promise<TokenizedText> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ text, by, signal, resolve, reject });
      this.#next();
    });
  }

  /** Ends the thread; what it has not answered fails. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#worker !== undefined) await endThread(this.#worker);
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const job = this.#jobs.shift();
    if (job === undefined) {
      this.#worker?.unref();
      return;
    }
    if (job.signal?.aborted || this.#closed) {
      job.reject(job.signal?.aborted ? job.signal.reason : threadLost(undefined));
      this.#next();
      return;
    }
    this.#current = job;
    const { tokenizer, vocabulary } = job.by;
    const { digest } = tokenizer;
    if (this.#known.size >= MAX_TOKENIZERS && !this.#known.has(digest)) this.#replace();
    const known = this.#known.has(digest);
    const worker = this.#worker ?? this.#spawn();
    this.#known.add(digest);
    const request: TokenizingRequest = { text: job.text, digest, ...(known ? {} : { vocabulary }) };
    worker.ref();
    worker.postMessage(request);
  }

  #spawn(): Worker {
    const worker = spawnWorker(new URL("./tokenizing-thread", import.meta.url), import.meta.url, {
      resourceLimits: resourceLimits(this.#heap),
    });
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("message", (reply: TokenizingReply) => {
      const job = this.#take(worker);
      if (job === undefined) return;
      if ("packed" in reply) job.resolve(unpackText(reply.packed, job.by.tokenizer));
      else {
        this.#known.delete(job.by.tokenizer.digest);
        job.reject(reply.failure);
      }
      this.#next();
    });
    worker.on("exit", () => {
      const job = this.#take(worker);
      if (this.#worker === worker) this.#forget();
      job?.reject(threadLost(cause));
      this.#next();
    });
    this.#worker = worker;
    return worker;
  }

  /** What the thread is at, if it is the present one. */
  #take(worker: Worker): Job | undefined {
    if (this.#worker !== worker) return undefined;
    const job = this.#current;
    this.#current = undefined;
    return job;
  }

  #replace(): void {
    const worker = this.#worker;
    this.#forget();
    if (worker !== undefined) void endThread(worker);
  }

  #forget(): void {
    this.#worker = undefined;
    this.#known.clear();
  }
}

function threadLost(cause: unknown): AlbertError {
  if (isHeapExhausted(cause))
    return workTooLarge("this text needs more memory to be cut into tokens than one may take; send it in parts");
  const message = "the thread that cuts long texts into tokens ended over this one; call again";
  return new AlbertError("backend", message, { reason: "THREAD_LOST", cause });
}
