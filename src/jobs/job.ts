import { isFindingReason } from "../training/evaluation/findings.ts";
import { type JobEvent, type JobProgress, NO_PROGRESS, type StateChange } from "./job-event.ts";
import type { JobProduct } from "./job-outcome.ts";
import type { JobSpec } from "./job-spec.ts";
import { isActive, isTerminal, type JobState, type JobStateKind, QUEUED } from "./job-state.ts";
import { type Annotation, NO_ANNOTATION } from "./log/annotation.ts";

// A job as the fold over its event log. Pure: it reads and writes no file.

/** Who a job is: written once, at creation. */
export interface JobIdentity {
  readonly id: string;
  /** Chosen by the caller; empty when none was. */
  readonly requestId: string;
  readonly spec: JobSpec;
  readonly specDigest: string;
  readonly createdMs: number;
}

/** A job as its log tells it. */
export interface Job extends JobIdentity {
  readonly state: JobState;
  /** Finer than the state: "tokenizing", "training", "saving", ... */
  readonly activity: string;
  readonly history: readonly (StateChange & { readonly timeMs: number })[];
  readonly progress: JobProgress;
  /** When its newest event happened; a note or tag of a job that has ended does not count. */
  readonly updatedMs: number;
  /** Sequence number of the newest event; 0 before the first. */
  readonly lastSequence: number;
  /** Milliseconds it has taken steps for, as far as its log tells. */
  readonly runningMs: number;
  /** How far it ever came: 0 before its first step, 1 taking steps, 2 done with them. */
  readonly reach: number;
  /** How often in a row its server or its process was killed while the job was at work and took no step; 0 again after a person resumed it. */
  readonly killedServers: number;
  /** Version it starts from, as "name@number"; empty before it began, and where it starts from none. */
  readonly startVersion: string;
  /** Version it learns from, as "name@number"; undefined before it began, and where it has no teacher. */
  readonly teacherVersion?: string | undefined;
  /** What its work made, once that is done; paths are relative to its directory. */
  readonly product: JobProduct | undefined;
  /** Version it published, as "name@number"; empty so far. */
  readonly modelVersion: string;
  /** Digest of the dataset that keeps the file it made; empty so far. */
  readonly dataset: string;
  /** JSON of the gate's report about that version; empty so far. */
  readonly gateReport: string;
  /** Whether the job has made that version the champion. */
  readonly promoted: boolean;
  /** Why the policy `auto-if-better` left the champion as it was; empty where it did not. */
  readonly notPromoted: string;
  /** Of a trial: the figures that it was judged by at each rung, in order. */
  readonly judged: readonly Readonly<Record<string, number>>[];
  /** What its runs found besides figures, and what to try; see `Finding`. */
  readonly findings: readonly string[];
  /** What people noted about it. */
  readonly annotation: Annotation;
  /** The server that works on it; absent where none does, and where jobs belong to one server. */
  readonly owner?: JobOwner | undefined;
  /** Of the newest claim; absent before the first. Grows by one with each, so that what an earlier owner writes is known. */
  readonly generation?: number | undefined;
  /** Generation of the newest claim that another than its owner ended. */
  readonly released?: number | undefined;
  /** Whoever asked the owner to pause it, "" where that is not known; absent where nobody did. */
  readonly pauseAsked?: string | undefined;
  /** What was told last of the pod that it runs in, as `podEvent` marks it; absent where it runs in none. */
  readonly pod?: string | undefined;
  /** The checkpoints that any server can go on from. */
  readonly kept?: readonly KeptFile[] | undefined;
}

/** A server that works on a job. */
export interface JobOwner {
  /** As its signs of life name it. */
  readonly trainer: string;
  /** Where it runs, for people. */
  readonly host: string;
}

/** A file of a job that the store keeps. */
export interface KeptFile {
  /** Below the job's directory. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Of the claim under which it was written. */
  readonly generation: number;
}

/** An id of a new job; ids sort by the time of creation. @param random  3 bytes */
export function newJobId(createdMs: number, random: Buffer): string {
  const time = new Date(createdMs).toISOString().replace(/[-:]/g, "").replace(".", "").slice(0, 18).toLowerCase();
  return `${time}-${random.toString("hex")}`;
}

/** Who created a job; undefined where callers were not asked who they are. */
export function creatorOf({ history }: Job): string | undefined {
  return /^by (.+)$/s.exec(history[0]?.detail ?? "")?.[1];
}

/** Reason of a job that is preempted because its server was killed; the next server records it when it starts. */
export const SERVER_ENDED = "the server ended";
/** The same after a server that was told to end and could not, or had no time to, record it. */
export const SERVER_STOPPED = "the server was stopped";

/** A job of which nothing is known but its identity. */
export function newJob(identity: JobIdentity): Job {
  return {
    ...identity,
    state: QUEUED,
    activity: "",
    history: [],
    progress: NO_PROGRESS,
    updatedMs: identity.createdMs,
    lastSequence: 0,
    runningMs: 0,
    reach: 0,
    killedServers: 0,
    startVersion: "",
    product: undefined,
    modelVersion: "",
    dataset: "",
    gateReport: "",
    promoted: false,
    notPromoted: "",
    judged: [],
    findings: [],
    annotation: NO_ANNOTATION,
  };
}

