import type { GraphBuilder } from "../onnx/graph-builder.ts";
import type { AttentionShape } from "./lowering.ts";
import { ATTENTION_INPUTS } from "./packed-inputs.ts";

/** How padded keys are kept out: a mask over keys, or a bias over (query, key) pairs. */
export interface KeyExclusion {
  readonly keyMask?: string;
  readonly attentionBias?: string;
}

/** Declares the two index inputs that turn rows into a [B, S] view and back. */
export function declarePaddedView(graph: GraphBuilder): void {
  graph.input(ATTENTION_INPUTS.padIndex, "int32", ["B", "S"]);
  graph.input(ATTENTION_INPUTS.unpadIndex, "int32", ["T"]);
}

/**
 * Attention over a [B, S] view of the rows, for devices whose fused operator wants one: the only place where padding is
 * computed at all.
 */
export function paddedAttention(
  graph: GraphBuilder,
  qkv: string,
  bias: string,
  { hiddenSize, numAttentionHeads }: AttentionShape,
  { keyMask = "", attentionBias = "" }: KeyExclusion,
): string {
  const view = graph.op("Gather", [qkv, ATTENTION_INPUTS.padIndex]); // [B, S, 3H]
  const [query, key, value] = graph.node("Split", [view], {
    attributes: { axis: { int: -1 }, num_outputs: { int: 3 } },
    outputs: 3,
  });
  const context = graph.fused("MultiHeadAttention", [query!, key!, value!, bias, keyMask, attentionBias], {
    num_heads: { int: numAttentionHeads },
  }); // [B, S, H]
  const places = graph.op("Reshape", [context, graph.ints([-1, hiddenSize])]); // [B * S, H]
  return graph.op("Gather", [places, ATTENTION_INPUTS.unpadIndex]); // [T, H]
}
