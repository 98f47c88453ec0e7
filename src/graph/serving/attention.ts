import type { GraphBuilder } from "../onnx/graph-builder.ts";

// Self-attention as every device's lowering writes it. Types only.

/** What attention needs besides its inputs. */
export interface AttentionShape {
  /** H */
  readonly hiddenSize: number;
  /** A */
  readonly numAttentionHeads: number;
}

/** A fused query-key-value projection. */
export interface Projections {
  /** [T, 3H]: query, key and value side by side, bias not yet added; float16 in the precision fp16, else float32. */
  readonly qkv: string;
  /** [3H], of the same type */
  readonly bias: string;
}

/**
 * Writes multi-head self-attention within each sequence, without the output projection, into a graph or a body of it.
 *
 * @returns [T, H] of the projections' type
 */
export type Attention = (graph: GraphBuilder, projections: Projections, shape: AttentionShape) => string;
