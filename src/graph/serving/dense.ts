import type { GraphBuilder } from "../onnx/graph-builder.ts";
import type { Weights } from "./weights.ts";

/** How the trunk's matrix products are computed. */
export type Precision = "fp32";

/** The kernel of a dense layer: one variable, or several of equal shape whose outputs are wanted side by side. */
export interface Kernel {
  readonly name: string;
  readonly parts?: readonly string[];
}

/**
 * The product of a dense layer without its bias: operators that follow take the bias in and save a pass over memory. This
 * is the one place where the trunk's precision is decided.
 *
 * @param x  float32 [rows, in]
 * @returns  float32 [rows, out]
 */
export function dense(graph: GraphBuilder, weights: Weights, x: string, { name, parts }: Kernel): string {
  return graph.op("MatMul", [x, parts === undefined ? weights.get(name) : weights.columns(name, parts)]);
}
