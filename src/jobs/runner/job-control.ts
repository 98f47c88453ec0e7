import { invalidInput } from "../../errors.ts";
import type { TrainingOutcome } from "../../training/loop.ts";
import { TASKS, type Task } from "../../training/recipes.ts";
import type { WorkHooks } from "../job-runner.ts";
import type { WorkOrder } from "./resolved-spec.ts";

/** Part of the training data that is held out where a job names no evaluation data. */
export const HELD_OUT_SHARE = 0.1;

/** What stops and holds back work from outside; asked between two steps. */
export interface WorkControl {
  readonly hooks: WorkHooks;
  readonly signal: AbortSignal;
  /** Awaited before every step; aborts the signal when the work is to stop. */
  readonly beforeStep: (step: number) => Promise<void> | void;
}

/** @param field what the caller calls it. @throws AlbertError invalid-input for an unknown task */
export function taskOf(name: string, field = "spec.task"): Task {
  const task = TASKS.find((known) => known === name);
  if (task !== undefined) return task;
  throw invalidInput([{ field, description: `expected one of ${TASKS.join(", ")}` }]);
}

/** A part of the order that this kind of job cannot do without. */
export function required<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw invalidInput([{ field: `spec.${field}`, description: "this kind of job needs it" }]);
}

/** Stops at the job's own bound on steps as at an abort. */
export function stepLimit({ spec }: WorkOrder, beforeStep: WorkControl["beforeStep"], signal: AbortSignal) {
  const reached = new AbortController();
  return {
    signal: AbortSignal.any([signal, reached.signal]),
    beforeStep: async (step: number) => {
      if (spec.maxSteps > 0 && step >= spec.maxSteps) reached.abort();
      await beforeStep(step);
    },
  };
}

/** What is left of the bound on time, as the training loop takes it. */
export function wallLimit({ spec, spentMs = 0 }: Pick<WorkOrder, "spec" | "spentMs">): {
  readonly timeLimitMs?: number;
} {
  return spec.maxWallSeconds > 0 ? { timeLimitMs: Math.max(0, spec.maxWallSeconds * 1000 - spentMs) } : {};
}

/** Why a run ended, in the words of a job. */
export function stopReason(
  { spec }: WorkOrder,
  { stoppedBy, progress }: TrainingOutcome,
  signal: AbortSignal,
): "stopped" | { readonly stoppedBy?: "early_stopping" | "max_wall_seconds" | "max_steps" } {
  switch (stoppedBy) {
    case "completed":
      return {};
    case "early-stopping":
      return { stoppedBy: "early_stopping" };
    case "deadline":
      return { stoppedBy: "max_wall_seconds" };
    case "aborted":
      return spec.maxSteps > 0 && progress.step >= spec.maxSteps && !signal.aborted
        ? { stoppedBy: "max_steps" }
        : "stopped";
  }
}
