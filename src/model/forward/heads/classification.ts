import type { Tensor2D } from "@tensorflow/tfjs-core";
import type { Head } from "../../heads.ts";
import { classify } from "../dense.ts";
import type { Variables } from "../variables.ts";
import { headScope } from "./scope.ts";

/**
 * Logits of a classification, regression or multi-label head, of a multiple-choice head (one logit per sequence) and of
 * the sentence-order head: all are one linear layer on the pooled output.
 *
 * @param pooled float32 [n, H], after the head's dropout
 * @returns float32 [n, labels]
 */
export function pooledLogits(variables: Variables, head: Head, pooled: Tensor2D): Tensor2D {
  const prefix = head.kind === "sentence-order" ? "cls/seq_relationship/" : "";
  return classify(pooled, variables, headScope(head, prefix));
}
