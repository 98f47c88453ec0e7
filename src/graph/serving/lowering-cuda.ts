import type { Lowering } from "./lowering.ts";
import { ATTENTION_INPUTS } from "./packed-inputs.ts";

/** CUDA: `PackedMultiHeadAttention` works on the packed rows themselves; nothing is padded anywhere. */
export const cudaLowering: Lowering = {
  layers: "loop",
  prepare(_, feed) {
    const tokenOffset = feed(ATTENTION_INPUTS.tokenOffset, "int32", ["B", "S"]);
    const cumulativeLengths = feed(ATTENTION_INPUTS.cumulativeLengths, "int32", ["B1"]);
    return (graph, { qkv, bias }, { numAttentionHeads }) => {
      const [query, key, value] = graph.node("Split", [qkv], {
        attributes: { axis: { int: -1 }, num_outputs: { int: 3 } },
        outputs: 3,
      });
      const inputs = [query!, key!, value!, bias, tokenOffset, cumulativeLengths];
      return graph.fused("PackedMultiHeadAttention", inputs, { num_heads: { int: numAttentionHeads } });
    };
  },
};
