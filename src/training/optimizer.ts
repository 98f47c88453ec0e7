import {
  add,
  div,
  greater,
  maximum,
  minimum,
  mul,
  type Scalar,
  scalar,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from "@tensorflow/tfjs-core";
import { excludedFromDecay } from "../model/parameters.ts";
import type { OptimizerOptions } from "./step/training-step.ts";

// The optimizers in TensorFlow.js ops: clipping by the global norm, moments, and the update of one parameter. Tensors in,
// tensors out: it keeps no state.

/** Every number of an optimizer, defaults filled in. */
export type OptimizerSettings = Required<OptimizerOptions>;

/** The official scripts' values where nothing else is asked for. */
export function optimizerSettings(options: OptimizerOptions): OptimizerSettings {
  return { beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01, clipNorm: 1, layerDecay: 1, ...options };
}

/** sqrt of the sum of all squares: the norm of the gradients as one vector. */
export function globalNorm(gradients: Iterable<Tensor>): Scalar {
  let total: Scalar = scalar(0);
  for (const gradient of gradients) total = add(total, sum(square(gradient)));
  return sqrt(total);
}

/** The factor that brings gradients of this norm down to `clipNorm`; 1 for smaller ones, and always for clipNorm 0. */
export function clipScale(norm: Scalar, clipNorm: number): Scalar {
  return clipNorm === 0 ? scalar(1) : div(clipNorm, maximum(norm, clipNorm));
}

/** A parameter's running means of the gradient and of its square. */
export interface Moments {
  readonly m: Tensor;
  readonly v: Tensor;
}

/**
 * m = beta1 m + (1 - beta1) g and v = beta2 v + (1 - beta2) g^2, where g = scale * gradient. The scale is folded into the
 * factors, so that the clipped gradient is never written out.
 */
function nextMoments(settings: OptimizerSettings, before: Moments, gradient: Tensor, scale: Scalar): Moments {
  const { beta1, beta2 } = settings;
  return {
    m: add(mul(before.m, beta1), mul(gradient, mul(scale, 1 - beta1))),
    v: add(mul(before.v, beta2), mul(square(gradient), mul(square(scale), 1 - beta2))),
  };
}

/** Numbers of one update that are fed, not compiled in. */
export interface UpdateInputs {
  readonly learningRate: Scalar;
  /** From `clipScale`. */
  readonly gradientScale: Scalar;
  /** 1 / (1 - beta1^t) and 1 / (1 - beta2^t) with t counted from 1; read by `adamw-corrected` only. */
  readonly correction1: Scalar;
  readonly correction2: Scalar;
}

/** A parameter with its moments. */
export interface Trained extends Moments {
  readonly parameter: Tensor;
}

/**
 * One update of one parameter.
 *
 * AdamW: w -= lr * (m / (sqrt(v) + epsilon) + decay * w). LAMB scales the bracket u by |w| / |u|, the norms of the whole
 * variable. LayerNorm parameters and biases know neither decay nor that ratio. Neither rule corrects the moments' bias,
 * as in the official code; `adamw-corrected` does.
 */
export function updateParameter(
  settings: OptimizerSettings,
  name: string,
  before: Trained,
  gradient: Tensor,
  inputs: UpdateInputs,
): Trained {
  const moments = nextMoments(settings, before, gradient, inputs.gradientScale);
  const { m, v } = settings.kind === "adamw-corrected" ? corrected(moments, inputs) : moments;
  const adapted = !excludedFromDecay(name);
  let direction: Tensor = div(m, add(sqrt(v), settings.epsilon));
  if (adapted && settings.weightDecay !== 0) {
    direction = add(direction, mul(before.parameter, settings.weightDecay));
  }
  const rate =
    settings.kind === "lamb" && adapted
      ? mul(inputs.learningRate, trustRatio(before.parameter, direction))
      : inputs.learningRate;
  return { parameter: sub(before.parameter, mul(direction, rate)), ...moments };
}

function corrected({ m, v }: Moments, { correction1, correction2 }: UpdateInputs): Moments {
  return { m: mul(m, correction1), v: mul(v, correction2) };
}

/** |parameter| / |direction|, or 1 where either is zero. */
function trustRatio(parameter: Tensor, direction: Tensor): Scalar {
  const parameterNorm: Scalar = sqrt(sum(square(parameter)));
  const directionNorm: Scalar = sqrt(sum(square(direction)));
  const ratio = div(parameterNorm, maximum(directionNorm, SMALLEST_NORMAL));
  return where(greater(minimum(parameterNorm, directionNorm), 0), ratio, scalar(1)) as Scalar;
}

/** Keeps a division whose result is not used free of infinities; no smaller norm is representable in full. */
const SMALLEST_NORMAL = 1.1754944e-38;
