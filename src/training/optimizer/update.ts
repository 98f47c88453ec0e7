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
import { excludedFromDecay } from "../../model/parameters.ts";
import { type Moments, nextMoments } from "./moments.ts";
import type { OptimizerSettings } from "./settings.ts";

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
