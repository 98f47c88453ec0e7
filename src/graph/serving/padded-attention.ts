import type { GraphBuilder } from "../onnx/graph-builder.ts";
import type { AttentionShape, Projections } from "./attention.ts";
import { ATTENTION_INPUTS, type Feed } from "./packed-inputs.ts";

// Attention over a padded view of the packed rows, for devices whose fused operator needs one.

/** The [B, S] view of a batch's rows, and how its padded keys are kept out of attention. */
export interface PaddedView {
  readonly padIndex: string;
  readonly unpadIndex: string;
  /** A mask over keys, int32 [B, S]; or */
  readonly keyMask?: string;
  /** a bias over (query, key) pairs, [B, 1, S, S] of the projections' type. */
  readonly attentionBias?: string;
}

/** The two index inputs that turn rows into a [B, S] view and back. */
export function paddedView(feed: Feed): { padIndex: string; unpadIndex: string } {
  return {
    padIndex: feed(ATTENTION_INPUTS.padIndex, "int32", ["B", "S"]),
    unpadIndex: feed(ATTENTION_INPUTS.unpadIndex, "int32", ["T"]),
  };
}

/**
 * Attention over a [B, S] view of the rows, for devices whose fused operator wants one: the only place where padding is
 * computed at all.
 */
export function paddedAttention(
  graph: GraphBuilder,
  { padIndex, unpadIndex, keyMask = "", attentionBias = "" }: PaddedView,
  { qkv, bias }: Projections,
  { hiddenSize, numAttentionHeads }: AttentionShape,
): string {
  const view = graph.op("Gather", [qkv, padIndex]); // [B, S, 3H]
  const [query, key, value] = graph.node("Split", [view], {
    attributes: { axis: { int: -1 }, num_outputs: { int: 3 } },
    outputs: 3,
  });
  const context = graph.fused("MultiHeadAttention", [query!, key!, value!, bias, keyMask, attentionBias], {
    num_heads: { int: numAttentionHeads },
  }); // [B, S, H]
  const places = graph.op("Reshape", [context, graph.ints([-1, hiddenSize])]); // [B * S, H]
  return graph.op("Gather", [places, unpadIndex]); // [T, H]
}
