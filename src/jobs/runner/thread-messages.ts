import type { TrainingEvent } from "../../training/events.ts";
import type { JobOutcome, JobPlan } from "../job-outcome.ts";
import type { JobPhase } from "../job-runner.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

/** Indexes of the shared flags: 1 says yes. Shared memory, because a thread that computes reads no messages. */
export const FLAGS = { yield: 0, stop: 1 } as const;

/** What a job's thread is started with. */
export interface ThreadTask {
  readonly resolved: ResolvedSpec;
  readonly mode: "work" | "plan";
  readonly flags: Int32Array<SharedArrayBuffer>;
  /** Whether it yields to other threads. */
  readonly background: boolean;
}

/** What a job's thread sends. */
export type ThreadMessage =
  | { readonly kind: "phase"; readonly phase: JobPhase }
  | { readonly kind: "activity"; readonly text: string }
  | { readonly kind: "planned"; readonly plan: JobPlan }
  | { readonly kind: "event"; readonly event: TrainingEvent }
  | { readonly kind: "yielded"; readonly milliseconds: number }
  | { readonly kind: "outcome"; readonly outcome: JobOutcome }
  | { readonly kind: "plan"; readonly plan: JobPlan };
