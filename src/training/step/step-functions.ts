import { add, keep, mul, type Scalar, type Tensor } from "@tensorflow/tfjs-core";
import { invariant } from "../../errors.ts";
import { differentiate } from "../../model/forward/differentiate.ts";
import type { Dropout } from "../../model/forward/dropout.ts";
import { layerRate } from "../layer-decay.ts";
import { type LossInputs, objectiveLoss } from "../objective-loss.ts";
import {
  clipScale,
  globalNorm,
  optimizerSettings,
  type Trained,
  type UpdateInputs,
  updateParameter,
} from "../optimizer.ts";
import type { StepSpec } from "./training-step.ts";

// One training step in TensorFlow.js ops: loss, gradients and update. Executors run it eagerly or trace it.

/** A micro-batch's share of the step's loss, and its gradient. */
export interface MicroBatchResult {
  readonly loss: Scalar;
  /** By parameter name; parameters that the loss does not depend on are absent. */
  readonly gradients: ReadonlyMap<string, Tensor>;
  /** Kept alive beyond `tidy`: the caller disposes of them. */
  readonly metrics: Readonly<Record<string, Scalar>>;
}

/** Forward and backward pass of one micro-batch, on whatever TensorFlow.js backend is current. */
export function lossAndGradients(
  spec: StepSpec,
  trainable: ReadonlyMap<string, Tensor>,
  frozen: ReadonlyMap<string, Tensor>,
  inputs: LossInputs,
  dropout: Dropout,
): MicroBatchResult {
  const variables = new Map([...frozen, ...trainable]);
  let metrics: Readonly<Record<string, Scalar>> = {};
  const { value, gradients } = differentiate(trainable, () => {
    const result = objectiveLoss(spec, variables, inputs, dropout);
    metrics = result.metrics;
    // Differentiation cleans up after the loss; what is only reported must outlive that.
    for (const metric of Object.values(metrics)) keep(metric);
    return result.loss;
  });
  return { loss: value, gradients, metrics };
}

/** A parameter with everything the optimizer keeps for it. */
export interface TrainedParameter extends Trained {
  readonly ema?: Tensor;
}

/** Numbers of one update that are fed. */
export interface ApplyInputs extends Omit<UpdateInputs, "gradientScale"> {
  /** From `averageWeights`; read where the run keeps averages. */
  readonly average?: { readonly old: Scalar; readonly new: Scalar };
}

/**
 * Weights of the old average and of the new parameter in a moving average. The average begins at the starting weights, so its
 * decay is warmed up, min(decay, (1 + t) / (10 + t)): after t updates it looks back on a part of them, never on the start.
 *
 * @param updates  that went before
 */
export function averageWeights(decay: number, updates: number): readonly [old: number, new: number] {
  const warmed = Math.min(decay, (1 + updates) / (10 + updates));
  return [warmed, 1 - warmed];
}

/** Clips the step's gradient by its global norm and updates every parameter that has one. */
export function applyGradients(
  spec: StepSpec,
  state: ReadonlyMap<string, TrainedParameter>,
  gradients: ReadonlyMap<string, Tensor>,
  inputs: ApplyInputs,
): { gradNorm: Scalar; state: ReadonlyMap<string, TrainedParameter> } {
  const settings = optimizerSettings(spec.optimizer);
  const gradNorm = globalNorm(gradients.values());
  const update = { ...inputs, gradientScale: clipScale(gradNorm, settings.clipNorm) };
  const updated = [...state].map(([name, before]): [string, TrainedParameter] => {
    const share = layerRate(name, spec.config.numHiddenGroups, settings.layerDecay);
    const own = share === 1 ? update : { ...update, learningRate: mul<Scalar>(update.learningRate, share) };
    const after = updateParameter(settings, name, before, gradients.get(name)!, own);
    return [name, before.ema === undefined ? after : { ...after, ema: averaged(inputs, before.ema, after.parameter) }];
  });
  return { gradNorm, state: new Map(updated) };
}

function averaged({ average }: ApplyInputs, ema: Tensor, parameter: Tensor): Tensor {
  invariant(average !== undefined, "a run that keeps averages feeds their weights");
  return add(mul(ema, average.old), mul(parameter, average.new));
}
