import type { StartSpec } from "../../training/starting-model.ts";
import type { ExecutorOptions } from "../../training/step.ts";
import type { JobSpec } from "../job-spec.ts";

/** A job with everything it names made into paths of this machine: what a worker thread is given. */
export interface WorkOrder {
  readonly jobId: string;
  readonly spec: JobSpec;
  /** Absent for kinds that need no model. */
  readonly start?: StartSpec;
  /** The stored version that `start` is, as "name@7"; absent where it is none. */
  readonly startVersion?: string;
  /** Vocabulary of a kind that needs one and no model. */
  readonly vocabulary?: { readonly path: string; readonly lowerCase: boolean };
  readonly train?: string;
  readonly eval?: string;
  /** Milliseconds for which earlier attempts took steps; they count for the job's bound on time. */
  readonly spentMs?: number;
  /** The job's own directory. */
  readonly directory: string;
  /** Features and tokenised text, which jobs share. */
  readonly cache: string;
  readonly executor: ExecutorOptions;
  /** Version of this program. */
  readonly program: string;
}

/** Where a job keeps what it makes, inside its directory. */
export const WORK_DIRECTORY = "work";
export const MODEL_DIRECTORY = "model";
