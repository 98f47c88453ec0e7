import type { OptimizerOptions } from "../step/training-step.ts";

/** Every number of an optimizer, defaults filled in. */
export type OptimizerSettings = Required<OptimizerOptions>;

/** The official scripts' values where nothing else is asked for. */
export function optimizerSettings(options: OptimizerOptions): OptimizerSettings {
  return { beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01, clipNorm: 1, ...options };
}
