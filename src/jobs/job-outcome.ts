import type { JobProblem, JobReason, StoppedBy } from "./job-state.ts";

// What a job would do, what it made and how its run ended: plain data that crosses from the job's thread into its log.

/** What a job would do, without queueing it. */
export interface JobPlan {
  /** Everything for which the job would be refused or rejected. The numbers are 0 where it cannot be planned. */
  readonly problems: readonly JobProblem[];
  readonly steps: number;
  /** Tokens of the whole run, without padding. */
  readonly tokens: number;
  /** Share of computed tokens that are padding, 0..1. */
  readonly paddingShare: number;
  readonly peakMemoryBytes: number;
  readonly diskBytes: number;
  readonly etaSeconds: number;
  /** Every setting that will apply, and where it comes from. */
  readonly settings: readonly { readonly name: string; readonly value: string; readonly origin: string }[];
}

/** A plan that says nothing yet; each kind of job fills in what it knows. */
export const EMPTY_PLAN: JobPlan = {
  problems: [],
  steps: 0,
  tokens: 0,
  paddingShare: 0,
  peakMemoryBytes: 0,
  diskBytes: 0,
  etaSeconds: 0,
  settings: [],
};

/** What the run of a job made. */
export interface JobProduct {
  readonly metrics: Readonly<Record<string, number>>;
  /** A finished model directory to publish; absent for kinds that make none. */
  readonly modelDirectory?: string;
  /** A finished file to keep as a dataset; absent for kinds that make none. */
  readonly file?: { readonly name: string; readonly path: string };
  /** What an evaluation found about a stored version, "name@7", as a file to keep with it. */
  readonly report?: { readonly version: string; readonly path: string };
  readonly stoppedBy?: StoppedBy;
}

/** How the run of a job ended. */
export type JobOutcome =
  | ({ readonly kind: "finished" } & JobProduct)
  /** A trial that came to a rung before its end: with a valid checkpoint, and the figures that it is judged by. */
  | { readonly kind: "held"; readonly metrics: Readonly<Record<string, number>> }
  /** Stopped as asked, with a valid checkpoint. */
  | { readonly kind: "stopped" }
  /** The specification or its data is at fault. */
  | { readonly kind: "rejected"; readonly reason: JobReason; readonly problems: readonly JobProblem[] }
  /** The process in which it ran was killed; it may go on from its last checkpoint. */
  | { readonly kind: "killed"; readonly message: string }
  | { readonly kind: "failed"; readonly reason: JobReason; readonly message: string };
