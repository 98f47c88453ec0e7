// Tensors and parameters as plain data: what every room passes weights in.

/** A dense float32 tensor in row-major order. `data.length` is the product of `shape`. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** The same values in a quarter of the memory, where they came so. `data` is then made when it is first asked for. */
  readonly scaled?: ScaledRows;
}

/** A matrix [rows, columns] in whole steps: a value is its step times the scale of its row, rounded to float32. */
export interface ScaledRows {
  /** int8 [rows, columns] */
  readonly steps: Int8Array;
  /** float32 [rows] */
  readonly scales: Float32Array;
}

/**
 * A model's weights, keyed by official (TensorFlow) variable name, kernels laid out `[in, out]`.
 * Every room inside the program speaks these names; other names exist only in checkpoint readers and writers.
 */
export type Parameters = ReadonlyMap<string, Tensor>;

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}
