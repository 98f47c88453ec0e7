import {
  customGrad,
  type GradSaveFunc,
  mul,
  softmax as plainSoftmax,
  sub,
  sum,
  type Tensor,
} from "@tensorflow/tfjs-core";

/** exp(x) / sum(exp(x)) over the last axis. */
export function softmax<T extends Tensor>(logits: T): T {
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor, GradSaveFunc];
    const y = plainSoftmax(input);
    save([y]);
    return {
      value: y,
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const y = saved[0]!;
        const weighted = mul(dy, y);
        return sub(weighted, mul(y, sum(weighted, -1, true)));
      },
    };
  });
  return differentiable(logits) as T;
}
