import {
  add,
  customGrad,
  type GradSaveFunc,
  matMul,
  mul,
  reshape,
  rsqrt,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import { hasFused, runFusedAll } from "./fused-kernels.ts";

/**
 * gamma * (x - mean) / sqrt(variance + epsilon) + beta over the last axis, with the population variance.
 *
 * @param x float32 [n, width]
 */
export function layerNorm(x: Tensor2D, gamma: Tensor1D, beta: Tensor1D, epsilon: number): Tensor2D {
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, scale, shift, save] = args as [Tensor2D, Tensor1D, Tensor1D, GradSaveFunc];
    const { y, mean, inverseDeviation } = normalise(input, scale, shift, epsilon);
    save([input, mean, inverseDeviation, scale]);
    return { value: y, gradFunc: (dy: Tensor, saved: Tensor[]) => gradients(dy as Tensor2D, saved) };
  });
  return differentiable(x, gamma, beta) as Tensor2D;
}

interface Normalised {
  readonly y: Tensor2D;
  /** [n, 1] */
  readonly mean: Tensor2D;
  /** [n, 1] */
  readonly inverseDeviation: Tensor2D;
}

function normalise(x: Tensor2D, gamma: Tensor1D, beta: Tensor1D, epsilon: number): Normalised {
  if (hasFused("LayerNormalization")) {
    const outputs = runFusedAll("LayerNormalization", { x, gamma, beta }, { epsilon });
    const [y, mean, inverseDeviation] = outputs as [Tensor2D, Tensor2D, Tensor2D];
    return { y, mean, inverseDeviation };
  }
  const share = 1 / x.shape[1];
  const mean: Tensor2D = mul(sum(x, -1, true), share);
  const centred = sub(x, mean);
  const variance = mul(sum(square(centred), -1, true), share);
  const inverseDeviation: Tensor2D = rsqrt(add(variance, epsilon));
  return { y: add(mul(mul(centred, inverseDeviation), gamma), beta), mean, inverseDeviation };
}

/**
 * With c = x - mean, s = dy / deviation and e = s * c: dbeta and dgamma are the column sums of dy and e, and
 * dx = s * gamma - mean(s * gamma) - c * mean(e * gamma) / deviation^2. Both row means are products with gamma / width.
 */
function gradients(dy: Tensor2D, saved: Tensor[]): [Tensor2D, Tensor1D, Tensor1D] {
  const [x, mean, inverseDeviation, gamma] = saved as [Tensor2D, Tensor2D, Tensor2D, Tensor1D];
  const c = sub(x, mean);
  const s: Tensor2D = mul(dy, inverseDeviation);
  const e: Tensor2D = mul(s, c);
  const share: Tensor2D = reshape(mul(gamma, 1 / x.shape[1]), [-1, 1]);
  const slope = mul(matMul(e, share), square(inverseDeviation));
  const dx: Tensor2D = sub(sub(mul(s, gamma), matMul(s, share)), mul(c, slope));
  return [dx, sum(e, 0), sum(dy, 0)];
}
