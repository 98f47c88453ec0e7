import {
  customGrad,
  div,
  type GradSaveFunc,
  matMul,
  maximum,
  mul,
  reshape,
  rsqrt,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";

// One vector of a sequence's hidden states, in TensorFlow.js ops.

/**
 * The mean of each sequence's tokens, special ones included; zero for a sequence without tokens.
 *
 * @param states float32 [B*S, H]
 * @param mask   float32 [B, S]: 1 token, 0 padding
 * @returns float32 [B, H]
 */
export function meanOfTokens(states: Tensor2D, mask: Tensor2D): Tensor2D {
  const [rows, length] = mask.shape;
  const width = states.shape[1];
  const shares: Tensor3D = reshape(div(mask, maximum(sum(mask, -1, true), 1)), [rows, 1, length]);
  return reshape(matMul(shares, reshape(states, [rows, length, width])), [rows, width]);
}

/** Squared lengths below this count as it: a vector of zeros stays one, and its gradient finite. */
const SMALLEST_SQUARE = 1e-12;

/**
 * Each row divided by its length, y = x / |x|. The gradient of x is (dy - y (y . dy)) / |x|.
 *
 * @param rows float32 [n, H]
 */
export function unitLength(rows: Tensor2D): Tensor2D {
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor2D, GradSaveFunc];
    const inverse = rsqrt(maximum(sum(square(input), -1, true), SMALLEST_SQUARE));
    const unit = mul(input, inverse);
    save([unit, inverse]);
    return {
      value: unit,
      gradFunc: (dy: Tensor, [own, factor]: Tensor[]) => mul(sub(dy, mul(own!, sum(mul(own!, dy), -1, true))), factor!),
    };
  });
  return differentiable(rows) as Tensor2D;
}
