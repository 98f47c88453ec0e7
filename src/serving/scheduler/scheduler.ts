import { AlbertError } from "../../errors.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { Clock } from "../../platform/waiting/clock.ts";
import { abortError, deadlinePassed, draining, quarantined, versionClosed } from "../errors.ts";
import { Admission, type AdmissionLimits } from "./admission.ts";
import { BatchRunner } from "./batch-runner.ts";
import { InFlightBatches } from "./in-flight-batches.ts";
import { ModelQueue, type ModelQueueOptions } from "./model-queue.ts";
import { predictWaitMs } from "./predict-wait.ts";
import type { Quarantine } from "./quarantine.ts";
import { queueDepths } from "./queue-depths.ts";
import { QueuedRequest } from "./queued-request.ts";
import type { Prediction, Priority, Work, WorkResult } from "./work.ts";

// Decides what every device computes next. It does not tokenise, knows no model names, and runs nothing itself.

/** How the scheduler behaves; see `docs/configuration.md`, group serving. */
export interface SchedulerLimits extends AdmissionLimits {
  readonly lookahead: number;
  /** Waiting time after which a request goes before newer ones, whatever their deadlines. */
  readonly agingMs: number;
}

export interface SchedulerOptions {
  readonly clock: Clock;
  readonly limits: SchedulerLimits;
  readonly metrics: Pick<Metrics, "queue" | "batches">;
  readonly quarantine: Quarantine;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Requests of priority `batch` age this many times slower. */
const BATCH_AGING = 8;

/**
 * Bounded by requests, tokens and predicted time (`Admission`); what exceeds a bound is refused, never kept waiting.
 * Ordered, within a model, by due time: the deadline, or the end of the aging time where that is earlier, so that no request
 * is overtaken forever. Between models the one that has had least device time goes first. A device is never idle while
 * something waits for it, and nothing waits on purpose. Cancelled and expired work leaves the queue at once and never
 * reaches a device; if it has, its outputs are dropped. Closing a queue answers everything that is in it.
 *
 * Every accepted piece of work ends exactly once: with its outputs or with one AlbertError.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #admission: Admission;
  readonly #queues = new Set<ModelQueue>();
  readonly #inFlight: InFlightBatches;
  readonly #runner: BatchRunner;
  /** Device time of the model that was served last: where a model that was idle starts to count. */
  #virtualMs = 0;
  #dispatchPlanned = false;
  #draining = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#inFlight = new InFlightBatches(options.clock);
    this.#runner = new BatchRunner(options);
    this.#admission = new Admission(options.limits, options.random);
    options.metrics.queue.observe(() => queueDepths(this.#queues, options.clock.now()));
    options.metrics.batches.observeQuarantine(() => options.quarantine.size);
  }

  /** Opens a queue for an engine. The scheduler does not own the engine: close the queue first, then the engine. */
  open(options: ModelQueueOptions): ModelQueue {
    const queue = new ModelQueue(options, this.#virtualMs);
    this.#queues.add(queue);
    return queue;
  }

  /**
   * Takes a place for one request before anything is done for it. The returned function gives the place back when the
   * request has been answered.
   *
   * @param deadline  moment on the clock
   * @param beforeMs  predicted wait until its text is cut, before it waits for a device
   * @throws AlbertError overloaded QUEUE_FULL, DEADLINE_UNREACHABLE; unavailable DRAINING
   */
  enter(queue: ModelQueue, priority: Priority, deadline: number, beforeMs = 0): () => void {
    return this.#countRefusals(priority, () => {
      if (this.#draining) throw draining();
      const now = this.#options.clock.now();
      if (deadline <= now) throw deadlinePassed("receive");
      const waitMs = beforeMs + this.#waitMs(queue, this.#due(now, priority, deadline));
      return this.#admission.enter(waitMs, deadline - now);
    });
  }

  /**
   * Computes sequences on a queue's engine, together with those of other callers.
   *
   * @throws AlbertError as in the error table: overloaded, deadline, cancelled, precondition (QUARANTINED), backend
   *   (POISON), unavailable (WORKER_LOST, NO_VERSION, DRAINING)
   */
  async submit(queue: ModelQueue, work: Work): Promise<WorkResult> {
    const request = this.#countRefusals(work.priority, () => this.#accept(queue, work));
    const { clock, metrics } = this.#options;
    const onAbort = () => queue.fail(request, "cancelled", abortError(work.signal, request.stage));
    const stopTimer = clock.after(work.deadline - clock.now(), () =>
      queue.fail(request, "deadline", deadlinePassed(request.stage)),
    );
    work.signal?.addEventListener("abort", onAbort, { once: true });
    queue.add(request, this.#virtualMs);
    this.#planDispatch();
    try {
      const result = await request.result;
      metrics.queue.waited(work.priority, result.timing.queueMs / 1000);
      return result;
    } finally {
      stopTimer();
      work.signal?.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Lets in work that will be submitted in parts, `admitted` each: only two of its parts wait at a time, so its size counts
   * for its deadline alone.
   *
   * @param lengths  of all its sequences, in tokens
   * @throws AlbertError as `submit`
   */
  admit(
    queue: ModelQueue,
    lengths: readonly number[],
    { priority, deadline, signal }: Omit<Work, "sequences">,
  ): Prediction {
    return this.#countRefusals(priority, () => {
      const now = this.#options.clock.now();
      if (!queue.accepting) throw versionClosed();
      if (signal?.aborted) throw abortError(signal, "tokenize");
      if (deadline <= now) throw deadlinePassed("tokenize");
      const due = this.#due(now, priority, deadline);
      const waitMs = this.#waitMs(queue, due);
      const runMs = queue.predictMs(lengths);
      this.#admission.check({ tokens: 0, runMs, remainingMs: deadline - now, queuedTokens: 0, waitMs });
      return { waitMs, runMs, position: queue.positionOf(due) };
    });
  }

  /** Predicted milliseconds that interactive work arriving now would wait in the busiest queue; 0 when idle. */
  predictedWaitMs(): number {
    const due = this.#due(this.#options.clock.now(), "interactive", Number.POSITIVE_INFINITY);
    const foreground = [...this.#queues].filter((queue) => !queue.background);
    return Math.max(0, ...foreground.map((queue) => this.#waitMs(queue, due)));
  }

  /** Whether any foreground work waits or runs. */
  get busy(): boolean {
    return [...this.#queues].some((queue) => !queue.background && queue.unfinished.size > 0);
  }

  /** Requests that hold a place. */
  get requests(): number {
    return this.#admission.requests;
  }

  /**
   * Closes a queue: it takes nothing new, and what is in it may still finish for `timeoutMs`; the rest is answered with
   * unavailable NO_VERSION. Resolves, when the queue is empty, with the number of requests that were answered that way.
   */
  async close(queue: ModelQueue, timeoutMs: number): Promise<number> {
    queue.stopAccepting();
    let failed = 0;
    const stop = this.#options.clock.after(timeoutMs, () => {
      this.#queues.delete(queue); // so that no further part of a long request comes in
      for (const request of [...queue.unfinished]) {
        queue.fail(request, "failed", versionClosed());
        failed++;
      }
    });
    // Requests that are computed in parts bring the next one while it waits.
    while (queue.unfinished.size > 0) {
      await Promise.allSettled([...queue.unfinished].map((request) => request.result));
    }
    stop();
    this.#queues.delete(queue);
    return failed;
  }

  /** Whether everything new is refused. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Refuses everything new from now on; what was accepted is still computed. */
  drain(): void {
    this.#draining = true;
  }

  #accept(queue: ModelQueue, work: Work): QueuedRequest {
    const { clock, quarantine } = this.#options;
    const { sequences, priority, deadline, signal, admitted = false } = work;
    if (!(admitted ? this.#queues.has(queue) : queue.accepting)) throw versionClosed();
    const now = clock.now();
    if (signal?.aborted) throw abortError(signal, admitted ? "run" : "tokenize");
    if (deadline <= now) throw deadlinePassed(admitted ? "run" : "tokenize");
    for (const input of sequences) {
      const remainingMs = quarantine.remainingMs(queue.options.digest, input);
      if (remainingMs !== undefined) throw quarantined(remainingMs);
    }
    const due = this.#due(now, priority, deadline);
    const lengths = sequences.map(({ inputIds }) => inputIds.length);
    const waitMs = this.#waitMs(queue, due);
    const runMs = queue.predictMs(lengths);
    let tokens = 0;
    for (const length of lengths) tokens += length;
    let queuedTokens = 0;
    for (const other of this.#queues) queuedTokens += other.tokens;
    if (!admitted) this.#admission.check({ tokens, runMs, remainingMs: deadline - now, queuedTokens, waitMs });
    return new QueuedRequest(work, { arrivedAt: now, due }, { waitMs, runMs, position: queue.positionOf(due) });
  }

  #countRefusals<T>(priority: Priority, admit: () => T): T {
    try {
      return admit();
    } catch (error) {
      if (error instanceof AlbertError && error.code === "overloaded") {
        this.#options.metrics.queue.shed(error.reason, priority);
      }
      throw error;
    }
  }

  #due(now: number, priority: Priority, deadline: number): number {
    return Math.min(deadline, now + this.#options.limits.agingMs * (priority === "batch" ? BATCH_AGING : 1));
  }

  #waitMs(queue: ModelQueue, due: number): number {
    return predictWaitMs(queue, due, this.#queues, this.#inFlight.remainingMs(queue.options.engine.device));
  }

  #planDispatch(): void {
    if (this.#dispatchPlanned) return;
    this.#dispatchPlanned = true;
    this.#options.clock.soon(() => {
      this.#dispatchPlanned = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (let queue = this.#nextQueue(); queue !== undefined; queue = this.#nextQueue()) {
      // Timers may be late; a request whose moment has passed must not run all the same.
      for (const request of queue.expired(this.#options.clock.now())) {
        queue.fail(request, "deadline", deadlinePassed("queue"));
      }
      if (queue.size > 0) void this.#runBatch(queue);
    }
  }

  /** The queue to serve next: one with work and a free device; foreground first, then the least served. */
  #nextQueue(): ModelQueue | undefined {
    let best: ModelQueue | undefined;
    for (const queue of this.#queues) {
      if (queue.size === 0 || !this.#inFlight.hasRoom(queue.options.engine.device)) continue;
      if (best === undefined || queue.goesBefore(best)) best = queue;
    }
    return best;
  }

  async #runBatch(queue: ModelQueue): Promise<void> {
    if (!queue.background) this.#virtualMs = Math.max(this.#virtualMs, queue.virtualMs);
    const { sequences, predictedMs, cause } = queue.takeBatch(this.#options.limits.lookahead);
    this.#options.metrics.batches.closed(cause);
    const done = this.#inFlight.begin(queue.options.engine.device, predictedMs);
    await this.#runner.run(queue, sequences, predictedMs);
    done();
    this.#dispatch();
  }
}
