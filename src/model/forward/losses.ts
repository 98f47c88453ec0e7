import {
  abs,
  add,
  customGrad,
  exp,
  type GradSaveFunc,
  gather,
  log,
  logSoftmax,
  mul,
  neg,
  relu,
  reshape,
  sigmoid,
  sub,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor1d,
  tensorScatterUpdate,
} from "@tensorflow/tfjs-core";
import { hasFused, runFused } from "./fused-kernels.ts";

// Losses of single rows in TensorFlow.js ops. Weights and means are the caller's.

/**
 * -log softmax(logits)[label] of each row.
 *
 * @param logits float32 [n, classes]
 * @param labels int32 [n]
 * @returns float32 [n]
 */
export function crossEntropy(logits: Tensor2D, labels: Tensor1D): Tensor1D {
  const [rows, classes] = logits.shape;
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor2D, GradSaveFunc];
    const logProbabilities = hasFused("LogSoftmax")
      ? runFused<Tensor2D>("LogSoftmax", { logits: input }, {})
      : logSoftmax(input);
    save([logProbabilities]);
    const value = neg(gather(reshape(logProbabilities, [rows * classes]), flatPositions(labels, classes)));
    return { value, gradFunc: (dy: Tensor, saved: Tensor[]) => gradient(dy, saved[0]!) };
  });
  /** dy * (softmax - one-hot): the product with the softmax, less dy at each row's label. */
  const gradient = (dy: Tensor, logProbabilities: Tensor): Tensor => {
    const positions = flatPositions(labels, classes);
    const spread = reshape(mul(exp(logProbabilities), reshape(dy, [rows, 1])), [rows * classes]);
    const atLabels = sub(gather(spread, positions), dy);
    return reshape(tensorScatterUpdate(spread, reshape(positions, [rows, 1]), atLabels), [rows, classes]);
  };
  return differentiable(logits) as Tensor1D;
}

/** Index of each row's label in the flattened [n, classes]. */
function flatPositions(labels: Tensor1D, classes: number): Tensor1D {
  const rowStarts = Int32Array.from({ length: labels.shape[0] }, (_, row) => row * classes);
  return add(labels, tensor1d(rowStarts, "int32"));
}

/**
 * Cross-entropy of independent yes/no answers: max(x, 0) - x * target + log(1 + exp(-|x|)), elementwise.
 *
 * @param logits  float32 of any shape
 * @param targets float32 of the same shape, 0 or 1
 */
export function sigmoidCrossEntropy<T extends Tensor>(logits: T, targets: T): T {
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor, GradSaveFunc];
    save([input]);
    const value = add(sub(relu(input), mul(input, targets)), log(add(exp(neg(abs(input))), 1)));
    return { value, gradFunc: (dy: Tensor, saved: Tensor[]) => mul(dy, sub(sigmoid(saved[0]!), targets)) };
  });
  return differentiable(logits) as T;
}
