import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { cpuLowering } from "./lowering-cpu.ts";
import { cudaLowering } from "./lowering-cuda.ts";
import { webgpuLowering } from "./lowering-webgpu.ts";
import type { Feed } from "./packed-inputs.ts";

/** The kind of device a graph is written for. */
export type Target = "cpu" | "webgpu" | "cuda";

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

/** Everything that differs between devices, decided in one file each. */
export interface Lowering {
  /** Layers that share weights run as one `Loop` body, or are written out one after the other. */
  readonly layers: "loop" | "unrolled";
  /** Takes the inputs that attention reads (see `ATTENTION_INPUTS`) and derives from them what can be derived once. */
  prepare(graph: GraphBuilder, feed: Feed): Attention;
}

const LOWERINGS: Readonly<Record<Target, Lowering>> = {
  cpu: cpuLowering,
  webgpu: webgpuLowering,
  cuda: cudaLowering,
};

/** The lowering of a kind of device. */
export function loweringFor(target: Target): Lowering {
  return LOWERINGS[target];
}
