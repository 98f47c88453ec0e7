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
  /** float32 [T, 3H]: query, key and value side by side, bias not yet added. */
  readonly qkv: string;
  /** float32 [3H] */
  readonly bias: string;
}

/**
 * Writes multi-head self-attention within each sequence, without the output projection, into a graph or a body of it.
 *
 * @returns float32 [T, H]
 */
export type Attention = (graph: GraphBuilder, projections: Projections, shape: AttentionShape) => string;
