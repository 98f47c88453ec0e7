import { engine, type Scalar, type Tensor } from "@tensorflow/tfjs-core";
import { registerGradientRules } from "./gradient-rules.ts";

// A function's value and gradient by parameter name.

/** A scalar and its gradient with respect to the parameters it depends on. */
export interface Differentiated {
  readonly value: Scalar;
  /** By parameter name. Parameters without influence on the value are absent, not zero. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/**
 * Reverse-mode differentiation of a scalar function of named parameters, on whatever backend is current. The caller
 * disposes of the results, or calls this inside `tidy`.
 */
export function differentiate(parameters: ReadonlyMap<string, Tensor>, loss: () => Scalar): Differentiated {
  registerGradientRules();
  const names = [...parameters.keys()];
  const { value, grads } = engine().gradients(loss, [...parameters.values()], undefined, true);
  const gradients = new Map<string, Tensor>();
  for (const [index, gradient] of grads.entries()) {
    // TensorFlow.js types every entry as a tensor; with allowNoGradients, entries without a path to the value are empty.
    if ((gradient as Tensor | null | undefined) != null) gradients.set(names[index]!, gradient);
  }
  return { value: value as Scalar, gradients };
}
