import { AlbertError } from "../errors.ts";
import type { Job } from "./job.ts";
import type { JobEvent } from "./job-event.ts";
import type { JobPlan } from "./job-outcome.ts";
import type { JobSpec } from "./job-spec.ts";
import { isTerminal, type JobStateKind } from "./job-state.ts";
import type { AnnotationChange } from "./log/annotation.ts";

// What administrators can do with jobs, and how each of them is read.

export interface JobFilter {
  /** Absent: every state. */
  readonly states?: readonly JobStateKind[];
  readonly model?: string;
  /** Jobs that have all of these; absent: any. */
  readonly tags?: readonly string[];
}

/**
 * Everything an administrator can do with jobs; what `TrainingService` of the wire translates. `by` says who does it, for the
 * job's log; absent where callers are not checked.
 */
export interface JobService {
  /**
   * Queues a job. The same request id with the same specification gives the job that exists.
   *
   * @throws AlbertError invalid-input with every wrong field; already-exists (REQUEST_ID_REUSED) for another specification
   */
  create(requestId: string, spec: JobSpec, by?: string): Promise<{ readonly job: Job; readonly replayed: boolean }>;
  plan(spec: JobSpec): Promise<JobPlan>;
  /**
   * Learns what other servers did with the jobs; does nothing where they belong to this one.
   *
   * @param id  of the one job that matters; unless given, all do
   */
  refresh(id?: string): Promise<void>;
  /** @throws AlbertError not-found (JOB_NOT_FOUND) */
  get(id: string): Job;
  /** Newest first. */
  list(filter?: JobFilter): readonly Job[];
  /**
   * Events after a sequence number, then each new one as it becomes durable; ends after the event that ends the job, or
   * when the signal is aborted. Never cancels the job.
   */
  watch(id: string, afterSequence: number, signal?: AbortSignal): AsyncIterable<JobEvent>;
  /** Stops after the step in hand. @throws AlbertError precondition (ILLEGAL_TRANSITION) for an ended job */
  cancel(id: string, by?: string): Promise<Job>;
  pause(id: string, by?: string): Promise<Job>;
  resume(id: string, by?: string): Promise<Job>;
  /** A new job from another's specification with fields replaced; recipe and labels are merged by key. */
  clone(
    requestId: string,
    id: string,
    overrides: Partial<JobSpec>,
    by?: string,
  ): Promise<{ readonly job: Job; readonly replayed: boolean }>;
  /**
   * Changes the note and the tags of a job, whatever its state.
   *
   * @throws AlbertError invalid-input with every wrong field; conflict (NOTES_CHANGED) when the revision is not the present one
   */
  annotate(id: string, change: AnnotationChange, by?: string): Promise<Job>;
  /** Milliseconds since this server saw a new sign of life of a job's owner; undefined where none owns it, or none was looked for. */
  silentMs(id: string): number | undefined;
  /** Removes a job that has ended, with its log and files. @throws AlbertError precondition (JOB_NOT_ENDED) */
  delete(id: string): Promise<void>;
  /** Stops all work at the next step; jobs at work become preempted and continue when the service is opened again. What is known of jobs can still be asked. */
  stop(): Promise<void>;
  /** Stops all work and lets others take the jobs. */
  close(): Promise<void>;
}

/** The jobs that a filter lets through. */
export function filtered(jobs: readonly Job[], { states, model, tags = [] }: JobFilter = {}): readonly Job[] {
  return jobs
    .filter((job) => states === undefined || states.includes(job.state.kind))
    .filter((job) => model === undefined || job.spec.model === model)
    .filter((job) => tags.every((tag) => job.annotation.tags.includes(tag)));
}

/** A specification with fields replaced; recipe and labels are merged by key. Of a trial it is that of a job by itself. */
export function withOverrides({ trial: _, ...spec }: JobSpec, overrides: Partial<JobSpec>): JobSpec {
  const recipe = { ...spec.recipe, ...overrides.recipe };
  const labels = { ...spec.labels, ...overrides.labels };
  return { ...spec, ...overrides, recipe, labels };
}

/** Refuses to remove a job on which something is still to be done. @throws AlbertError precondition (JOB_NOT_ENDED) */
function requireEnded({ id, state }: Job): void {
  if (isTerminal(state)) return;
  const message = `job ${id} is ${state.kind}: only a job that has ended can be deleted; cancel it first`;
  throw new AlbertError("precondition", message, { reason: "JOB_NOT_ENDED", metadata: { state: state.kind } });
}

/** The trials that go with a sweep; none for other jobs. @throws AlbertError precondition (JOB_NOT_ENDED) */
export function trialsToDelete(job: Job, jobs: readonly Job[]): readonly Job[] {
  const { spec, id } = job;
  const sweep = spec.trial === undefined ? undefined : jobs.find((other) => other.id === spec.trial?.sweep);
  if (sweep !== undefined) {
    const message = `job ${id} is a trial of the sweep ${sweep.id}: it is deleted with that`;
    throw new AlbertError("precondition", message, { reason: "JOB_NOT_ENDED", metadata: { state: job.state.kind } });
  }
  const trials = jobs.filter((other) => other.spec.trial?.sweep === id);
  for (const trial of [job, ...trials]) requireEnded(trial);
  return trials;
}

/** When jobs that have ended are removed. */
export interface JobRetention {
  /** Milliseconds after their end; 0: never. */
  readonly retentionMs?: number;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly every: (milliseconds: number, callback: () => void) => () => void;
  /** Told of what could not be removed; it is tried again. */
  readonly onError: (error: unknown, jobId: string) => void;
}

/** Between two removals of jobs that ended long ago. */
export const RETENTION_INTERVAL_MS = 3_600_000;

/** Removes jobs when they have ended long ago. @returns a function that ends it */
export function retainJobs(
  jobs: Pick<JobService, "list" | "delete">,
  { retentionMs = 0, clock, every, onError }: JobRetention,
): () => void {
  if (retentionMs === 0) return () => {};
  const remove = async () => {
    const before = clock() - retentionMs;
    const all = jobs.list();
    const ids = new Set(all.map(({ id }) => id));
    for (const { id, state, updatedMs, spec } of all) {
      // A trial goes with its sweep.
      if (!isTerminal(state) || updatedMs >= before || ids.has(spec.trial?.sweep ?? "")) continue;
      await jobs.delete(id).catch((error: unknown) => onError(error, id));
    }
  };
  return every(RETENTION_INTERVAL_MS, () => void remove());
}
