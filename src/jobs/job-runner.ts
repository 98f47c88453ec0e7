import type { TrainingEvent } from "../training/events.ts";
import type { Job } from "./job.ts";
import type { JobPlan } from "./job-service.ts";
import type { JobProblem, JobReason } from "./job-state.ts";

/** How far the work on a job has come. */
export type WorkPhase = "validated" | "prepared" | "trained";

/** What the work on a job made. */
export interface WorkProduct {
  readonly metrics: Readonly<Record<string, number>>;
  /** A finished model directory to publish; absent for kinds that make none. */
  readonly modelDirectory?: string;
  /** A finished file to keep as a dataset; absent for kinds that make none. */
  readonly file?: { readonly name: string; readonly path: string };
  readonly stoppedBy?: "early_stopping" | "max_wall_seconds" | "max_steps";
}

/** How the work on a job ended. */
export type WorkOutcome =
  | ({ readonly kind: "finished" } & WorkProduct)
  /** Stopped as asked, with a valid checkpoint. */
  | { readonly kind: "stopped" }
  /** The specification or its data is at fault. */
  | { readonly kind: "rejected"; readonly reason: JobReason; readonly problems: readonly JobProblem[] }
  | { readonly kind: "failed"; readonly reason: JobReason; readonly message: string };

/** What work says while it goes on. */
export interface WorkHooks {
  /**
   * The stored version that the job starts from, as "name@7", now that it is known; the job keeps to it whatever its aliases
   * say later. Resolves when that is on disk.
   */
  startChosen(version: string): Promise<void>;
  phase(phase: WorkPhase): void;
  activity(text: string): void;
  planned(plan: JobPlan): void;
  event(event: TrainingEvent): void;
  /** The work stood still for serving. */
  yielded(milliseconds: number): void;
}

/** Work on one job, under way. */
export interface RunningWork {
  readonly done: Promise<WorkOutcome>;
  /** Asks it to stop: at once while its data is being read, afterwards when the step in hand is done. */
  stop(): void;
  /** While true, no step begins. */
  setYield(yielding: boolean): void;
}

/** Does jobs: on a worker thread in a server, by a stand-in in tests. */
export interface JobWorker {
  /** @param directory  the job's own, for its files */
  start(job: Job, directory: string, hooks: WorkHooks): RunningWork;
  plan(spec: Job["spec"]): Promise<JobPlan>;
  /** Ends what is being planned. */
  close(): Promise<void>;
}
