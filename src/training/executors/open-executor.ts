import type { Executor, ExecutorOptions, StepSpec, TrainState } from "../step.ts";
import { OnnxExecutor } from "./onnx-executor.ts";
import { loadTfjsBackend } from "./tfjs-backend.ts";
import { TfjsExecutor } from "./tfjs-executor.ts";

/** Starts an executor on a copy of the given state. */
export async function openExecutor(spec: StepSpec, state: TrainState, options: ExecutorOptions): Promise<Executor> {
  return options.kind === "onnx"
    ? new OnnxExecutor(spec, state, options)
    : new TfjsExecutor(spec, state, await loadTfjsBackend());
}
