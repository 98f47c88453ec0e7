import { nearest } from "../../config/nearest.ts";
import { invalidInput } from "../../errors.ts";
import type { BestResult } from "../checkpoints.ts";

// Chooses the best evaluation of a run.

/** Which evaluation is the best one, and how long a run goes on without a better. */
export interface Selection {
  readonly metric: string;
  /** Whether more of it is better; a loss is less. */
  readonly goal: "highest" | "lowest";
  /** Evaluations without improvement after which the run stops. Absent: it runs through. */
  readonly patience?: number;
}

/**
 * Refuses a metric that evaluation will not report, before any step is taken: an early stopping that can never fire is
 * worse than none.
 *
 * @param field  what the caller calls the metric
 * @throws AlbertError invalid-input naming the metric that was probably meant
 */
export function checkSelection({ metric, patience }: Selection, available: readonly string[], field = "metric"): void {
  if (!available.includes(metric)) {
    const inside = available.find((name) => metric.includes(name) || name.includes(metric));
    const meant = inside ?? nearest(metric, available);
    const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
    throw invalidInput([{ field, description: `evaluation reports ${available.join(", ")}, not ${metric}${hint}` }]);
  }
  if (patience !== undefined && (!Number.isInteger(patience) || patience < 1)) {
    throw invalidInput([{ field: "patience", description: `expected an integer >= 1, got ${patience}` }]);
  }
}

/** The best of what was and a new evaluation; an undefined or NaN value never wins, and ties keep the earlier one. */
export function better(
  { metric, goal }: Selection,
  best: BestResult | undefined,
  metrics: Readonly<Record<string, number>>,
  step: number,
): BestResult | undefined {
  const value = metrics[metric];
  if (value === undefined || Number.isNaN(value)) return best;
  const wins = best === undefined || (goal === "highest" ? value > best.value : value < best.value);
  return wins ? { metric, value, step } : best;
}
