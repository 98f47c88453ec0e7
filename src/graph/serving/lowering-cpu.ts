import type { Lowering } from "./lowering.ts";
import { ATTENTION_INPUTS } from "./packed-inputs.ts";
import { paddedAttention, paddedView } from "./padded-attention.ts";

/**
 * CPU: `MultiHeadAttention` adds -10000 to the scores of masked keys, as the official code does, and weights that a loop
 * body shares are packed for the matrix kernels once.
 */
export const cpuLowering: Lowering = {
  layers: "loop",
  prepare(_, feed) {
    const view = { ...paddedView(feed), keyMask: feed(ATTENTION_INPUTS.keyMask, "int32", ["B", "S"]) };
    return (graph, projections, shape) => paddedAttention(graph, view, projections, shape);
  },
};
