import { AlbertError } from "../../errors.ts";
import { type HostedThread, inThread, SMALL_HEAP } from "../../platform/threads/hosted-thread.ts";
import { errorOf } from "../../platform/threads/plain-error.ts";
import type { FoundPassage, IndexSummary } from "../index/search-index.ts";
import type { FromIndexThread, IndexThreadRequest, ToIndexThread } from "./index-thread.ts";

// The main thread's side of an index that was opened on a thread of its own, so that neither reading nor searching holds it.

/** What a search found, and how long it took by itself. */
interface Found {
  /** Nearest first. */
  readonly passages: readonly FoundPassage[];
  readonly ms: number;
}

interface Waiting {
  readonly resolve: (found: Found) => void;
  readonly reject: (error: unknown) => void;
}

/** How much the latest search changes what the next is thought to take. */
const NEWS = 0.3;

export class OpenIndex {
  readonly summary: IndexSummary;
  /** Resolves when the thread has ended, whyever. */
  readonly ended: Promise<void>;
  readonly #thread: HostedThread;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #searchMs = 0;
  #closing = false;

  private constructor(thread: HostedThread, summary: IndexSummary) {
    this.#thread = thread;
    this.summary = summary;
    this.ended = thread.ended.then(() => this.#failWaiting());
  }

  /**
   * Reads and verifies a file on a new thread.
   *
   * @param signal  ends the reading
   * @throws AlbertError as `readIndexFile`; backend (THREAD_LOST) where the thread ended over it; what the system says of the file
   */
  static async open(path: string, signal: AbortSignal): Promise<OpenIndex> {
    signal.throwIfAborted();
    let hear = (_: FromIndexThread) => {};
    const first = new Promise<FromIndexThread>((resolve) => {
      hear = resolve;
    });
    const thread = inThread(SMALL_HEAP)({
      entry: new URL("./index-thread", import.meta.url),
      caller: import.meta.url,
      request: path satisfies IndexThreadRequest,
      onMessage: (message) => hear(message as FromIndexThread), // the thread says nothing else
    });
    const end = () => thread.end();
    signal.addEventListener("abort", end, { once: true });
    const said = await Promise.race([first, thread.ended]);
    signal.removeEventListener("abort", end);
    if (said.kind === "opened") {
      const opened = new OpenIndex(thread, said.summary);
      hear = (message) => opened.#hear(message);
      return opened;
    }
    thread.end();
    if (said.kind === "refused") throw new AlbertError(said.error.code, said.error.message, said.error);
    if (said.kind === "unreadable") throw errorOf(said.error);
    throw lost();
  }

  /** Predicted milliseconds until a search that came now would be over. */
  get predictedMs(): number {
    return (this.#waiting.size + 1) * this.#searchMs;
  }

  /** Searches that wait or are under way. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * The passages whose vectors are nearest to a question's; searches take their turns.
   *
   * @param vector  of length 1, by the index's encoder
   * @throws AlbertError backend (THREAD_LOST); the signal's reason
   */
  find(vector: Float32Array, count: number, signal: AbortSignal): Promise<Found> {
    const id = this.#nextId++;
    const drop = () => {
      this.#waiting.get(id)?.reject(signal.reason);
      this.#waiting.delete(id);
      this.#say({ kind: "drop", id });
      this.#endIfDone();
    };
    const found = new Promise<Found>((resolve, reject) => {
      signal.throwIfAborted();
      this.#waiting.set(id, { resolve, reject });
      this.#say({ kind: "find", id, vector, count });
      signal.addEventListener("abort", drop, { once: true });
    });
    return found.finally(() => signal.removeEventListener("abort", drop));
  }

  /** Ends the thread: when the searches that it was asked for are over, or `atOnce`, which fails them now (THREAD_LOST). */
  async close(atOnce = false): Promise<void> {
    this.#closing = true;
    if (atOnce) {
      this.#failWaiting(); // an answer that is already on its way must not decide what a caller hears
      this.#thread.end();
    } else this.#endIfDone();
    await this.ended;
  }

  #failWaiting(): void {
    for (const { reject } of this.#waiting.values()) reject(lost());
    this.#waiting.clear();
  }

  #say(message: ToIndexThread): void {
    this.#thread.post(message);
  }

  #hear(message: FromIndexThread): void {
    if (message.kind !== "found" && message.kind !== "failed") return;
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === "found") {
      const { passages, ms } = message;
      this.#searchMs += (this.#searchMs === 0 ? 1 : NEWS) * (ms - this.#searchMs);
      waiting?.resolve({ passages, ms });
    } else waiting?.reject(errorOf(message.error));
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#closing && this.#waiting.size === 0) this.#thread.end();
  }
}

function lost(): AlbertError {
  const message = "the thread that holds the index ended; call again";
  return new AlbertError("backend", message, { reason: "THREAD_LOST" });
}
