import { AlbertError } from "../../errors.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { QueueDepth } from "../../metrics/queue.ts";
import type { BatchResult } from "../../runtime/engine.ts";
import type { Clock } from "../clock.ts";
import { abortError, deadlinePassed, draining, nonFinite, poisonous, quarantined, versionClosed } from "../errors.ts";
import { Admission, type AdmissionLimits } from "./admission.ts";
import { nextBatch } from "./batcher.ts";
import { bisect, workerLost } from "./bisect.ts";
import { InFlightBatches } from "./in-flight-batches.ts";
import { ModelQueue, type ModelQueueOptions } from "./model-queue.ts";
import { hashSequence, type Quarantine } from "./quarantine.ts";
import {
  byRequest,
  type Ending,
  type Priority,
  QueuedRequest,
  type QueuedSequence,
  type Work,
  type WorkResult,
} from "./queued-request.ts";

/** How the scheduler behaves; see `docs/configuration.md`, group serving. */
export interface SchedulerLimits extends AdmissionLimits {
  readonly lookahead: number;
  readonly patienceMs: number;
}

export interface SchedulerOptions {
  readonly clock: Clock;
  readonly limits: SchedulerLimits;
  readonly metrics: Pick<Metrics, "queue" | "batches">;
  readonly quarantine: Quarantine;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Work of priority `batch` is patient for this many times longer. */
const BATCH_PATIENCE = 8;

/** Device time that a sequence counts for at least. */
const LEAST_MS = 0.001;

const PRIORITIES: readonly Priority[] = ["interactive", "batch"];

/**
 * Decides what every device computes next.
 *
 * Bounded by requests, tokens and predicted time (`Admission`); what exceeds a bound is refused, never kept waiting.
 * Ordered, within a model, by due time: the deadline, or the end of the request's patience where that is earlier, so that
 * nobody is overtaken for ever. Between models the one that has had least device time goes first. A device is never idle
 * while something waits for it, and nothing waits on purpose. Cancelled and expired work leaves the queue at once and
 * never reaches a device; if it has, its outputs are dropped. Closing a lane answers everything that is in it.
 *
 * Every accepted piece of work ends exactly once: with its outputs or with one AlbertError.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #admission: Admission;
  readonly #lanes = new Set<ModelQueue>();
  readonly #flights: InFlightBatches;
  /** Device time of the lane that was served last: where a lane that was idle starts to count. */
  #virtualMs = 0;
  #dispatchPlanned = false;
  #closing = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#flights = new InFlightBatches(options.clock);
    this.#admission = new Admission(options.limits, options.random);
    options.metrics.queue.observe(() => this.depths());
    options.metrics.batches.observeQuarantine(() => options.quarantine.size);
  }

  /** Opens a lane for an engine. The scheduler does not own the engine: close the lane first, then the engine. */
  open(options: ModelQueueOptions): ModelQueue {
    const lane = new ModelQueue(options);
    lane.virtualMs = this.#virtualMs;
    this.#lanes.add(lane);
    return lane;
  }

  /**
   * Takes a place for one request before anything is done for it.
   *
   * @param deadline  moment on the clock
   * @returns gives the place back when the request has been answered
   * @throws AlbertError overloaded QUEUE_FULL, DEADLINE_UNREACHABLE; unavailable DRAINING
   */
  enter(lane: ModelQueue, priority: Priority, deadline: number): () => void {
    return this.#shedding(priority, () => {
      if (this.#closing) throw draining();
      const now = this.#options.clock.now();
      if (deadline <= now) throw deadlinePassed("receive");
      return this.#admission.enter(this.#waitMs(lane, this.#due(now, priority, deadline)), deadline - now);
    });
  }

  /**
   * Computes sequences on a lane's engine, together with those of other callers.
   *
   * @throws AlbertError as in the error table: overloaded, deadline, cancelled, precondition (QUARANTINED), backend
   *   (POISON), unavailable (WORKER_LOST, NO_VERSION, DRAINING)
   */
  async submit(lane: ModelQueue, work: Work): Promise<WorkResult> {
    const ticket = this.#shedding(work.priority, () => this.#accept(lane, work));
    const { clock, metrics } = this.#options;
    const onAbort = () => this.#end(lane, ticket, "cancelled", abortError(work.signal!, ticket.stage));
    const stopTimer = clock.after(work.deadline - clock.now(), () =>
      this.#end(lane, ticket, "deadline", deadlinePassed(ticket.stage)),
    );
    work.signal?.addEventListener("abort", onAbort, { once: true });
    lane.queue.add(ticket);
    lane.tickets.add(ticket);
    this.#planDispatch();
    try {
      const result = await ticket.result;
      metrics.queue.waited(work.priority, result.timing.queueMs / 1000);
      return result;
    } finally {
      stopTimer();
      work.signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Predicted milliseconds that interactive work arriving now would wait on the busiest lane; 0 when idle. */
  predictedWaitMs(): number {
    const due = this.#due(this.#options.clock.now(), "interactive", Number.POSITIVE_INFINITY);
    const foreground = [...this.#lanes].filter((lane) => !lane.background);
    return foreground.reduce((longest, lane) => Math.max(longest, this.#waitMs(lane, due)), 0);
  }

  /** Whether any foreground work waits or runs. */
  get busy(): boolean {
    return [...this.#lanes].some((lane) => !lane.background && lane.tickets.size > 0);
  }

  /** Requests that hold a place. */
  get requests(): number {
    return this.#admission.requests;
  }

  /** What waits, by priority. */
  depths(): Map<Priority, QueueDepth> {
    const now = this.#options.clock.now();
    return new Map(
      PRIORITIES.map((priority) => {
        const lanes = [...this.#lanes].map((lane) => lane.depth(priority, now));
        return [
          priority,
          {
            requests: lanes.reduce((sum, depth) => sum + depth.requests, 0),
            tokens: lanes.reduce((sum, depth) => sum + depth.tokens, 0),
            predictedSeconds: lanes.reduce((sum, depth) => sum + depth.predictedSeconds, 0),
            oldestAgeSeconds: lanes.reduce((age, depth) => Math.max(age, depth.oldestAgeSeconds), 0),
          },
        ];
      }),
    );
  }

  /**
   * Closes a lane: it takes nothing new, and what is in it may still finish for `timeoutMs`; the rest is answered with
   * unavailable NO_VERSION. Resolves when the lane is empty.
   *
   * @returns how many requests had to be answered that way
   */
  async close(lane: ModelQueue, timeoutMs: number): Promise<number> {
    if (lane.state === "open") lane.state = "closing";
    let failed = 0;
    const stop = this.#options.clock.after(timeoutMs, () => {
      for (const ticket of [...lane.tickets]) {
        this.#end(lane, ticket, "failed", versionClosed());
        failed++;
      }
    });
    await Promise.allSettled([...lane.tickets].map((ticket) => ticket.result));
    stop();
    lane.state = "closed";
    this.#lanes.delete(lane);
    return failed;
  }

  /** Refuses everything new from now on; what was accepted is still computed. */
  drain(): void {
    this.#closing = true;
  }

  #accept(lane: ModelQueue, work: Work): QueuedRequest {
    const { clock, quarantine } = this.#options;
    if (lane.state !== "open") throw versionClosed();
    const now = clock.now();
    if (work.signal?.aborted) throw abortError(work.signal, "tokenize");
    if (work.deadline <= now) throw deadlinePassed("tokenize");
    for (const input of work.sequences) {
      const leftMs = quarantine.leftMs(lane.options.digest, input);
      if (leftMs !== undefined) throw quarantined(leftMs);
    }
    const due = this.#due(now, work.priority, work.deadline);
    const lengths = work.sequences.map(({ inputIds }) => inputIds.length);
    const prediction = {
      waitMs: this.#waitMs(lane, due),
      runMs: lane.predictMs(lengths),
      position: lane.queue.positionOf(due),
    };
    this.#admission.check(
      {
        tokens: lengths.reduce((sum, length) => sum + length, 0),
        runMs: prediction.runMs,
        givenMs: work.deadline - now,
      },
      {
        queuedTokens: [...this.#lanes].reduce((sum, { queue }) => sum + queue.tokens, 0),
        waitMs: prediction.waitMs,
      },
    );
    // A lane that was idle must not claim the time it did not use.
    if (lane.queue.size === 0) lane.virtualMs = Math.max(lane.virtualMs, this.#virtualMs);
    return new QueuedRequest(work, { arrivedAt: now, due }, prediction);
  }

  #shedding<T>(priority: Priority, admit: () => T): T {
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
    return Math.min(deadline, now + this.#options.limits.patienceMs * (priority === "batch" ? BATCH_PATIENCE : 1));
  }

  /**
   * Predicted wait of work that arrives now: what the device has in flight, what is due before it in its own lane, and as
   * much of each other lane as fairness gives that lane meanwhile.
   */
  #waitMs(lane: ModelQueue, due: number): number {
    const ahead = lane.backlogMs(lane.queue.positionOf(due));
    let wait = this.#flights.leftMs(lane.options.engine.device) + ahead;
    for (const other of this.#lanes) {
      if (other === lane || other.background || other.options.engine.device !== lane.options.engine.device) {
        continue;
      }
      wait += Math.min(other.backlogMs(), ahead + Math.max(0, lane.virtualMs - other.virtualMs));
    }
    return wait;
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
    for (let lane = this.#nextLane(); lane !== undefined; lane = this.#nextLane()) {
      this.#expire(lane);
      const { places, cause } = nextBatch(
        lane.queue.pieces.map(({ length }) => length),
        { budget: lane.budget, lookahead: this.#options.limits.lookahead },
      );
      if (places.length === 0) continue;
      const batch = lane.queue.take(places);
      const predictedMs = lane.options.engine.predictMs(batch.map(({ length }) => length));
      for (const { ticket } of batch) ticket.waiting--;
      // An engine that predicts nothing must not look as if it had taken nothing.
      if (!lane.background) this.#virtualMs = Math.max(this.#virtualMs, lane.virtualMs);
      lane.virtualMs += Math.max(predictedMs, batch.length * LEAST_MS);
      this.#options.metrics.batches.closed(cause);
      void this.#runBatch(lane, batch, predictedMs);
    }
  }

  /** The lane to serve next: one with work and a free device; foreground first, then the least served. */
  #nextLane(): ModelQueue | undefined {
    let best: ModelQueue | undefined;
    for (const lane of this.#lanes) {
      if (lane.queue.size === 0 || !this.#flights.hasRoom(lane.options.engine.device)) continue;
      if (best === undefined || lane.goesBefore(best)) best = lane;
    }
    return best;
  }

  /** Timers may be late; a ticket whose moment has passed must not run all the same. */
  #expire(lane: ModelQueue): void {
    const now = this.#options.clock.now();
    for (const { ticket } of lane.queue.pieces.filter((piece) => piece.ticket.work.deadline <= now)) {
      this.#end(lane, ticket, "deadline", deadlinePassed("queue"));
    }
  }

  /** Runs one batch and answers whoever is in it, whatever happens. */
  async #runBatch(lane: ModelQueue, batch: readonly QueuedSequence[], predictedMs: number): Promise<void> {
    const land = this.#flights.begin(lane.options.engine.device, predictedMs);
    const { signal, release } = abortWhenUnwanted(batch);
    try {
      const result = await this.#run(lane, batch, predictedMs, signal);
      this.#deliver(lane, batch, result);
    } catch (error) {
      await this.#recover(lane, batch, error);
    } finally {
      release();
      land();
      this.#dispatch();
    }
  }

  async #run(
    lane: ModelQueue,
    batch: readonly QueuedSequence[],
    predictedMs: number,
    signal?: AbortSignal,
  ): Promise<BatchResult> {
    const { engine } = lane.options;
    const inputs = batch.map(({ input }) => input);
    const result = await engine.run(inputs, signal === undefined ? {} : { signal });
    if (result.outputs.length !== batch.length) {
      throw new AlbertError(
        "backend",
        `the engine gave ${result.outputs.length} outputs for ${batch.length} sequences`,
        {
          reason: "BACKEND_FAILED",
        },
      );
    }
    const { tokens, paddedTokens, runMs } = result.cost;
    this.#options.metrics.batches.ran({
      device: engine.device,
      sequences: batch.length,
      tokens,
      paddedTokens,
      runSeconds: runMs / 1000,
      predictedSeconds: predictedMs / 1000,
    });
    return result;
  }

  #deliver(
    lane: ModelQueue,
    batch: readonly QueuedSequence[],
    { outputs, cost, nonFinite: bad = [] }: BatchResult,
  ): void {
    const now = this.#options.clock.now();
    for (const index of bad) this.#end(lane, batch[index]!.ticket, "failed", nonFinite());
    for (const [ticket, own] of byRequest(batch, outputs)) {
      const { ending } = ticket;
      if (ending === "deadline" || ending === "cancelled") {
        const share = own.reduce((sum, { piece }) => sum + piece.length, 0) / Math.max(1, cost.tokens);
        this.#options.metrics.batches.wasted(ending, (cost.runMs / 1000) * share);
      }
      if (ticket.receive(own, batch.length, cost, now)) lane.tickets.delete(ticket);
    }
  }

  /** Computes a failed batch again in parts, so that a bad input fails alone and a broken engine fails fast. */
  async #recover(lane: ModelQueue, batch: readonly QueuedSequence[], error: unknown): Promise<void> {
    const failed = ({ ticket }: QueuedSequence, reason: unknown) => this.#end(lane, ticket, "failed", reason);
    try {
      await bisect(batch, error, {
        run: async (pieces) => {
          const predictedMs = lane.predictMs(pieces.map(({ length }) => length));
          this.#deliver(lane, pieces, await this.#run(lane, pieces, predictedMs));
        },
        probe: lane.options.probe,
        wanted: ({ ticket }) => ticket.ending === undefined,
        culprit: (piece, reason) => this.#reject(lane, piece, reason),
        failed,
      });
    } catch (bug) {
      for (const piece of batch) failed(piece, bug);
    }
  }

  #reject(lane: ModelQueue, { ticket, input }: QueuedSequence, error: unknown): void {
    // What the engine calls invalid is no mystery: the caller is told what is wrong with it.
    if (error instanceof AlbertError && error.code === "invalid-input") {
      this.#end(lane, ticket, "failed", error);
      return;
    }
    this.#options.quarantine.add(hashSequence(lane.options.digest, input));
    this.#options.metrics.batches.poison(workerLost(error) ? "worker" : "backend");
    this.#end(lane, ticket, "failed", poisonous(error));
  }

  #end(lane: ModelQueue, ticket: QueuedRequest, ending: Exclude<Ending, "answered">, error: unknown): void {
    ticket.fail(ending, error);
    lane.queue.drop(ticket);
    lane.tickets.delete(ticket);
  }
}

/** A signal that aborts when nobody waits for any piece of a batch any more, so that the engine need not begin it. */
function abortWhenUnwanted(batch: readonly QueuedSequence[]): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const wanted = new Set(batch.map(({ ticket }) => ticket));
  const stops = [...wanted].map((ticket) =>
    ticket.onFailure(() => {
      wanted.delete(ticket);
      if (wanted.size === 0) controller.abort();
    }),
  );
  return {
    signal: controller.signal,
    release: () => {
      for (const stop of stops) stop();
    },
  };
}
