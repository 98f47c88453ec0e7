import { invariant } from "../../errors.ts";
import { toHalves } from "../../model/formats/half-precision.ts";
import { sizeOf } from "../../model/tensor.ts";

// Constants of an ONNX graph: element types, values and their bytes.

/** Element types that our graphs use, in ONNX Runtime's spelling. */
export type OnnxType =
  | "float32"
  | "float16"
  | "uint8"
  | "int8"
  | "int32"
  | "int64"
  | "bool"
  | "uint32"
  | "uint64"
  | "float64";

/** Values of a constant. Booleans are bytes of 0 and 1, a float16 is given by its bits. */
export type OnnxData =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Uint16Array
  | Int8Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/**
 * A dense constant of a graph, row-major. Large values may be given as a function, called when the model is written: then
 * only one of them needs to be in memory at a time.
 */
export interface OnnxTensor {
  readonly dtype: OnnxType;
  readonly dims: readonly number[];
  readonly data: OnnxData | (() => OnnxData);
}

/** `TensorProto.DataType` of each element type, and of one that values have inside of graphs only. */
export const DATA_TYPE: Readonly<Record<OnnxType | "bfloat16", number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};

/** Bytes of one element. */
const BYTES_PER_ELEMENT: Readonly<Record<OnnxType, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
  uint32: 4,
  uint64: 8,
};

/** A constant from plain numbers, such as `tensor("int64", [2], [0, -1])`. */
export function tensor(dtype: OnnxType, dims: readonly number[], values: readonly number[]): OnnxTensor {
  return { dtype, dims, data: fromNumbers(dtype, values) };
}

/** A float32 constant over existing values, which are not copied, or over values made when they are written. */
export function float32(dims: readonly number[], data: Float32Array | (() => Float32Array)): OnnxTensor {
  return { dtype: "float32", dims, data };
}

/** Bytes that the values of a constant take. */
export function byteLengthOf({ dtype, dims }: OnnxTensor): number {
  return sizeOf(dims) * BYTES_PER_ELEMENT[dtype];
}

/** The constant's memory as bytes, after checking that type, shape and length agree. */
export function rawBytes(name: string, value: OnnxTensor): Uint8Array {
  const { dtype, dims } = value;
  const data = typeof value.data === "function" ? value.data() : value.data;
  invariant(
    data.length === sizeOf(dims) && data.BYTES_PER_ELEMENT === BYTES_PER_ELEMENT[dtype],
    `constant ${name} of type ${dtype} [${dims}] holds ${data.length} elements of ${data.BYTES_PER_ELEMENT} bytes`,
  );
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function fromNumbers(dtype: OnnxType, values: readonly number[]): OnnxData {
  switch (dtype) {
    case "float32":
      return Float32Array.from(values);
    case "float64":
      return Float64Array.from(values);
    case "uint8":
    case "bool":
      return Uint8Array.from(values);
    case "float16":
      return toHalves(Float32Array.from(values));
    case "int8":
      return Int8Array.from(values);
    case "int32":
      return Int32Array.from(values);
    case "uint32":
      return Uint32Array.from(values);
    case "int64":
      return BigInt64Array.from(values, BigInt);
    case "uint64":
      return BigUint64Array.from(values, BigInt);
  }
}
