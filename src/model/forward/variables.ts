import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core";
import { invariant } from "../../errors.ts";

// Access to a model's parameters as TensorFlow.js tensors, by official variable name.

/** A model's parameters as TensorFlow.js tensors, by official variable name. */
export type Variables = ReadonlyMap<string, Tensor>;

/** A vector parameter, such as a bias. */
export function vector(variables: Variables, name: string): Tensor1D {
  return ranked(variables, name, 1) as Tensor1D;
}

/** A matrix parameter: a kernel `[in, out]` or a table `[rows, width]`. */
export function matrix(variables: Variables, name: string): Tensor2D {
  return ranked(variables, name, 2) as Tensor2D;
}

function ranked(variables: Variables, name: string, rank: number): Tensor {
  const variable = variables.get(name);
  invariant(variable !== undefined, `the forward pass needs variable ${name}`);
  invariant(variable.rank === rank, `variable ${name} has shape [${variable.shape}], expected ${rank} dimensions`);
  return variable;
}
