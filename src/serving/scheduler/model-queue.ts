import type { CloseCause } from "../../metrics/batches.ts";
import type { Engine } from "../../runtime/engine.ts";
import { nextBatch } from "./batcher.ts";
import { predictTotalMs } from "./predict-cost.ts";
import type { Failure, QueuedRequest, QueuedSequence } from "./queued-request.ts";

// What waits for one engine, in the order in which it is due, and how much device time that engine's model has had. It
// decides nothing about other models and runs nothing: that is the scheduler's business.

/** What distinguishes one queue from another. */
export interface ModelQueueOptions {
  /** Identity of the model, for hashing inputs. */
  readonly digest: string;
  readonly engine: Engine;
  /** Token budget in place of the engine's own; 0 keeps the engine's. */
  readonly batchTokens: number;
  /** Computes an input known to be good, to tell a bad input from a broken engine. */
  readonly probe: () => Promise<unknown>;
}

/** Sequences that go to the engine together. */
export interface Batch {
  /** Empty when nothing waits. */
  readonly sequences: readonly QueuedSequence[];
  readonly predictedMs: number;
  readonly cause: CloseCause;
}

/** Device time that a sequence counts for at least: an engine that predicts nothing must not look as if it took nothing. */
const LEAST_MS = 0.001;

/** The queue of one loaded version. */
export class ModelQueue {
  readonly options: ModelQueueOptions;
  readonly #waiting = new DeadlineQueue();
  readonly #unfinished = new Set<QueuedRequest>();
  #accepting = true;
  #background = false;
  #virtualMs: number;

  /** @param virtualMs  device time with which a model starts that has had none */
  constructor(options: ModelQueueOptions, virtualMs: number) {
    this.options = options;
    this.#virtualMs = virtualMs;
  }

  /** Whether it takes new requests. */
  get accepting(): boolean {
    return this.#accepting;
  }

  /** Requests that have not ended, waiting or running. */
  get unfinished(): ReadonlySet<QueuedRequest> {
    return this.#unfinished;
  }

  /** Sequences that wait, in order. */
  get waiting(): readonly QueuedSequence[] {
    return this.#waiting.sequences;
  }

  /** How many sequences wait. */
  get size(): number {
    return this.waiting.length;
  }

  get tokens(): number {
    return this.#waiting.tokens;
  }

  /** Whether it is served only while no other queue has work: shadow traffic. */
  get background(): boolean {
    return this.#background;
  }

  /** Predicted device time received, in milliseconds: of two models the one that has had less goes first. */
  get virtualMs(): number {
    return this.#virtualMs;
  }

  get #budget(): number {
    return this.options.batchTokens > 0 ? this.options.batchTokens : this.options.engine.tokenBudget;
  }

  setBackground(background: boolean): void {
    this.#background = background;
  }

  stopAccepting(): void {
    this.#accepting = false;
  }

  /** @param virtualMs  where an idle model starts to count: it must not claim the time that it did not use */
  add(request: QueuedRequest, virtualMs: number): void {
    if (this.size === 0) this.#virtualMs = Math.max(this.#virtualMs, virtualMs);
    this.#waiting.add(request);
    this.#unfinished.add(request);
  }

  /** Takes out the next batch, and charges the model for it. */
  takeBatch(lookahead: number): Batch {
    const lengths = this.#waiting.sequences.map(({ length }) => length);
    const { places, cause } = nextBatch(lengths, { budget: this.#budget, lookahead });
    const sequences = this.#waiting.take(places);
    const predictedMs = this.options.engine.predictMs(sequences.map(({ length }) => length));
    for (const { request } of sequences) request.sent();
    this.#virtualMs += Math.max(predictedMs, sequences.length * LEAST_MS);
    return { sequences, predictedMs, cause };
  }

  /** Ends a request with an error, unless it has ended, and takes out what still waits of it. */
  fail(request: QueuedRequest, failure: Failure, error: unknown): void {
    request.fail(failure, error);
    this.#waiting.drop(request);
    this.#unfinished.delete(request);
  }

  /** Forgets a request that has been answered. */
  answered(request: QueuedRequest): void {
    this.#unfinished.delete(request);
  }

  /** Waiting requests whose deadline has passed. */
  expired(now: number): QueuedRequest[] {
    const late = this.#waiting.sequences.filter(({ request }) => request.work.deadline <= now);
    return [...new Set(late.map(({ request }) => request))];
  }

  /** How many waiting sequences go before work that is due at `due` and arrives now. */
  positionOf(due: number): number {
    return this.#waiting.positionOf(due);
  }

  /** Predicted milliseconds for sequences of these lengths, run in batches of this queue's budget. */
  predictMs(lengths: readonly number[]): number {
    const { engine } = this.options;
    return predictTotalMs(lengths, { budget: this.#budget, predictMs: (batch) => engine.predictMs(batch) });
  }

  /** Predicted milliseconds of the first `count` waiting sequences; of all of them by default. */
  backlogMs(count = this.size): number {
    return this.predictMs(this.#waiting.sequences.slice(0, count).map(({ length }) => length));
  }

  /** Whether it is served before another: foreground first, then the model that has had less device time. */
  goesBefore(other: ModelQueue): boolean {
    if (this.#background !== other.background) return !this.#background;
    return this.#virtualMs < other.virtualMs;
  }
}

/** Sequences ordered by when they are due, then by arrival. */
class DeadlineQueue {
  readonly #sequences: QueuedSequence[] = [];
  #tokens = 0;

  /** In order. */
  get sequences(): readonly QueuedSequence[] {
    return this.#sequences;
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** Adds all sequences of a request. */
  add(request: QueuedRequest): void {
    this.#sequences.splice(this.positionOf(request.times.due), 0, ...request.sequences);
    this.#tokens += request.tokens;
  }

  positionOf(due: number): number {
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sequences[middle]!.request.times.due <= due) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Takes out the sequences at these ascending places. */
  take(places: readonly number[]): QueuedSequence[] {
    const taken = places.map((place) => this.#sequences[place]!);
    for (let i = places.length - 1; i >= 0; i--) this.#sequences.splice(places[i]!, 1);
    for (const { length } of taken) this.#tokens -= length;
    return taken;
  }

  /** Takes out whatever still waits of a request. */
  drop(request: QueuedRequest): void {
    for (let i = this.#sequences.length - 1; i >= 0; i--) {
      const sequence = this.#sequences[i]!;
      if (sequence.request !== request) continue;
      this.#tokens -= sequence.length;
      this.#sequences.splice(i, 1);
    }
  }
}
