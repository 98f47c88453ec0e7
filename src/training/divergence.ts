import type { StepResult, TrainState } from "./step/training-step.ts";

// Tells whether a run has diverged, from its losses, gradients and weights. What then happens is decided by the loop.

/** Sums of the window of steps that is being watched; part of a checkpoint, so that a resumed run decides alike. */
export interface DivergenceWindow {
  readonly steps: number;
  readonly examples: number;
  readonly lossSum: number;
  /** How often each label was predicted. */
  readonly predicted: readonly number[];
}

export const EMPTY_WINDOW: DivergenceWindow = { steps: 0, examples: 0, lossSum: 0, predicted: [] };

export interface DivergenceRule {
  /** Labels of a single-label classification; absent for other objectives, of which only NaN and infinity are watched. */
  readonly labels?: number;
  /** Steps before this one are not judged: the warmup. */
  readonly fromStep: number;
  /** Steps of one window; 2 % of the run and at least 50 is a good choice. */
  readonly windowSteps: number;
}

/** What is wrong with a run. */
export interface Divergence {
  readonly reason: "NON_FINITE" | "CONSTANT_PREDICTIONS";
  readonly message: string;
}

/** Loss within this factor of chance, with one label predicted throughout, is a collapse. */
const CHANCE = 0.97;

/**
 * Judges one step. A run has diverged when its loss or gradient is not finite; it has collapsed when over a whole
 * window the model answered one and the same label while its loss stayed at that of guessing (ln C).
 */
export function detectDivergence(
  rule: DivergenceRule,
  window: DivergenceWindow,
  step: number,
  result: StepResult,
): { readonly window: DivergenceWindow; readonly divergence?: Divergence } {
  if (!Number.isFinite(result.loss) || !Number.isFinite(result.gradNorm)) {
    const message = `step ${step}: loss ${result.loss}, gradient norm ${result.gradNorm}`;
    return { window: EMPTY_WINDOW, divergence: { reason: "NON_FINITE", message } };
  }
  if (rule.labels === undefined || rule.labels < 2 || step < rule.fromStep) return { window };
  const grown: DivergenceWindow = {
    steps: window.steps + 1,
    examples: window.examples + (result.metrics["weight"] ?? 0),
    lossSum: window.lossSum + result.loss,
    predicted: Array.from(
      { length: rule.labels },
      (_, label) => (window.predicted[label] ?? 0) + (result.metrics[`predicted_${label}`] ?? 0),
    ),
  };
  if (grown.steps < rule.windowSteps) return { window: grown };
  const predictions = grown.predicted.reduce((sum, count) => sum + count, 0);
  const loss = grown.lossSum / grown.steps;
  const collapsed =
    predictions > 0 && Math.max(...grown.predicted) >= predictions * 0.999 && loss >= CHANCE * Math.log(rule.labels);
  if (!collapsed) return { window: EMPTY_WINDOW };
  const label = grown.predicted.indexOf(Math.max(...grown.predicted));
  const message =
    `steps ${step - grown.steps + 1} to ${step}: every prediction was label ${label} and the loss ${loss.toFixed(4)} ` +
    `is that of guessing (ln ${rule.labels} = ${Math.log(rule.labels).toFixed(4)})`;
  return { window: EMPTY_WINDOW, divergence: { reason: "CONSTANT_PREDICTIONS", message } };
}

/**
 * Finds the first tensor of a state with a value that is not finite. An update can break the weights although its own loss and
 * gradient were finite; such a state must be neither evaluated nor written.
 *
 * @param step  updates that made the state
 */
export function nonFiniteState(state: TrainState, step: number): Divergence | undefined {
  const { parameters, adamM, adamV, ema } = state;
  for (const [slot, tensors] of Object.entries({ parameters, adamM, adamV, ema })) {
    for (const [name, { data }] of tensors) {
      const place = data.findIndex((value) => !Number.isFinite(value));
      if (place < 0) continue;
      const message = `after step ${step}: ${slot} of ${name} holds ${data[place]}`;
      return { reason: "NON_FINITE", message };
    }
  }
  return undefined;
}
