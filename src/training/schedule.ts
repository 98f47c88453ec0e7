import { type FieldViolation, invalidInput } from "../errors.ts";

// The learning rate of each step. Pure arithmetic.

/**
 * How the learning rate moves over a run.
 *
 * - `official`: linear warmup, then polynomial decay counted from step 0, exactly as Google's scripts compute it. Three
 *   quirks follow, and are kept because published results carry them: with a warmup the first update has rate 0 (its
 *   moments still move); the decay is not re-based, so the rate drops at the end of the warmup; therefore the nominal
 *   rate is never reached.
 * - `rebased`: warmup reaches the nominal rate, and the decay starts from there.
 * - `cosine`: as `rebased`, falling along half a cosine to 0.
 * - `constant`: warmup, then the nominal rate.
 */
export const SCHEDULE_SHAPES = ["official", "rebased", "cosine", "constant"] as const;
export type ScheduleShape = (typeof SCHEDULE_SHAPES)[number];

export interface Schedule {
  readonly shape: ScheduleShape;
  /** Nominal ("initial") learning rate. */
  readonly learningRate: number;
  /** Updates of the whole run; from here on the rate is 0 (`constant` excepted). */
  readonly totalSteps: number;
  readonly warmupSteps: number;
  /** Exponent of the polynomial decay; 1 in every published recipe. */
  readonly power?: number;
  /**
   * Step the warmup starts counting from, as official pretraining allows. Earlier steps would get a negative rate, as
   * they do in the official code. 0 if absent.
   */
  readonly warmupStart?: number;
}

/**
 * Learning rate of one update, in float32 arithmetic with one rounding per operation: equal bit for bit to the rate the
 * official graph computes.
 *
 * @param step updates applied before this one; the first update is step 0
 */
export function learningRateAt(schedule: Schedule, step: number): number {
  const { shape, warmupSteps: W, totalSteps: N } = schedule;
  const lr = f32(schedule.learningRate);
  const sinceStart = step - (schedule.warmupStart ?? 0);
  if (W > 0 && sinceStart < W) return f32(lr * f32(sinceStart / W));
  switch (shape) {
    case "official":
      return f32(lr * remaining(Math.min(step, N) / N, schedule.power ?? 1));
    case "rebased":
      return f32(lr * remaining(progressAfterWarmup(step, W, N), schedule.power ?? 1));
    case "cosine":
      return f32(lr * f32(0.5 * (1 + Math.cos(Math.PI * progressAfterWarmup(step, W, N)))));
    case "constant":
      return lr;
  }
}

/** @throws AlbertError invalid-input naming every field that makes no schedule */
export function checkSchedule(schedule: Schedule): void {
  const violations: FieldViolation[] = [];
  const { learningRate, totalSteps, warmupSteps, power = 1 } = schedule;
  if (!(learningRate > 0 && learningRate < 1)) {
    violations.push({ field: "learning_rate", description: `expected a number between 0 and 1, got ${learningRate}` });
  }
  if (!Number.isInteger(totalSteps) || totalSteps < 1) {
    violations.push({ field: "train_step", description: `expected an integer >= 1, got ${totalSteps}` });
  }
  if (!Number.isInteger(warmupSteps) || warmupSteps < 0) {
    violations.push({ field: "warmup_step", description: `expected an integer >= 0, got ${warmupSteps}` });
  } else if (warmupSteps >= totalSteps && warmupSteps > 0) {
    violations.push({
      field: "warmup_step",
      description: `${warmupSteps} warmup steps leave nothing of ${totalSteps} steps; use fewer (6-10 % is usual)`,
    });
  }
  if (!(power > 0)) violations.push({ field: "poly_power", description: `expected a number > 0, got ${power}` });
  if (violations.length > 0) throw invalidInput(violations);
}

const f32 = Math.fround;

/** (1 - progress) ** power, rounded as float32 operations would. */
function remaining(progress: number, power: number): number {
  const left = f32(1 - f32(progress));
  return power === 1 ? left : f32(left ** f32(power));
}

function progressAfterWarmup(step: number, warmupSteps: number, totalSteps: number): number {
  return Math.min(Math.max(step - warmupSteps, 0) / Math.max(totalSteps - warmupSteps, 1), 1);
}
