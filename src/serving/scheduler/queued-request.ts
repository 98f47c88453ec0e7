import type { BatchCost, SequenceInput, SequenceOutput } from "../../runtime/engine.ts";

/** `interactive` goes first; `batch` waits up to eight times as long before it goes ahead of newer work. */
export type Priority = "interactive" | "batch";

/** What a caller wants computed. */
export interface Work {
  readonly sequences: readonly SequenceInput[];
  readonly priority: Priority;
  /** Moment on the scheduler's clock after which nobody wants the answer; Infinity for none. */
  readonly deadline: number;
  /** Aborted when the caller goes away. */
  readonly signal?: AbortSignal;
}

/** What the scheduler predicted when it let the work in. */
export interface Prediction {
  readonly waitMs: number;
  readonly runMs: number;
  /** Sequences that stood before it in its queue. */
  readonly position: number;
}

/** Where the time went. `queueMs + assembleMs + runMs` is exactly the time from submission to the last output. */
export interface WorkTiming {
  readonly queueMs: number;
  readonly assembleMs: number;
  readonly runMs: number;
  /** Batches the sequences were spread over. */
  readonly batches: number;
  /** Sequences, of all callers, in the largest of them. */
  readonly batchSize: number;
  /** Padding of attention's view, shared out by tokens. */
  readonly paddedTokens: number;
  readonly prediction: Prediction;
}

export interface WorkResult {
  /** One entry per sequence, in order. */
  readonly outputs: readonly SequenceOutput[];
  readonly timing: WorkTiming;
}

/** One sequence of a ticket: what is queued and what batches are made of. */
export interface QueuedSequence {
  readonly ticket: QueuedRequest;
  readonly index: number;
  readonly input: SequenceInput;
  readonly length: number;
}

/** Why a ticket ended. */
export type Ending = "answered" | "deadline" | "cancelled" | "failed";

/** Moments that place a ticket in its queue, on the scheduler's clock. */
export interface QueueTimes {
  readonly arrivedAt: number;
  /** Place in the queue: the earlier of its deadline and the end of its patience. */
  readonly due: number;
}

/**
 * One accepted piece of work on its way through the scheduler. It ends exactly once: with all outputs or with one error;
 * whatever arrives later is ignored.
 */
export class QueuedRequest {
  readonly work: Work;
  readonly times: QueueTimes;
  readonly prediction: Prediction;
  readonly pieces: readonly QueuedSequence[];
  readonly tokens: number;
  readonly result: Promise<WorkResult>;
  /** Pieces not yet handed to a device. */
  waiting: number;
  readonly #outputs: SequenceOutput[] = [];
  #missing: number;
  #ending: Ending | undefined;
  readonly #onFailure = new Set<() => void>();
  #resolve!: (result: WorkResult) => void;
  #reject!: (error: unknown) => void;
  #spent = { assembleMs: 0, runMs: 0, batches: 0, batchSize: 0, paddedTokens: 0 };

  constructor(work: Work, times: QueueTimes, prediction: Prediction) {
    this.work = work;
    this.times = times;
    this.prediction = prediction;
    this.pieces = work.sequences.map((input, index) => ({ ticket: this, index, input, length: input.inputIds.length }));
    this.tokens = this.pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.waiting = this.pieces.length;
    this.#missing = this.pieces.length;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Undefined while the caller still waits. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** "queue" while a piece of it waits for a device, "run" afterwards. */
  get stage(): "queue" | "run" {
    return this.waiting > 0 ? "queue" : "run";
  }

  /** Takes in the outputs of its pieces of one batch. @returns whether the ticket ended by it */
  receive(
    own: readonly { readonly piece: QueuedSequence; readonly output: SequenceOutput }[],
    batchSize: number,
    cost: BatchCost,
    now: number,
  ): boolean {
    if (this.#ending !== undefined) return false;
    const spent = this.#spent;
    spent.assembleMs += cost.assembleMs;
    spent.runMs += cost.runMs;
    spent.batches++;
    let ownTokens = 0;
    for (const { piece, output } of own) {
      this.#outputs[piece.index] = output;
      ownTokens += piece.length;
    }
    spent.batchSize = Math.max(spent.batchSize, batchSize);
    spent.paddedTokens += (cost.paddedTokens * ownTokens) / Math.max(1, cost.tokens);
    this.#missing -= own.length;
    if (this.#missing > 0) return false;
    this.#ending = "answered";
    this.#resolve({ outputs: this.#outputs, timing: this.#timing(now) });
    return true;
  }

  /** Ends the ticket with an error. @returns false when it had ended before */
  fail(ending: Exclude<Ending, "answered">, error: unknown): boolean {
    if (this.#ending !== undefined) return false;
    this.#ending = ending;
    this.#reject(error);
    for (const action of this.#onFailure) action();
    return true;
  }

  /** Calls `action` if the ticket ends with an error. @returns calls that off */
  onFailure(action: () => void): () => void {
    this.#onFailure.add(action);
    return () => this.#onFailure.delete(action);
  }

  /** Everything between submission and the last output that was neither assembling nor running was waiting. */
  #timing(now: number): WorkTiming {
    const elapsed = now - this.times.arrivedAt;
    const runMs = Math.min(this.#spent.runMs, elapsed);
    const assembleMs = Math.min(this.#spent.assembleMs, elapsed - runMs);
    return { ...this.#spent, runMs, assembleMs, queueMs: elapsed - runMs - assembleMs, prediction: this.prediction };
  }
}

/** Pairs of pieces and outputs by the ticket they belong to. */
export function byRequest(
  batch: readonly QueuedSequence[],
  outputs: readonly SequenceOutput[],
): Map<QueuedRequest, { piece: QueuedSequence; output: SequenceOutput }[]> {
  const groups = new Map<QueuedRequest, { piece: QueuedSequence; output: SequenceOutput }[]>();
  batch.forEach((piece, i) => {
    const own = groups.get(piece.ticket) ?? [];
    own.push({ piece, output: outputs[i]! });
    groups.set(piece.ticket, own);
  });
  return groups;
}
