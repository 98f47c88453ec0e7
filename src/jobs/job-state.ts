import { AlbertError } from "../errors.ts";

// The states of a job and the transitions between them: a pure state machine without files or timers.

/** Why a job changed its state, where it is not the ordinary course of things. Part of the public contract. */
export type JobReason =
  | "DATA_INVALID"
  | "CONFIG_INVALID"
  | "OUT_OF_MEMORY"
  | "DIVERGED"
  | "DEADLINE"
  | "DISK_FULL"
  | "DEVICE_LOST"
  | "ENGINE_ERROR"
  | "CORRUPT_CHECKPOINT"
  | "USER"
  | "SERVER_RESTART"
  | "WORKER_KILLED"
  | "POISON"
  | "SWEEP";

/** Why a run ended before its last step, though it succeeded. */
export type StoppedBy = "early_stopping" | "max_wall_seconds" | "max_steps" | "sweep";

/** What a successful job leaves behind. */
export interface JobResult {
  /** Version it published, as "name@number"; absent for kinds that publish none. */
  readonly modelVersion?: string;
  /** Digest of the dataset that keeps the file it made, a vocabulary or instances; absent for other kinds. */
  readonly dataset?: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly stoppedBy?: StoppedBy;
  /** The gate's report, as JSON. */
  readonly gateReport?: string;
}

/** One thing wrong with a specification or its data. */
export interface JobProblem {
  /** Path in the specification, or file:line:column of the data. */
  readonly where: string;
  readonly what: string;
  readonly hint: string;
}

/**
 * The state of a job, with the data of that state.
 *
 * `rejected` is not `failed`: the caller's data or specification is at fault and no device time was spent.
 */
export type JobState =
  | { readonly kind: "queued" /** Whether checkpoints may exist already. */; readonly resuming: boolean }
  | { readonly kind: "validating"; readonly resuming: boolean }
  | { readonly kind: "preparing"; readonly resuming: boolean }
  | { readonly kind: "running" }
  | { readonly kind: "evaluating" }
  | { readonly kind: "paused" }
  /** A trial that was judged: its sweep decides what follows. */
  | { readonly kind: "held"; readonly metrics: Readonly<Record<string, number>> }
  | { readonly kind: "preempted" }
  | { readonly kind: "cancelling" }
  | { readonly kind: "succeeded"; readonly result: JobResult }
  | { readonly kind: "failed"; readonly reason: JobReason; readonly message: string }
  | { readonly kind: "rejected"; readonly reason: JobReason; readonly problems: readonly JobProblem[] }
  | { readonly kind: "cancelled" };

export type JobStateKind = JobState["kind"];

/** What moves a job. The first group comes from its runner, the second from people, the third from the server, the last from sweeps. */
export type JobTransition =
  | { readonly kind: "begin" }
  | { readonly kind: "validated" }
  | { readonly kind: "reject"; readonly reason: JobReason; readonly problems: readonly JobProblem[] }
  | { readonly kind: "prepared" }
  | { readonly kind: "publish" }
  | { readonly kind: "trained" }
  | { readonly kind: "succeed"; readonly result: JobResult }
  | { readonly kind: "fail"; readonly reason: JobReason; readonly message: string }
  | { readonly kind: "cancel" }
  | { readonly kind: "stopped" }
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  | { readonly kind: "preempt" }
  // Of a trial of a sweep.
  | { readonly kind: "hold"; readonly metrics: Readonly<Record<string, number>> }
  | { readonly kind: "release" }
  | { readonly kind: "give-up" };

export const QUEUED: JobState = { kind: "queued", resuming: false };

/** Nothing more is done for a job in these states, unless a person resumes one that was given up as poison. */
export function isTerminal(state: JobState): boolean {
  switch (state.kind) {
    case "succeeded":
    case "failed":
    case "rejected":
    case "cancelled":
      return true;
    default:
      return false;
  }
}

/** Given up because it seemed to kill its server. */
function isPoison(state: JobState): boolean {
  return state.kind === "failed" && state.reason === "POISON";
}

