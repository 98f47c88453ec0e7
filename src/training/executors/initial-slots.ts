import type { Tensor } from "../../model/tensor.ts";
import type { StepSpec, TrainState } from "../step/training-step.ts";

// The tensors that an optimizer keeps for a parameter when a run starts or resumes.

/** A parameter and what the optimizer keeps for it, as plain tensors. */
export interface ParameterSlots {
  readonly parameter: Tensor;
  readonly adam_m: Tensor;
  readonly adam_v: Tensor;
  /** Present when the run keeps moving averages. */
  readonly ema?: Tensor;
}

/** What a state holds for one parameter; absent moments start at zero, an absent average at the parameter itself. */
export function initialSlots(spec: StepSpec, state: TrainState, name: string): ParameterSlots {
  const parameter = state.parameters.get(name)!;
  const zeros = (): Tensor => ({ shape: parameter.shape, data: new Float32Array(parameter.data.length) });
  return {
    parameter,
    adam_m: state.adamM.get(name) ?? zeros(),
    adam_v: state.adamV.get(name) ?? zeros(),
    ...(spec.emaDecay === undefined ? {} : { ema: state.ema.get(name) ?? parameter }),
  };
}
