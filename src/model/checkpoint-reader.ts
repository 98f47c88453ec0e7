import type { Tensor } from "./tensor.ts";

/** A tensor as a file holds it, with half-precision floats widened. */
export interface ArrayTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array;
}

/** What a checkpoint's table of contents says of one tensor. */
export interface CheckpointEntry {
  /** Element type in the format's own spelling. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** An open checkpoint of either format. Its table of contents has been verified; tensors are read one by one. */
export interface CheckpointReader {
  /** How error messages call it. */
  readonly name: string;
  readonly entries: ReadonlyMap<string, CheckpointEntry>;
  /**
   * @throws AlbertError not-found (TENSOR_MISSING); corrupt when the bytes contradict their checksum or end early
   */
  read(name: string): Promise<ArrayTensor>;
}

/** Whether a tensor holds (possibly widened) floats. */
export function isFloat(tensor: ArrayTensor): tensor is Tensor {
  return tensor.data instanceof Float32Array;
}

/** Widens 16-bit floats: IEEE half precision ("F16"), or the upper half of a float32 ("BF16"). Exact for every value. */
export function toFloat32(halves: Uint16Array, format: "F16" | "BF16"): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    bits[i] = format === "BF16" ? halves[i]! << 16 : float32BitsOfHalf(halves[i]!);
  }
  return new Float32Array(bits.buffer);
}

function float32BitsOfHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  let fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  let shifts = 0; // a subnormal half is a normal float32: shift its leading one into the implicit place
  while ((fraction & 0x400) === 0) {
    fraction <<= 1;
    shifts++;
  }
  return sign | ((113 - shifts) << 23) | ((fraction & 0x3ff) << 13);
}
