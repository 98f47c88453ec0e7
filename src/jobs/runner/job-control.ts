import { invalidInput } from "../../errors.ts";
import type { TrainingOutcome } from "../../training/loop.ts";
import type { AppliedSetting } from "../../training/plan.ts";
import { TASKS, type Task } from "../../training/settings/recipes.ts";
import { stepsAt } from "../../training/sweeps/sweep.ts";
import type { JobHooks } from "../job-runner.ts";
import type { StoppedBy } from "../job-state.ts";
import type { ResolvedSpec } from "./resolved-spec.ts";

// What every kind of job uses: its control from outside, its bounds, its place on the disk. It knows no kind of job.

/** Where a job keeps what it makes, inside its directory. */
export const WORK_DIRECTORY = "work";
export const MODEL_DIRECTORY = "model";

/** Part of the training data that is held out where a job names no evaluation data. */
export const HELD_OUT_SHARE = 0.1;

/** What stops and holds back a job from outside; asked between two steps. */
export interface JobControl {
  readonly hooks: JobHooks;
  readonly signal: AbortSignal;
  /** Awaited before every step; aborts the signal when the job is to stop. */
  readonly beforeStep: (step: number) => Promise<void> | void;
}

/** Control of a run that is only tried out: it reports nothing, and nothing stops it. */
export const NO_OP_CONTROL: JobControl = {
  hooks: {
    async startChosen() {},
    async teacherChosen() {},
    phase() {},
    activity() {},
    planned() {},
    event() {},
    yielded() {},
  },
  signal: new AbortController().signal,
  beforeStep() {},
};

/** A setting with where it comes from. @param given  names in the job's recipe */
export function appliedSetting(name: string, value: unknown, given: readonly string[]): AppliedSetting {
  return { name, value: String(value), origin: given.includes(name) ? "given" : "default" };
}

/**
 * The task of a name.
 *
 * @param field  what the caller calls it
 * @throws AlbertError invalid-input for an unknown task
 */
export function taskOf(name: string, field = "spec.task"): Task {
  const task = TASKS.find((known) => known === name);
  if (task !== undefined) return task;
  throw invalidInput([{ field, description: `expected one of ${TASKS.join(", ")}` }]);
}

/** A part of the resolved specification that this kind of job requires. */
export function required<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw invalidInput([{ field: `spec.${field}`, description: "this kind of job needs it" }]);
}

/** The job's own bound on steps, as the training loop takes it; of a trial, that of the rung to which it goes. @param steps  of the whole run */
export function stepLimit(
  resolved: Pick<ResolvedSpec, "spec" | "judgedBefore">,
  steps: number,
): { readonly maxSteps?: number } {
  const { maxSteps } = resolved.spec;
  const share = rungOf(resolved);
  if (share < 1) return { maxSteps: stepsAt({ share }, maxSteps > 0 ? Math.min(maxSteps, steps) : steps) };
  return maxSteps > 0 ? { maxSteps } : {};
}

/** The share of its steps at which a trial is judged next; 1 for the end, and for every other job. */
export function rungOf({ spec, judgedBefore = 0 }: Pick<ResolvedSpec, "spec" | "judgedBefore">): number {
  return spec.trial?.shares[judgedBefore] ?? 1;
}

/** What is left of the bound on time, as the training loop takes it. */
export function wallLimit({ spec, spentMs = 0 }: Pick<ResolvedSpec, "spec" | "spentMs">): {
  readonly timeLimitMs?: number;
} {
  return spec.maxWallSeconds > 0 ? { timeLimitMs: Math.max(0, spec.maxWallSeconds * 1000 - spentMs) } : {};
}

/** Why a run ended, in the words of a job. */
export function stopReason({
  stoppedBy,
}: Pick<TrainingOutcome, "stoppedBy">): "stopped" | { readonly stoppedBy?: StoppedBy } {
  switch (stoppedBy) {
    case "completed":
      return {};
    case "early-stopping":
      return { stoppedBy: "early_stopping" };
    case "deadline":
      return { stoppedBy: "max_wall_seconds" };
    case "max-steps":
      return { stoppedBy: "max_steps" };
    case "aborted":
      return "stopped";
  }
}
