import type { Batch } from "./training-step.ts";

// The data of one step, and where it comes from. Types only.

/** The data of one optimizer step. */
export interface StepData {
  readonly microBatches: readonly Batch[];
  readonly examples: number;
  /** Tokens of real text, and tokens computed with padding. */
  readonly tokens: number;
  readonly computedTokens: number;
}

/** Where a run's batches come from: a pure function of the attempt and the step. */
export interface StepSource {
  readonly stepsPerEpoch: number;
  /** @param attempt  how often the run was restarted after a divergence; each attempt shuffles anew */
  step(step: number, attempt: number): Promise<StepData>;
}
