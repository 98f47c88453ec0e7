import type { TrainingEvent } from "../training/events.ts";
import type { Job } from "./job.ts";
import type { JobOutcome, JobPlan } from "./job-outcome.ts";
import type { JobSpec } from "./job-spec.ts";

// The contract between the service, which keeps the logs, and whatever runs a job: a thread in a server, a stand-in in tests.

/** The progress of a job's run. */
export type JobPhase = "validated" | "prepared" | "trained";

/** What a run reports while it goes on. */
export interface JobHooks {
  /**
   * The stored version that the job starts from, as "name@7", now that it is known; the job keeps to it whatever its aliases
   * say later. Resolves when that is on disk.
   */
  startChosen(version: string): Promise<void>;
  /** The same of the version that a distillation learns from. */
  teacherChosen(version: string): Promise<void>;
  phase(phase: JobPhase): void;
  activity(text: string): void;
  planned(plan: JobPlan): void;
  event(event: TrainingEvent): void;
  /** The run waited for serving. */
  yielded(milliseconds: number): void;
}

/** The run of one job, under way. */
export interface JobRun {
  readonly done: Promise<JobOutcome>;
  /** Asks it to stop: at once while its data is being read, afterwards when the step in hand is done. */
  stop(): void;
  /** While true, no step begins. */
  setYield(yielding: boolean): void;
}

/** Runs and plans jobs. */
export interface JobRunner {
  /** @param directory  the job's own, for its files */
  start(job: Job, directory: string, hooks: JobHooks): JobRun;
  plan(spec: JobSpec): Promise<JobPlan>;
  /** Ends what is being planned. */
  close(): Promise<void>;
}
