import { reshape, slice, type Tensor2D, type Tensor3D, transpose } from "@tensorflow/tfjs-core";
import type { Head } from "../../heads.ts";
import { classify } from "../dense.ts";
import type { Variables } from "../variables.ts";
import { headScope } from "./scope.ts";

// The SQuAD v1 head in TensorFlow.js ops.

/** Start and end logits of every token, float32 [B,S] each. */
export interface SpanLogits {
  readonly start: Tensor2D;
  readonly end: Tensor2D;
}

/**
 * The SQuAD v1 head: one linear layer with two outputs per token. Nothing is masked.
 *
 * @param sequence float32 [B*S, H]
 */
export function spanLogits(
  variables: Variables,
  head: Head,
  sequence: Tensor2D,
  rows: number,
  length: number,
): SpanLogits {
  const logits = classify(sequence, variables, headScope(head, "cls/squad/"));
  const byOutput: Tensor3D = transpose(reshape(logits, [rows, length, 2]), [2, 0, 1]);
  const output = (index: number): Tensor2D =>
    reshape(slice(byOutput, [index, 0, 0], [1, rows, length]), [rows, length]);
  return { start: output(0), end: output(1) };
}
