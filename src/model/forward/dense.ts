import { add, matMul, type Tensor2D } from "@tensorflow/tfjs-core";
import { matrix, type Variables, vector } from "./variables.ts";

// Dense layers in TensorFlow.js ops.

/** x @ kernel + bias with the variables `<scope>/kernel` [in, out] and `<scope>/bias` [out]. x is float32 [n, in]. */
export function dense(x: Tensor2D, variables: Variables, scope: string): Tensor2D {
  return add(matMul(x, matrix(variables, `${scope}/kernel`)), vector(variables, `${scope}/bias`));
}

/** x @ weights^T + bias, for classifiers whose weights are laid out [out, in]. x is float32 [n, in]. */
export function classify(x: Tensor2D, variables: Variables, scope: string): Tensor2D {
  const weights = matrix(variables, `${scope}output_weights`);
  return add(matMul(x, weights, false, true), vector(variables, `${scope}output_bias`));
}
