import type { Worker } from "node:worker_threads";
import { AlbertError, spreadRetry } from "../../errors.ts";
import { endThread, spawnWorker } from "../../platform/threads/worker.ts";
import type { Cancellation } from "../../platform/waiting/cancellation.ts";
import type { HostTensors } from "./ort.ts";
import { buffersOf, type WorkerReply, type WorkerRequest, type WorkerTask } from "./thread-messages.ts";

// The main thread's side of a session's thread: a queue of batches, and the replacement of a thread that died or
// stalled.

/** One batch for a session worker. */
export interface SessionBatch {
  /** Makes the feeds; called when the worker has room, and again if the batch has to be sent to another worker. */
  pack(): readonly HostTensors[];
  /** A worker that has not answered this long after beginning the batch is given up. */
  readonly stallMs: number;
  /** Aborting takes the batch out of the queue; a batch that was already sent runs to its end. */
  readonly signal?: Cancellation;
}

/** What a worker answers for one batch. */
export type SessionResult = Omit<Extract<WorkerReply, { kind: "done" }>, "kind" | "id">;

export interface SessionHostOptions {
  readonly task: WorkerTask;
  /** Starts the worker's thread. Default: `session-thread.ts` of this directory. */
  readonly spawn?: (task: WorkerTask) => Worker;
  /** Called when a worker was lost, with the machine reason; for logs and metrics. */
  readonly onLost?: (reason: LostReason) => void;
  /** First pause before a lost worker is replaced; it doubles with each failure up to `MAX_BACKOFF_MS`. */
  readonly backoffMs?: number;
}

export type LostReason = "WORKER_LOST" | "WORKER_STALLED";

/** Batches handed to the worker at once: one runs, the next is already there when it ends. */
const IN_FLIGHT = 2;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;

interface Pending {
  readonly id: number;
  readonly batch: SessionBatch;
  readonly resolve: (result: SessionResult) => void;
  readonly reject: (error: AlbertError) => void;
  readonly onAbort: () => void;
  state: "queued" | "sent" | "begun";
  /** Whether the batch was already moved from a lost worker to its successor. */
  moved: boolean;
  watchdog: NodeJS.Timeout | undefined;
}

type State =
  | { readonly kind: "starting"; readonly worker: Worker }
  | { readonly kind: "ready"; readonly worker: Worker }
  | { readonly kind: "waiting"; readonly timer: NodeJS.Timeout }
  | { readonly kind: "closing"; readonly worker: Worker | undefined; readonly done: () => void }
  | { readonly kind: "closed" };

/**
 * The main thread's side of one session worker: a first-in-first-out queue of batches, of which two are with the worker.
 * Every batch is answered exactly once, whatever happens to the worker: when it dies, the batch that had begun fails with
 * WORKER_LOST, those that had not are sent to its successor once, and all fail if no successor can be started. The queue
 * itself is unbounded; admission bounds it. `close` answers what is queued before the worker ends.
 */
export class SessionHost {
  readonly #options: SessionHostOptions;
  readonly #queue: Pending[] = [];
  readonly #inFlight = new Map<number, Pending>();
  #state: State = { kind: "closed" };
  #nextId = 1;
  #failures = 0;
  #firstStart: { resolve: () => void; reject: (error: AlbertError) => void } | undefined;

  private constructor(options: SessionHostOptions) {
    this.#options = options;
  }

  /** Starts the worker and waits until its session exists. @throws AlbertError backend when the runtime refuses the model */
  static async start(options: SessionHostOptions): Promise<SessionHost> {
    const host = new SessionHost(options);
    await new Promise<void>((resolve, reject) => {
      host.#firstStart = { resolve, reject };
      host.#spawn();
    });
    return host;
  }

  /** Batches that wait for the worker or are with it. */
  get depth(): number {
    return this.#queue.length + this.#inFlight.size;
  }

  /** @throws AlbertError unavailable (WORKER_LOST, WORKER_STALLED, ENGINE_CLOSED), cancelled, or backend (BATCH_FAILED) */
  run(batch: SessionBatch): Promise<SessionResult> {
    return new Promise((resolve, reject) => {
      if (this.#state.kind === "closing" || this.#state.kind === "closed") {
        reject(new AlbertError("unavailable", "this model version has been unloaded", { reason: "ENGINE_CLOSED" }));
        return;
      }
      const pending: Pending = {
        id: this.#nextId++,
        batch,
        resolve,
        reject,
        onAbort: () => this.#withdraw(pending),
        state: "queued",
        moved: false,
        watchdog: undefined,
      };
      if (batch.signal?.aborted) {
        reject(cancelled());
        return;
      }
      batch.signal?.addEventListener("abort", pending.onAbort, { once: true });
      this.#queue.push(pending);
      this.#send();
    });
  }

  /** Answers everything that was handed over, then ends the worker. */
  async close(): Promise<void> {
    if (this.#state.kind === "closed") return;
    const state = this.#state;
    await new Promise<void>((done) => {
      if (state.kind === "closing") {
        const both = () => {
          state.done();
          done();
        };
        this.#state = { ...state, done: both };
        return;
      }
      if (state.kind === "waiting") clearTimeout(state.timer);
      this.#state = { kind: "closing", worker: state.kind === "waiting" ? undefined : state.worker, done };
      if (state.kind !== "ready") this.#failAll(lost("WORKER_LOST"));
      this.#finishClosing();
    });
  }

  #spawn(): void {
    const spawn = this.#options.spawn ?? spawnSessionWorker;
    const worker = spawn(this.#options.task);
    this.#state = { kind: "starting", worker };
    worker.on("message", (reply: WorkerReply) => {
      if (this.#owns(worker)) this.#receive(worker, reply);
    });
    // An uncaught error is followed by "exit", which settles everything.
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", () => {
      if (this.#owns(worker)) this.#lose("WORKER_LOST", cause);
    });
  }

  #owns(worker: Worker): boolean {
    return "worker" in this.#state && this.#state.worker === worker;
  }

