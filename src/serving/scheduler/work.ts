import type { Cancellation } from "../../platform/waiting/cancellation.ts";
import type { SequenceInput, SequenceOutput } from "../../runtime/engine.ts";
import type { Span } from "../../tracing/span.ts";

// What the scheduler is asked, and what it gives back.

/** `interactive` goes first; `batch` waits up to eight times as long before it goes ahead of newer work. */
export type Priority = "interactive" | "batch";

/** What a caller wants computed. */
export interface Work {
  readonly sequences: readonly SequenceInput[];
  readonly priority: Priority;
  /** Moment on the scheduler's clock after which the answer is useless; Infinity for none. */
  readonly deadline: number;
  /** The span that the work belongs to, where traces are made. */
  readonly trace?: Span | undefined;
  /** Aborted when the caller goes away. */
  readonly signal?: Cancellation | undefined;
  /** A part of work that `Scheduler.admit` has let in: it is not refused for its size or for what waits before it. */
  readonly admitted?: true;
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