/** A runner is at it: states that a crash of the server turns into `preempted`. */
export function isActive(state: JobState): boolean {
  switch (state.kind) {
    case "validating":
    case "preparing":
    case "running":
    case "evaluating":
      return true;
    default:
      return false;
  }
}

/**
 * The state after a transition.
 *
 * | transition | from | to |
 * |---|---|---|
 * | begin | queued | validating, or preparing when it resumes |
 * | publish | queued, where an earlier attempt has done the work | evaluating |
 * | validated | validating | preparing |
 * | reject | validating, preparing | rejected |
 * | prepared | preparing | running |
 * | trained | running | evaluating |
 * | succeed | evaluating | succeeded |
 * | fail | preparing, running, evaluating, preempted; queued, of a job whose pod does not come up | failed |
 * | pause | running (queued: at once) | paused |
 * | resume | paused, preempted, failed as poison | queued |
 * | preempt | any active | preempted |
 * | hold | running, evaluating | held |
 * | release | held | queued |
 * | give-up | held | succeeded |
 * | cancel | queued, paused, preempted, held | cancelled |
 * | cancel | any active | cancelling |
 * | stopped | cancelling | cancelled |
 *
 * @throws AlbertError precondition (ILLEGAL_TRANSITION)
 */
export function nextState(state: JobState, transition: JobTransition): JobState {
  const next = stateAfter(state, transition);
  if (next !== undefined) return next;
  throw new AlbertError("precondition", `a job that is ${state.kind} cannot ${transition.kind}`, {
    reason: "ILLEGAL_TRANSITION",
    metadata: { state: state.kind, move: transition.kind },
  });
}

/** Whether a job in this state accepts the transition. */
export function allows(state: JobState, transition: JobTransition): boolean {
  return stateAfter(state, transition) !== undefined;
}

function stateAfter(state: JobState, transition: JobTransition): JobState | undefined {
  switch (transition.kind) {
    case "begin":
      if (state.kind === "queued")
        return { kind: state.resuming ? "preparing" : "validating", resuming: state.resuming };
      break;
    case "publish":
      if (state.kind === "queued" && state.resuming) return { kind: "evaluating" };
      break;
    case "validated":
      if (state.kind === "validating") return { kind: "preparing", resuming: state.resuming };
      break;
    case "reject":
      if (state.kind === "validating" || state.kind === "preparing") {
        return { kind: "rejected", reason: transition.reason, problems: transition.problems };
      }
      break;
    case "prepared":
      if (state.kind === "preparing") return { kind: "running" };
      break;
    case "trained":
      if (state.kind === "running") return { kind: "evaluating" };
      break;
    case "succeed":
      if (state.kind === "evaluating") return { kind: "succeeded", result: transition.result };
      break;
    case "fail":
      if ((isActive(state) && state.kind !== "validating") || ["preempted", "queued"].includes(state.kind)) {
        return { kind: "failed", reason: transition.reason, message: transition.message };
      }
      break;
    case "pause":
      if (state.kind === "running" || state.kind === "queued") return { kind: "paused" };
      break;
    case "resume":
      if (state.kind === "paused" || state.kind === "preempted" || isPoison(state))
        return { kind: "queued", resuming: true };
      break;
    case "preempt":
      if (isActive(state)) return { kind: "preempted" };
      break;
    case "cancel":
      if (isActive(state)) return { kind: "cancelling" };
      if (["queued", "paused", "preempted", "held"].includes(state.kind)) return { kind: "cancelled" };
      break;
    case "stopped":
      if (state.kind === "cancelling") return { kind: "cancelled" };
      break;
    case "hold":
      if (state.kind === "running" || state.kind === "evaluating") return { kind: "held", metrics: transition.metrics };
      break;
    case "release":
      if (state.kind === "held") return { kind: "queued", resuming: true };
      break;
    case "give-up":
      if (state.kind === "held") return { kind: "succeeded", result: { metrics: state.metrics, stoppedBy: "sweep" } };
      break;
  }
  return undefined;
}
