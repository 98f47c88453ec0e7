import {
  engine,
  getBackend,
  getKernel,
  type NamedAttrMap,
  type NamedTensorMap,
  type Tensor,
} from "@tensorflow/tfjs-core";

// Fused kernels that a TensorFlow.js backend may offer, and how they are called.

/**
 * Kernels beyond TensorFlow.js's own that a backend may register under these names. Only the tracing backend does; the
 * callers compose the same function from ordinary operations elsewhere.
 */
export type FusedKernel = "LayerNormalization" | "FastGelu" | "KeepMask" | "LogSoftmax";

/** Whether the current backend has the kernel. */
export function hasFused(kernel: FusedKernel): boolean {
  return getKernel(kernel, getBackend()) !== undefined;
}

/** Runs a fused kernel with one output. */
export function runFused<T extends Tensor>(kernel: FusedKernel, inputs: NamedTensorMap, attributes: NamedAttrMap): T {
  return engine().runKernel(kernel, inputs, attributes) as T;
}

/** Runs a fused kernel with several outputs. */
export function runFusedAll(kernel: FusedKernel, inputs: NamedTensorMap, attributes: NamedAttrMap): Tensor[] {
  return engine().runKernel(kernel, inputs, attributes) as Tensor[];
}
