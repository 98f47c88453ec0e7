import type { Lowering } from "./lowering.ts";
import { ATTENTION_INPUTS } from "./packed-inputs.ts";
import { declarePaddedView, paddedAttention } from "./padded-attention.ts";

/**
 * CPU: `MultiHeadAttention` adds -10000 to the scores of masked keys, as the official code does, and weights that a loop
 * body shares are packed for the matrix kernels once.
 */
export const cpuLowering: Lowering = {
  layers: "loop",
  prepare(graph) {
    declarePaddedView(graph);
    graph.input(ATTENTION_INPUTS.keyMask, "int32", ["B", "S"]);
  },
  attention(graph, qkv, bias, shape) {
    return paddedAttention(graph, qkv, bias, shape, { keyMask: ATTENTION_INPUTS.keyMask });
  },
};
