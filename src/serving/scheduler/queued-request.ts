import type { BatchCost, SequenceInput, SequenceOutput } from "../../runtime/engine.ts";
import type { Prediction, Work, WorkResult, WorkTiming } from "./work.ts";

// One accepted request on its way through the scheduler: its place in the queue, its state, its outputs. It knows neither
// queues nor devices; only the request itself changes its state.

/** One sequence of a request: what is queued and what batches are made of. */
export interface QueuedSequence {
  readonly request: QueuedRequest;
  readonly index: number;
  readonly input: SequenceInput;
  /** In tokens. */
  readonly length: number;
}

export type OwnOutput = { readonly sequence: QueuedSequence; readonly output: SequenceOutput };

/** Why a request ended without an answer. */
export type Failure = "deadline" | "cancelled" | "failed";

/** What has come back so far of a request that has not ended. */
interface Progress {
  readonly outputs: SequenceOutput[];
  missing: number;
  readonly spent: { -readonly [K in keyof Omit<WorkTiming, "queueMs" | "prediction">]: WorkTiming[K] };
}

/** The state of a request, with the data of that state. */
export type RequestState =
  /** `unsent` of its sequences have not been handed to a device yet. */
  | { readonly kind: "waiting"; readonly unsent: number; readonly progress: Progress }
  /** A device has every sequence whose output is missing. */
  | { readonly kind: "running"; readonly progress: Progress }
  | { readonly kind: "answered" }
  | { readonly kind: "failed"; readonly failure: Failure };

type Settle = { readonly resolve: (result: WorkResult) => void; readonly reject: (error: unknown) => void };

/** A request ends exactly once: with all its outputs or with one error. Whatever comes later is ignored. */
export class QueuedRequest {
  readonly work: Work;
  /** Moments on the scheduler's clock: `due` is its deadline or, where that is earlier, the end of its aging time. */
  readonly times: { readonly arrivedAt: number; readonly due: number };
  readonly prediction: Prediction;
  readonly sequences: readonly QueuedSequence[];
  readonly tokens: number;
  /** The outcome. */
  readonly result: Promise<WorkResult>;
  readonly #settle: Settle;
  /** Absent while nobody asks for it. */
  #onFailure: Set<() => void> | undefined;
  #state: RequestState;

  constructor(work: Work, times: QueuedRequest["times"], prediction: Prediction) {
    this.work = work;
    this.times = times;
    this.prediction = prediction;
    let tokens = 0;
    this.sequences = work.sequences.map((input, index) => {
      const { length } = input.inputIds;
      tokens += length;
      return { request: this, index, input, length };
    });
    this.tokens = tokens;
    let settle: Settle | undefined;
    this.result = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#settle = settle!; // a promise's executor has run when it is made
    const spent = { assembleMs: 0, runMs: 0, batches: 0, batchSize: 0, paddedTokens: 0 };
    const progress = { outputs: [], missing: this.sequences.length, spent };
    this.#state = { kind: "waiting", unsent: this.sequences.length, progress };
  }

  get state(): RequestState {
    return this.#state;
  }

  /** Whether its caller still waits. */
  get wanted(): boolean {
    return this.#state.kind === "waiting" || this.#state.kind === "running";
  }

  /** The stage it has reached, for the errors that end it. */
  get stage(): "queue" | "run" {
    return this.#state.kind === "waiting" ? "queue" : "run";
  }

  /** Notes that one of its waiting sequences has been handed to a device. */
  sent(): void {
    if (this.#state.kind !== "waiting") return;
    const { unsent, progress } = this.#state;
    this.#state = unsent > 1 ? { kind: "waiting", unsent: unsent - 1, progress } : { kind: "running", progress };
  }

  /** Takes in the outputs of its sequences of one batch of `batchSize` sequences; the last one answers it. */
  receive(own: readonly OwnOutput[], batchSize: number, cost: BatchCost, now: number): void {
    if (this.#state.kind !== "waiting" && this.#state.kind !== "running") return;
    const { progress } = this.#state;
    for (const { sequence, output } of own) progress.outputs[sequence.index] = output;
    progress.missing -= own.length;
    const { spent } = progress;
    let ownTokens = 0;
    for (const { sequence } of own) ownTokens += sequence.length;
    spent.assembleMs += cost.assembleMs;
    spent.runMs += cost.runMs;
    spent.batches++;
    spent.batchSize = Math.max(spent.batchSize, batchSize);
    spent.paddedTokens += (cost.paddedTokens * ownTokens) / Math.max(1, cost.tokens);
    if (progress.missing > 0) return;
    this.#state = { kind: "answered" };
    this.#settle.resolve({ outputs: progress.outputs, timing: this.#timing(progress.spent, now) });
  }

  /** Ends the request with an error, unless it has ended. */
  fail(failure: Failure, error: unknown): void {
    if (!this.wanted) return;
    this.#state = { kind: "failed", failure };
    this.#settle.reject(error);
    for (const action of this.#onFailure ?? []) action();
  }

  /** Calls `action` when the request ends with an error, unless `offFailure` revokes that before. */
  onFailure(action: () => void): void {
    this.#onFailure ??= new Set();
    this.#onFailure.add(action);
  }

  offFailure(action: () => void): void {
    this.#onFailure?.delete(action);
  }

  /** Everything between submission and the last output that was neither assembling nor running was waiting. */
  #timing(spent: Progress["spent"], now: number): WorkTiming {
    const elapsed = now - this.times.arrivedAt;
    const runMs = Math.min(spent.runMs, elapsed);
    const assembleMs = Math.min(spent.assembleMs, elapsed - runMs);
    const { batches, batchSize, paddedTokens } = spent;
    const queueMs = elapsed - runMs - assembleMs;
    return { queueMs, assembleMs, runMs, batches, batchSize, paddedTokens, prediction: this.prediction };
  }
}
