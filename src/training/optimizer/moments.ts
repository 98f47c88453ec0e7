import { add, mul, type Scalar, square, type Tensor } from "@tensorflow/tfjs-core";
import type { OptimizerSettings } from "./settings.ts";

/** A parameter's running means of the gradient and of its square. */
export interface Moments {
  readonly m: Tensor;
  readonly v: Tensor;
}

/**
 * m = beta1 m + (1 - beta1) g and v = beta2 v + (1 - beta2) g^2, where g = scale * gradient. The scale is folded into the
 * factors, so that the clipped gradient is never written out.
 */
export function nextMoments(settings: OptimizerSettings, before: Moments, gradient: Tensor, scale: Scalar): Moments {
  const { beta1, beta2 } = settings;
  return {
    m: add(mul(before.m, beta1), mul(gradient, mul(scale, 1 - beta1))),
    v: add(mul(before.v, beta2), mul(square(gradient), mul(square(scale), 1 - beta2))),
  };
}
