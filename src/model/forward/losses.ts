import {
  abs,
  add,
  cast,
  customGrad,
  div,
  exp,
  type GradSaveFunc,
  gather,
  greater,
  log,
  logSoftmax,
  maximum,
  mul,
  neg,
  relu,
  reshape,
  sigmoid,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  tensor1d,
  tensorScatterUpdate,
} from "@tensorflow/tfjs-core";
import { hasFused, runFused } from "./fused-kernels.ts";

// Losses of single rows in TensorFlow.js ops. Weights and means are the caller's.

/**
 * Cross-entropy of each row with its target: -log softmax(logits)[label], where `smoothing` is the share of the target that is
 * spread evenly over all classes instead.
 *
 * @param logits float32 [n, classes]
 * @param labels int32 [n]
 * @returns float32 [n]
 */
export function crossEntropy(logits: Tensor2D, labels: Tensor1D, smoothing = 0): Tensor1D {
  const [rows, classes] = logits.shape;
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor2D, GradSaveFunc];
    const logProbabilities = rowLogSoftmax(input);
    save([logProbabilities]);
    const atLabels = neg(gather(reshape(logProbabilities, [rows * classes]), flatPositions(labels, classes)));
    const value =
      smoothing === 0
        ? atLabels
        : sub(mul(atLabels, 1 - smoothing), mul(sum(logProbabilities, -1), smoothing / classes));
    return { value, gradFunc: (dy: Tensor, saved: Tensor[]) => gradient(dy, saved[0]!) };
  });
  /** dy * (softmax - target): the product with the softmax, less what of dy is each class's and each row's label's. */
  const gradient = (dy: Tensor, logProbabilities: Tensor): Tensor => {
    const positions = flatPositions(labels, classes);
    const softmax = exp(logProbabilities);
    const even = smoothing === 0 ? softmax : sub(softmax, smoothing / classes);
    const spread = reshape(mul(even, reshape(dy, [rows, 1])), [rows * classes]);
    const atLabels = sub(gather(spread, positions), smoothing === 0 ? dy : mul(dy, 1 - smoothing));
    return reshape(tensorScatterUpdate(spread, reshape(positions, [rows, 1]), atLabels), [rows, classes]);
  };
  return differentiable(logits) as Tensor1D;
}

/**
 * Kullback-Leibler divergence of each row's distribution from the target's: sum(t * (log t - log softmax(logits))), 0 where they are
 * the same. Only the logits have a gradient.
 *
 * @param logits  float32 [n, classes]
 * @param targets float32 [n, classes]: logits of the distribution that is aimed at
 * @returns float32 [n]
 */
export function klDivergence(logits: Tensor2D, targets: Tensor2D): Tensor1D {
  const logTargets = rowLogSoftmax(targets);
  const probabilities = exp(logTargets);
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor2D, GradSaveFunc];
    const logProbabilities = rowLogSoftmax(input);
    save([logProbabilities, probabilities]);
    return {
      value: sum(mul(probabilities, sub(logTargets, logProbabilities)), -1),
      gradFunc: (dy: Tensor, [own, aims]: Tensor[]) => mul(sub(exp(own!), aims!), reshape(dy, [dy.shape[0]!, 1])),
    };
  });
  return differentiable(logits) as Tensor1D;
}

function rowLogSoftmax(logits: Tensor2D): Tensor2D {
  return hasFused("LogSoftmax") ? runFused<Tensor2D>("LogSoftmax", { logits }, {}) : logSoftmax(logits);
}

/**
 * (1 - p)^gamma * -log p for each probability p, given as -log p: rows that are right already count less.
 *
 * @param entropies float32 [n], at least 0
 * @param gamma     above 0
 * @returns float32 [n]
 */
export function focalLoss(entropies: Tensor1D, gamma: number): Tensor1D {
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor1D, GradSaveFunc];
    save([input]);
    const { factor } = focus(input);
    return { value: mul(factor, input), gradFunc: (dy: Tensor, [saved]: Tensor[]) => mul(dy, slope(saved!)) };
  });
  /** 1 - p, never zero, and its power. */
  const focus = (input: Tensor) => {
    const missing = maximum(sub(1, exp(neg(input))), SMALLEST_MISSING);
    return { missing, factor: exp(mul(log(missing), gamma)) };
  };
  /** d/dx of (1 - e^-x)^gamma x. */
  const slope = (input: Tensor) => {
    const { missing, factor } = focus(input);
    return mul(factor, add(1, div(mul(mul(input, exp(neg(input))), gamma), missing)));
  };
  return differentiable(entropies) as Tensor1D;
}

/** The logarithm of a smaller missing probability would not be finite in float32 steps near 1. */
const SMALLEST_MISSING = 1e-7;

/** Index of each row's label in the flattened [n, classes]. */
function flatPositions(labels: Tensor1D, classes: number): Tensor1D {
  const rowStarts = Int32Array.from({ length: labels.shape[0] }, (_, row) => row * classes);
  return add(labels, tensor1d(rowStarts, "int32"));
}

/**
 * The triplet loss of each row: max(0, wrong - right + margin), mean over the wrong ones for which it is above 0; 0 where there is
 * none. How many those are has no gradient.
 *
 * @param likeness float32 [n, candidates]
 * @param own      float32 [n, candidates]: 1 at the right candidate
 * @param counted  float32 [n, candidates]: 1 for the right candidate and for wrong ones, 0 for what is neither
 * @returns float32 [n]
 */
export function tripletLoss(likeness: Tensor2D, own: Tensor2D, counted: Tensor2D, margin: number): Tensor1D {
  const wrong = sub(counted, own);
  const differentiable = customGrad((...args: unknown[]) => {
    const [input, save] = args as [Tensor2D, GradSaveFunc];
    const right = sum(mul(input, own), -1, true);
    const excess = mul(relu(add(sub(input, right), margin)), wrong);
    const violating = cast(greater(excess, 0), "float32");
    const shares = div(violating, maximum(sum(violating, -1, true), 1));
    save([shares, own]);
    return {
      value: sum(mul(excess, shares), -1),
      gradFunc: (dy: Tensor, [pulled, partner]: Tensor[]) => {
        const slope = sub(pulled!, mul(partner!, sum(pulled!, -1, true)));
        return mul(slope, reshape(dy, [dy.shape[0]!, 1]));
      },
    };
  });
  return differentiable(likeness) as Tensor1D;
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
    save([input, targets]);
    const value = add(sub(relu(input), mul(input, targets)), log(add(exp(neg(abs(input))), 1)));
    return { value, gradFunc: (dy: Tensor, [own, aims]: Tensor[]) => mul(dy, sub(sigmoid(own!), aims!)) };
  });
  return differentiable(logits) as T;
}

/**
 * Kullback-Leibler divergence of independent yes/no answers from those aimed at, elementwise: 0 where they are the same. Only the
 * logits have a gradient.
 *
 * @param logits  float32 of any shape
 * @param targets float32 of the same shape: logits of the answers that are aimed at
 */
export function binaryDivergence<T extends Tensor>(logits: T, targets: T): T {
  const probabilities = sigmoid(targets);
  return sub(sigmoidCrossEntropy(logits, probabilities), sigmoidCrossEntropy(targets, probabilities)) as T;
}
