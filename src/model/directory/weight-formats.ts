import { AlbertError } from "../../errors.ts";
import { LARGEST_HALF, toHalves } from "../formats/half-precision.ts";
import type { StoredTensor } from "../formats/safetensors-writer.ts";
import { quantiseRows, scaleName } from "../formats/scaled-int8.ts";
import { type Parameters, sizeOf } from "../tensor.ts";

// How weights lie on the disk: exact, in half the bytes, or in about a quarter. A model computes as before, with the values that
// its file stands for.

/** Formats of stored weights, the exact one first. */
export const WEIGHT_FORMATS = ["float32", "float16", "int8"] as const;
export type WeightFormat = (typeof WEIGHT_FORMATS)[number];

/** Values of a matrix from which on its scales cost little beside it; below are the outputs of heads, and token types. */
const SMALLEST_MATRIX = 16_384;

/**
 * Tensors as they are stored. `float16` rounds every value to a half. `int8` rounds each large matrix to 255 steps a row, which
 * is an output of a dense layer or a token of an embedding table, and keeps all else as float32.
 *
 * @throws AlbertError precondition (WEIGHTS_BEYOND_RANGE) when a value is larger than any half
 */
export function inFormat(tensors: Parameters, format: WeightFormat): ReadonlyMap<string, StoredTensor> {
  if (format === "float32") return tensors;
  const stored = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) {
    if (format === "float16") {
      const large = tensor.data.find((value) => Math.abs(value) > LARGEST_HALF);
      if (large !== undefined) {
        throw new AlbertError(
          "precondition",
          `${name} holds ${large}, and float16 ends at ${LARGEST_HALF}; store this model as int8 or float32`,
          { reason: "WEIGHTS_BEYOND_RANGE" },
        );
      }
      stored.set(name, { shape: tensor.shape, data: toHalves(tensor.data) });
    } else if (tensor.shape.length === 2 && sizeOf(tensor.shape) >= SMALLEST_MATRIX) {
      const { shape, data, scales } = quantiseRows(tensor);
      stored.set(name, { shape, data }).set(scaleName(name), scales);
    } else {
      stored.set(name, tensor);
    }
  }
  return stored;
}
