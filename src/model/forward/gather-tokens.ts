import { add, reshape, type Tensor2D, tensor2d } from "@tensorflow/tfjs-core";
import { lookup } from "./lookup.ts";

/**
 * Hidden states at chosen positions of each row.
 *
 * @param states    float32 [B*length, width]
 * @param positions int32 [B,M], counted from the row's start
 * @returns float32 [B*M, width]
 */
export function gatherTokens(states: Tensor2D, length: number, positions: Tensor2D): Tensor2D {
  const [rows, count] = positions.shape;
  const starts = tensor2d(
    Int32Array.from({ length: rows }, (_, row) => row * length),
    [rows, 1],
    "int32",
  );
  return lookup(states, reshape(add(positions, starts), [rows * count]));
}