/** The job after one more event: the state of a job is the fold of its log. */
export function applyEvent(job: Job, event: JobEvent): Job {
  const { transition } = event;
  return {
    ...job,
    state: transition?.to ?? job.state,
    activity: activityAfter(job, event),
    history: transition === undefined ? job.history : [...job.history, { ...transition, timeMs: event.timeMs }],
    progress: event.progress === undefined ? job.progress : { ...job.progress, ...event.progress },
    updatedMs: event.kind === "annotated" && isTerminal(job.state) ? job.updatedMs : event.timeMs,
    lastSequence: event.sequence,
    runningMs: job.runningMs + ranFor(job, event),
    ...killsAfter(job, event),
    startVersion: event.kind === "start_chosen" ? String(event.detail?.["version"]) : job.startVersion,
    ...(event.kind === "teacher_chosen" ? { teacherVersion: String(event.detail?.["version"]) } : {}),
    product: event.kind === "result_ready" ? productOf(event) : job.product,
    dataset: event.kind === "dataset_stored" ? String(event.detail?.["digest"]) : job.dataset,
    judged: transition?.to.kind === "held" ? [...job.judged, transition.to.metrics] : job.judged,
    findings: findingsAfter(job, event),
    annotation: event.kind === "annotated" ? annotationOf(event) : job.annotation,
    ...publicationAfter(job, event),
    ...claimAfter(job, event),
  };
}

/** Nobody owns a job that has left the hands of its owner, in whatever way. */
function claimAfter(job: Job, { kind, transition, detail = {} }: JobEvent): Partial<Job> {
  switch (kind) {
    case "claimed": {
      // `claimEvents` wrote it
      const { trainer, host, generation } = detail as unknown as JobOwner & { readonly generation: number };
      return { owner: { trainer, host }, generation, pauseAsked: undefined };
    }
    case "released":
      return { owner: undefined, pauseAsked: undefined, released: Number(detail["generation"]) };
    case "pause_asked":
      return { pauseAsked: String(detail["by"] ?? "") };
    case "pod":
      return { pod: String(detail["mark"]) };
    case "files_kept":
      return { kept: detail["files"] as readonly KeptFile[] }; // `FileKeeper` wrote it
    default: {
      if (transition === undefined || job.owner === undefined) return {};
      const { to } = transition;
      return isActive(to) || to.kind === "cancelling" ? {} : { owner: undefined, pauseAsked: undefined };
    }
  }
}

/** The time since the event before, unless the server was down in it. The times of day alone tell it in the logs of earlier versions. */
function ranFor({ state, updatedMs }: Job, { kind, timeMs, sinceMs, transition }: JobEvent): number {
  if (state.kind !== "running" || kind === "released" || isLate(transition?.detail)) return 0;
  return Math.max(0, sinceMs ?? timeMs - updatedMs);
}

/** Whether it was recorded by the next server. */
function isLate(detail: string | undefined): boolean {
  return detail === SERVER_ENDED || detail === SERVER_STOPPED;
}

/** A run that is begun again finds its own: what an interrupted one found does not count. */
function findingsAfter({ findings }: Job, { kind, summary, detail }: JobEvent): readonly string[] {
  if (kind === "activity" && summary === "training") return [];
  if (kind !== "warning" || !isFindingReason(detail?.["reason"])) return findings;
  return findings.includes(summary) ? findings : [...findings, summary];
}

/** How far a job is: before its first step, taking steps, or done with them. */
const REACH: Readonly<Partial<Record<JobStateKind, number>>> = { running: 1, evaluating: 2 };

function killsAfter(job: Job, { kind, transition }: JobEvent): Pick<Job, "reach" | "killedServers"> {
  const { reach, killedServers } = job;
  if (transition !== undefined && wasKilled(transition)) {
    // What follows the last step is short, and reads nothing of the job's that was not read before.
    const counts = transition.from !== "evaluating";
    return { reach, killedServers: killedServers + (counts ? 1 : 0) };
  }
  const now = Math.max(reach, REACH[(transition?.to ?? job.state).kind] ?? 0);
  const resumed = transition?.to.kind === "queued" && transition.reason === "USER";
  const stepped = kind === "step_metrics" || kind === "checkpoint_written";
  return { reach: now, killedServers: now > reach || stepped || resumed ? 0 : killedServers };
}

/** Whether a change of state tells that the server was killed, or the process in which the job ran. */
function wasKilled({ to, reason, detail }: StateChange): boolean {
  return detail === SERVER_ENDED || (to.kind === "preempted" && reason === "WORKER_KILLED");
}

function annotationOf({ detail }: JobEvent): Annotation {
  const { note, tags, revision } = detail as unknown as Annotation; // `annotationEvent` wrote it
  return { note, tags, revision };
}

function productOf({ detail }: JobEvent): JobProduct {
  return detail as unknown as JobProduct; // `recordProduct` wrote it
}

function publicationAfter(
  { modelVersion, gateReport, promoted, notPromoted }: Job,
  { kind, detail = {} }: JobEvent,
): Pick<Job, "modelVersion" | "gateReport" | "promoted" | "notPromoted"> {
  switch (kind) {
    case "published":
      return { modelVersion: String(detail["version"]), gateReport: "", promoted: false, notPromoted: "" };
    case "gate_result":
      return { modelVersion, gateReport: JSON.stringify(detail), promoted, notPromoted };
    case "promoted":
      return { modelVersion, gateReport, promoted: true, notPromoted: "" };
    case "not_promoted":
      return { modelVersion, gateReport, promoted, notPromoted: String(detail["why"]) };
    default:
      return { modelVersion, gateReport, promoted, notPromoted };
  }
}

function activityAfter(job: Job, event: JobEvent): string {
  if (event.kind === "activity") return event.summary;
  // What a pod tells before it works is all that there is to know; then its work tells more.
  if (event.kind === "pod" && !isActive(job.state)) return event.summary;
  return event.transition === undefined ? job.activity : "";
}
