import {
  add,
  customGrad,
  erf,
  exp,
  type GradSaveFunc,
  mul,
  relu,
  sigmoid,
  square,
  sub,
  type Tensor,
  tanh,
} from "@tensorflow/tfjs-core";
import type { Activation } from "../config.ts";
import { hasFused, runFused } from "./fused-kernels.ts";

/** The activation of the feed-forward layers, the masked-LM transform and the pooler. */
export function activate<T extends Tensor>(x: T, activation: Activation): T {
  switch (activation) {
    case "gelu":
      return gelu(x);
    case "gelu_erf":
      return geluErf(x);
    case "silu":
      return mul(x, sigmoid(x)) as T;
    case "relu":
      return relu(x);
    case "tanh":
      return tanh(x);
    case "linear":
      return x;
  }
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/**
 * x * sigmoid(w) with w = 2 sqrt(2/pi) (x + 0.044715 x^3), which is the tanh form 0.5 x (1 + tanh(w / 2)) of gelu.
 * Its derivative is h + h (1 - h) x w' with h = sigmoid(w), where x w' = w + 4 sqrt(2/pi) 0.044715 x^3.
 */
function gelu<T extends Tensor>(x: T): T {
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor, GradSaveFunc];
    save([input]);
    const value = hasFused("FastGelu")
      ? runFused("FastGelu", { x: input }, {})
      : mul(input, sigmoid(doubledArgument(input)));
    return {
      value,
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const x = saved[0]!;
        const w = doubledArgument(x);
        const h = sigmoid(w);
        const xSlope = add(w, mul(x, mul(square(x), 4 * SQRT_2_OVER_PI * CUBIC)));
        return mul(dy, add(h, mul(sub(h, square(h)), xSlope)));
      },
    };
  });
  return differentiable(x) as T;
}

function doubledArgument(x: Tensor): Tensor {
  return mul(x, add(mul(square(x), 2 * SQRT_2_OVER_PI * CUBIC), 2 * SQRT_2_OVER_PI));
}

/** 0.5 x (1 + erf(x / sqrt 2)), the exact form, for weights that were trained with it. */
function geluErf<T extends Tensor>(x: T): T {
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor, GradSaveFunc];
    save([input]);
    return {
      value: mul(input, normalCumulative(input)),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const x = saved[0]!;
        const density = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        return mul(dy, add(normalCumulative(x), mul(x, density)));
      },
    };
  });
  return differentiable(x) as T;
}

function normalCumulative(x: Tensor): Tensor {
  return mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
}
