import type { Lowering } from "./lowering.ts";
import { ATTENTION_INPUTS } from "./packed-inputs.ts";

/** CUDA: `PackedMultiHeadAttention` works on the packed rows themselves; nothing is padded anywhere. */
export const cudaLowering: Lowering = {
  layers: "loop",
  prepare(graph) {
    graph.input(ATTENTION_INPUTS.tokenOffset, "int32", ["B", "S"]);
    graph.input(ATTENTION_INPUTS.cumulativeLengths, "int32", ["B1"]);
  },
  attention(graph, qkv, bias, { numAttentionHeads }) {
    const [query, key, value] = graph.node("Split", [qkv], {
      attributes: { axis: { int: -1 }, num_outputs: { int: 3 } },
      outputs: 3,
    });
    return graph.fused(
      "PackedMultiHeadAttention",
      [query!, key!, value!, bias, ATTENTION_INPUTS.tokenOffset, ATTENTION_INPUTS.cumulativeLengths],
      { num_heads: { int: numAttentionHeads } },
    );
  },
};
