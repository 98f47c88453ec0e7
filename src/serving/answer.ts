import type { Cancellation } from "../platform/waiting/cancellation.ts";
import type { DeviceKind } from "../runtime/engine.ts";
import type { TaskLimits } from "../tasks/plan.ts";
import type { TaskKind, TaskRequest, Tasks } from "../tasks/task-request.ts";
import type { Span } from "../tracing/span.ts";
import type { ModelSelector } from "./models/selection.ts";
import type { Priority, WorkTiming } from "./scheduler/work.ts";

// What the serving room is asked, and what it gives back. Types alone, free of any protocol.

/** One inference request as plain data. */
export interface AnswerRequest<K extends TaskKind = TaskKind> extends TaskRequest<K> {
  /** Bounds on what the request may ask for. */
  readonly limits: TaskLimits;
  /** Where no model is named, the task's heads choose it. */
  readonly model: Omit<ModelSelector, "key" | "tests">;
  /** Requests with equal keys get the same version while a challenger has a share; by default those about equal texts. */
  readonly routingKey?: string | undefined;
  /** `interactive` unless given. */
  readonly priority?: Priority;
  /** Moment after which the answer is useless, on the clock of `performance.now()`. Absent: none. */
  readonly deadlineAt?: number;
  /** When the request arrived, on the same clock. Absent: now. */
  readonly receivedAt?: number;
  /** The span that the request belongs to, where traces are made. */
  readonly trace?: Span | undefined;
  /** Aborts when the caller goes away; a reason that is an AlbertError becomes the request's error. */
  readonly signal?: Cancellation | undefined;
}

/** Milliseconds per stage; they add up to `totalMs`. */
export interface Timings {
  readonly receiveMs: number;
  readonly tokenizeMs: number;
  readonly queueMs: number;
  readonly assembleMs: number;
  readonly runMs: number;
  readonly postMs: number;
  readonly totalMs: number;
}

/** Which version answered, and what it cost. */
export interface ServedMeta {
  readonly model: string;
  readonly version: string;
  readonly digest: string;
  readonly tokenizerDigest: string;
  readonly device: DeviceKind;
  readonly head: string;
  readonly tokens: number;
  /** Empty places of attention's rectangular view that this request paid for. */
  readonly paddedTokens: number;
  readonly windows: number;
  readonly truncated: boolean;
  /** Sequences of all callers in the largest batch that ran a part of this request. */
  readonly batchSize: number;
  /** Wait and run time that the scheduler predicted when it accepted the request, and the place it got in the queue. */
  readonly prediction: WorkTiming["prediction"];
  readonly timings: Timings;
  /** Whether the answer was computed for an equal request, before or at the same time. */
  readonly cached: boolean;
}

/** An answer, with which version gave it and what it cost. */
export interface Answered<K extends TaskKind> {
  readonly answer: Tasks[K]["answer"];
  readonly meta: ServedMeta;
}
