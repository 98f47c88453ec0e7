import type { ScaledRows, Tensor } from "../tensor.ts";

// An open checkpoint as every format presents it, and the conversion of its floats to float32.

/** A tensor as a file holds it, with 16-bit floats widened and float64 narrowed to float32. */
export interface ArrayTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int8Array | Int32Array | BigInt64Array;
  /** As for {@link Tensor}; finite. */
  readonly scaled?: ScaledRows;
  /** What narrowing did; absent for every tensor that the file does not hold in float64. */
  readonly narrowed?: Narrowing;
}

/** What narrowing float64 to float32 changed in one tensor. */
export interface Narrowing {
  /** Values that no float32 equals, so that the nearest one stands for them. */
  readonly rounded: number;
  /** Position of the first finite value beyond the range of float32; absent when there is none. */
  readonly overflowAt?: number;
}

/** What a checkpoint's table of contents says of one tensor. */
export interface CheckpointEntry {
  /** Element type in the format's own spelling. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** An open checkpoint of either format. Its table of contents has been verified; tensors are read one by one. */
export interface CheckpointReader {
  /** Its name in error messages. */
  readonly name: string;
  readonly entries: ReadonlyMap<string, CheckpointEntry>;
  /**
   * @throws AlbertError not-found (TENSOR_MISSING); corrupt when the bytes contradict their checksum or end early
   */
  read(name: string): Promise<ArrayTensor>;
  /**
   * Checks the bytes of a tensor of any type against its checksum. Absent where the format has none.
   *
   * @throws AlbertError as `read`
   */
  verify?(name: string): Promise<void>;
}

/** Whether a tensor holds (possibly widened) floats. */
export function isFloat(tensor: ArrayTensor): tensor is Tensor {
  return tensor.scaled !== undefined || tensor.data instanceof Float32Array;
}

/** Widens 16-bit floats: IEEE half precision ("F16"), or the upper half of a float32 ("BF16"). Exact for every value. */
export function toFloat32(halves: Uint16Array, format: "F16" | "BF16"): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    bits[i] = format === "BF16" ? halves[i]! << 16 : float32BitsOfHalf(halves[i]!);
  }
  return new Float32Array(bits.buffer);
}

/** Narrows float64 to the nearest float32, and counts what that changes. NaN stays NaN and does not count. */
export function fromFloat64(values: Float64Array): Required<Pick<ArrayTensor, "narrowed">> & { data: Float32Array } {
  const data = Float32Array.from(values);
  let rounded = 0;
  let overflowAt: number | undefined;
  for (let i = 0; i < data.length; i++) {
    const wide = values[i]!;
    if (data[i] === wide || Number.isNaN(wide)) continue;
    rounded++;
    if (overflowAt === undefined && !Number.isFinite(data[i]!)) overflowAt = i;
  }
  return { data, narrowed: { rounded, ...(overflowAt === undefined ? {} : { overflowAt }) } };
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
