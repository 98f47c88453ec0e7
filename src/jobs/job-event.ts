import { type JobReason, type JobState, type JobStateKind, QUEUED } from "./job-state.ts";

// The entries of a job's log, and those that every log has.

/** A move from one state to another, as the log keeps it. */
export interface StateChange {
  readonly from: JobStateKind | undefined;
  readonly to: JobState;
  readonly reason?: JobReason;
  /** Who or what moved it, and why, in words. */
  readonly detail?: string;
}

/** The progress of a job: the newest value of everything that was reported. */
export interface JobProgress {
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
  readonly etaSeconds: number;
  /** Latest evaluation, by official metric name. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly bestMetric: string;
  readonly bestValue: number;
}

export const NO_PROGRESS: JobProgress = {
  step: 0,
  totalSteps: 0,
  epoch: 0,
  loss: 0,
  learningRate: 0,
  tokensPerSecond: 0,
  etaSeconds: 0,
  metrics: {},
  bestMetric: "",
  bestValue: 0,
};

/** Kinds of events; readers must tolerate kinds they do not know. */
export type JobEventKind =
  | "state_changed"
  | "activity"
  | "start_chosen"
  | "teacher_chosen"
  | "planned"
  | "validation_issue"
  | "step_metrics"
  | "eval_result"
  | "checkpoint_written"
  | "checkpoint_pruned"
  | "warning"
  | "repeat_begun"
  | "repeats_done"
  | "sweep_progress"
  | "resumed"
  | "yielded"
  | "diverged"
  | "result_ready"
  | "gate_result"
  | "published"
  | "dataset_stored"
  | "promoted"
  | "not_promoted"
  | "rolled_back"
  | "claimed"
  | "released"
  | "pause_asked"
  | "files_kept"
  | "pod"
  | "annotated";

/** What is appended to a job's log. */
export interface NewJobEvent {
  readonly kind: JobEventKind;
  /** One readable line. */
  readonly summary: string;
  readonly transition?: StateChange;
  /** Fields of `JobProgress` that this event changes. */
  readonly progress?: Partial<JobProgress>;
  /** The event's own fields. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** One entry of a job's log: numbered from 1 without a gap, on disk before anyone sees it. */
export interface JobEvent extends NewJobEvent {
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /**
   * Milliseconds since the event before on a clock that nobody sets. Absent on the first event that a process writes, and in the logs
   * of earlier versions.
   */
  readonly sinceMs?: number;
}

/** Why a job moved that a person moved. @param by  who, if that is known */
export function byUser(by: string | undefined): { readonly reason: JobReason; readonly detail?: string } {
  return { reason: "USER", ...(by === undefined ? {} : { detail: `by ${by}` }) };
}

/** The first event of every log. @param by  who asked for the job, if that is known */
export function queuedEvent(by: string | undefined): NewJobEvent {
  return {
    kind: "state_changed",
    summary: by === undefined ? "queued" : `queued: by ${by}`,
    transition: { from: undefined, to: QUEUED, ...(by === undefined ? {} : { detail: `by ${by}` }) },
  };
}
