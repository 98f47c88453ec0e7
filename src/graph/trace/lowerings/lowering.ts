import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../../errors.ts";
import type { Recorder, TraceDevice, TracedType } from "../recorder.ts";

// What every lowering of a TensorFlow.js kernel uses: the call, its inputs and its attributes.

/** A TensorFlow.js kernel call while tracing. */
export interface KernelCall {
  readonly recorder: Recorder;
  readonly device: TraceDevice;
  readonly inputs: NamedTensorInfoMap;
  readonly attributes: NamedAttrMap;
}

/** Records the ONNX operators that one TensorFlow.js kernel stands for. */
export type Lowering = (call: KernelCall) => TensorInfo | TensorInfo[];

export type LoweringTable = Readonly<Record<string, Lowering>>;

/** Input `name` of a kernel call. */
export function input(call: KernelCall, name: string): TensorInfo {
  const value = call.inputs[name];
  invariant(value !== undefined, `a traced kernel has no input ${name}`);
  return value;
}

/** Attribute `name` of a kernel call; its type is fixed by the kernel's contract in TensorFlow.js. */
export function attribute<T>(call: KernelCall, name: string): T {
  return call.attributes[name] as T;
}

/** Shape and element type of a tensor of the trace. */
export function typeOf(tensor: TensorInfo): { shape: number[]; dtype: TracedType } {
  // The tracing backend only ever makes tensors of traced types.
  return { shape: tensor.shape, dtype: tensor.dtype as TracedType };
}
