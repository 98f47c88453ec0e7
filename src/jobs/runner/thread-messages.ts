import type { TrainingEvent } from "../../training/events.ts";
import type { JobOutcome, JobPlan } from "../job-outcome.ts";
import type { JobPhase } from "../job-runner.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

// What a job's thread and its runner tell each other.

/** Indexes of the shared flags of a job's thread: 1 says yes. */
export const FLAGS = { yield: 0, stop: 1 } as const;

/** How many there are. */
export const FLAG_COUNT = Object.keys(FLAGS).length;

/** What a job's thread is started with. */
export interface ThreadTask {
  readonly resolved: ResolvedSpec;
  readonly mode: "work" | "plan";
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