  #receive(worker: Worker, reply: WorkerReply): void {
    switch (reply.kind) {
      case "ready":
        if (this.#state.kind === "starting") this.#state = { kind: "ready", worker };
        this.#firstStart?.resolve();
        this.#firstStart = undefined;
        this.#send();
        break;
      case "refused":
        this.#firstStart?.reject(new AlbertError("backend", reply.message, { reason: "RUNTIME_REFUSED" }));
        if (this.#firstStart !== undefined) this.#state = { kind: "closed" };
        break;
      case "begun":
        this.#begin(reply.id);
        break;
      case "done": {
        this.#failures = 0;
        const { kind: _, id, ...result } = reply;
        this.#take(id)?.resolve(result);
        this.#send();
        break;
      }
      case "failed":
        this.#take(reply.id)?.reject(new AlbertError("backend", reply.message, { reason: "BATCH_FAILED" }));
        this.#send();
        break;
    }
    this.#finishClosing();
  }

  #begin(id: number): void {
    const pending = this.#inFlight.get(id);
    if (pending === undefined) return;
    pending.state = "begun";
    pending.watchdog = setTimeout(() => this.#lose("WORKER_STALLED"), pending.batch.stallMs);
    pending.watchdog.unref();
  }

  #take(id: number): Pending | undefined {
    const pending = this.#inFlight.get(id);
    this.#inFlight.delete(id);
    if (pending !== undefined) settle(pending);
    return pending;
  }

  #send(): void {
    if (!("worker" in this.#state) || this.#state.worker === undefined || this.#state.kind === "starting") return;
    while (this.#inFlight.size < IN_FLIGHT) {
      const pending = this.#queue.shift();
      if (pending === undefined) return;
      const feeds = pending.batch.pack();
      pending.state = "sent";
      this.#inFlight.set(pending.id, pending);
      const request: WorkerRequest = { kind: "run", id: pending.id, feeds };
      this.#state.worker.postMessage(request, buffersOf(feeds));
    }
  }

  /** The worker is gone, or is treated as if it were. */
  #lose(reason: LostReason, cause?: unknown): void {
    if (!("worker" in this.#state) || this.#state.worker === undefined) return;
    const { worker, kind } = this.#state;
    // A stalled thread ends when its native call returns, if ever; what it still says is not heard, as it is no longer owned.
    worker.unref();
    void endThread(worker);
    this.#options.onLost?.(reason);
    const error = lost(reason, cause);
    if (this.#firstStart !== undefined) {
      this.#firstStart.reject(error);
      this.#firstStart = undefined;
      this.#state = { kind: "closed" };
      return;
    }
    const flying = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const pending of flying.reverse()) {
      if (pending.state === "sent" && !pending.moved && kind !== "closing") {
        pending.state = "queued";
        pending.moved = true;
        this.#queue.unshift(pending);
      } else {
        settle(pending);
        pending.reject(error);
      }
    }
    if (kind === "closing") {
      this.#state = { ...this.#state, worker: undefined };
      this.#failAll(error);
      this.#finishClosing();
      return;
    }
    // A successor that could not even start fails its queue too: there is no second try.
    if (kind === "starting") this.#failAll(error);
    const pause = Math.min(MAX_BACKOFF_MS, (this.#options.backoffMs ?? FIRST_BACKOFF_MS) * 2 ** this.#failures);
    this.#failures += 1;
    this.#state = { kind: "waiting", timer: setTimeout(() => this.#spawn(), pause) };
  }

  #withdraw(pending: Pending): void {
    const index = this.#queue.indexOf(pending);
    if (index < 0) return;
    this.#queue.splice(index, 1);
    settle(pending);
    pending.reject(cancelled());
    this.#finishClosing();
  }

  #failAll(error: AlbertError): void {
    for (const pending of this.#queue.splice(0)) {
      settle(pending);
      pending.reject(error);
    }
  }

  #finishClosing(): void {
    if (this.#state.kind !== "closing" || this.depth > 0) return;
    const { worker, done } = this.#state;
    this.#state = { kind: "closed" };
    if (worker === undefined) {
      done();
      return;
    }
    worker.on("exit", done);
    const request: WorkerRequest = { kind: "close" };
    worker.postMessage(request);
  }
}

/** Starts a thread that serves one session. */
function spawnSessionWorker(task: WorkerTask): Worker {
  return spawnWorker(new URL("./session-thread", import.meta.url), import.meta.url, { workerData: task });
}

function settle(pending: Pending): void {
  clearTimeout(pending.watchdog);
  pending.batch.signal?.removeEventListener("abort", pending.onAbort);
}

function lost(reason: LostReason, cause?: unknown): AlbertError {
  const what = reason === "WORKER_LOST" ? "ended unexpectedly" : "stopped answering";
  return new AlbertError(
    "unavailable",
    `the thread that computes this model ${what}; it is being replaced, try again`,
    {
      reason,
      retryAfterMs: spreadRetry(1000),
      cause,
    },
  );
}

function cancelled(): AlbertError {
  return new AlbertError("cancelled", "the batch was withdrawn before it began", { reason: "BATCH_CANCELLED" });
}
