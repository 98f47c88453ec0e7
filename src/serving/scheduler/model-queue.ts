import type { QueueDepth } from "../../metrics/queue.ts";
import type { Engine } from "../../runtime/engine.ts";
import { predictTotalMs } from "./batcher.ts";
import { DeadlineQueue } from "./deadline-queue.ts";
import type { Priority, QueuedRequest } from "./queued-request.ts";

/** What distinguishes one lane from another. */
export interface ModelQueueOptions {
  /** Identity of the model, for hashing inputs. */
  readonly digest: string;
  readonly engine: Engine;
  /** Token budget in place of the engine's own; 0 keeps the engine's. */
  readonly batchTokens: number;
  /** Computes an input known to be good, to tell a bad input from a broken engine. */
  readonly probe: () => Promise<unknown>;
}

/** One engine's share of the scheduler: its queue, its tickets, and how much device time it has had. */
export class ModelQueue {
  readonly options: ModelQueueOptions;
  readonly queue = new DeadlineQueue();
  /** Every ticket that has not ended. */
  readonly tickets = new Set<QueuedRequest>();
  /** Predicted device time received, in milliseconds: the lane that has had least goes first. */
  virtualMs = 0;
  /** Served only while no other lane has work: shadow traffic. */
  background = false;
  state: "open" | "closing" | "closed" = "open";

  constructor(options: ModelQueueOptions) {
    this.options = options;
  }

  get budget(): number {
    return this.options.batchTokens > 0 ? this.options.batchTokens : this.options.engine.tokenBudget;
  }

  /** Predicted milliseconds for sequences of these lengths, run in batches of this lane's budget. */
  predictMs(lengths: readonly number[]): number {
    const { engine } = this.options;
    return predictTotalMs(lengths, { budget: this.budget, predictMs: (batch) => engine.predictMs(batch) });
  }

  /** Predicted milliseconds of the first `count` waiting pieces; of all of them by default. */
  backlogMs(count = this.queue.size): number {
    return this.predictMs(this.queue.pieces.slice(0, count).map(({ length }) => length));
  }

  /** Whether this lane is served before another: foreground first, then the one that has had less device time. */
  goesBefore(other: ModelQueue): boolean {
    if (this.background !== other.background) return !this.background;
    return this.virtualMs < other.virtualMs;
  }

  /** Pieces of one priority that wait, as the metrics show them. */
  depth(priority: Priority, now: number): QueueDepth {
    const pieces = this.queue.pieces.filter(({ ticket }) => ticket.work.priority === priority);
    return {
      requests: new Set(pieces.map(({ ticket }) => ticket)).size,
      tokens: pieces.reduce((sum, { length }) => sum + length, 0),
      predictedSeconds: this.predictMs(pieces.map(({ length }) => length)) / 1000,
      oldestAgeSeconds: pieces.reduce((age, { ticket }) => Math.max(age, (now - ticket.times.arrivedAt) / 1000), 0),
    };
  }
}
