import type { Executor, ExecutorOptions, StepSpec, TrainState } from "../step/training-step.ts";
import { checkPrecision } from "./executor-options.ts";
import { OnnxExecutor } from "./onnx-executor.ts";
import { loadTfjsBackend } from "./tfjs-backend.ts";
import { TfjsExecutor } from "./tfjs-executor.ts";

/**
 * Starts an executor on a copy of the given state. Sums over all parameters, such as the gradient's norm, are taken in the
 * order of their names: a state read from a file holds them in another order than one that was just made, and float sums
 * depend on it.
 *
 * @throws AlbertError invalid-input where the executor has no such precision
 */
export async function openExecutor(spec: StepSpec, state: TrainState, options: ExecutorOptions): Promise<Executor> {
  checkPrecision(options);
  const parameters = new Map([...state.parameters].sort(([a], [b]) => (a < b ? -1 : 1)));
  const ordered = { ...state, parameters };
  return options.kind === "onnx"
    ? new OnnxExecutor(spec, ordered, options)
    : new TfjsExecutor(spec, ordered, await loadTfjsBackend());
}
