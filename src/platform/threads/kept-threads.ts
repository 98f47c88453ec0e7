import { parentPort } from "node:worker_threads";
import { inThread, SMALL_HEAP, type ThreadHost } from "./hosted-thread.ts";
import { errorFrom, refusal, type ThreadReply } from "./worker-rpc.ts";

// Threads that answer one request after another: for a module that takes longer to load than one request takes.

/** How long a thread that has answered waits for the next request: no longer, for until it ends it holds the memory of its last work. */
const IDLE_MS = 100;

/** A thread between two answers, or at work on one. */
interface KeptThread<Request, Result> {
  /** One request at a time. */
  ask(request: Request): Promise<ThreadReply<Result>>;
  end(): void;
}

/**
 * Calls a module on threads of its own, as `callThread` does, but a thread that has answered may be given the next request.
 * As many run as there are calls at once. One that failed is not used again, and one for which no other request comes at once ends.
 */
export class KeptThreads<Request, Result> {
  readonly #entry: URL;
  readonly #caller: string;
  readonly #host: ThreadHost;
  readonly #idleMs: number;
  readonly #idle = new Map<KeptThread<Request, Result>, NodeJS.Timeout>();
  #closed = false;

  /**
   * @param entry  URL of the module without its extension, as for `spawnWorker`; it must call `answerCalls`
   * @param caller the caller's `import.meta.url`
   * @param host   where the threads run, and the memory that each may use; default: here, with a small heap
   */
  constructor(entry: URL, caller: string, host: ThreadHost = inThread(SMALL_HEAP), idleMs: number = IDLE_MS) {
    this.#entry = entry;
    this.#caller = caller;
    this.#host = host;
    this.#idleMs = idleMs;
  }

  /**
   * @param request anything that can be cloned
   * @throws AlbertError as the module throws it; too-large (WORK_TOO_LARGE) when it needed more memory than it may use;
   *   backend (THREAD_LOST) when the thread died
   */
  async call(request: Request): Promise<Result> {
    const thread = this.#take();
    const reply = await thread.ask(request);
    // What a bug left behind is not known.
    if (reply.kind === "bug" || this.#closed) thread.end();
    else this.#keep(thread);
    if (reply.kind === "result") return reply.result;
    throw errorFrom(reply);
  }

  /** Ends the threads that wait; those at work end when they have answered. */
  close(): void {
    this.#closed = true;
    for (const thread of [...this.#idle.keys()]) this.#drop(thread);
  }

  #take(): KeptThread<Request, Result> {
    const [waiting] = this.#idle.keys();
    if (waiting === undefined) return this.#start();
    clearTimeout(this.#idle.get(waiting));
    this.#idle.delete(waiting);
    return waiting;
  }

  #keep(thread: KeptThread<Request, Result>): void {
    this.#idle.set(thread, setTimeout(() => this.#drop(thread), this.#idleMs).unref());
  }

  #drop(thread: KeptThread<Request, Result>): void {
    clearTimeout(this.#idle.get(thread));
    this.#idle.delete(thread);
    thread.end();
  }

  #start(): KeptThread<Request, Result> {
    let answer: ((reply: ThreadReply<Result>) => void) | undefined;
    const thread = this.#host({
      entry: this.#entry,
      caller: this.#caller,
      request: undefined,
      onMessage: (message) => answer?.(message as ThreadReply<Result>), // `answerCalls` sends nothing else
    });
    const kept: KeptThread<Request, Result> = {
      ask: async (request) => {
        const answered = new Promise<ThreadReply<Result>>((resolve) => {
          answer = resolve;
        });
        thread.post(request);
        // All messages come before the end.
        const reply = await Promise.race([answered, thread.ended]);
        if (reply.kind === "result" || reply.kind === "refused" || reply.kind === "bug") return reply;
        throw errorFrom(reply);
      },
      end: () => thread.end(),
    };
    void thread.ended.then(() => this.#drop(kept));
    return kept;
  }
}

/** Answers the requests of {@link KeptThreads}; does nothing on the main thread, where tests import such modules. */
export function answerCalls<Request, Result>(answer: (request: Request) => Promise<Result>): void {
  const port = parentPort;
  // The next request comes after the answer to this one.
  port?.on("message", async (request: Request) => {
    try {
      port.postMessage({ kind: "result", result: await answer(request) } satisfies ThreadReply<Result>);
    } catch (error) {
      port.postMessage(refusal(error));
    }
  });
}
