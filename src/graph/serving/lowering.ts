import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { cpuLowering } from "./lowering-cpu.ts";
import { cudaLowering } from "./lowering-cuda.ts";
import { webgpuLowering } from "./lowering-webgpu.ts";

/** The kind of device a graph is written for. */
export type Target = "cpu" | "webgpu" | "cuda";

/** What attention needs besides its inputs. */
export interface AttentionShape {
  /** H */
  readonly hiddenSize: number;
  /** A */
  readonly numAttentionHeads: number;
}

/** Everything that differs between devices, decided in one file each. */
export interface Lowering {
  /** Layers that share weights run as one `Loop` body, or are written out one after the other. */
  readonly layers: "loop" | "unrolled";
  /** Declares the inputs that attention reads (see `ATTENTION_INPUTS`) and what can be derived from them once per run. */
  prepare(graph: GraphBuilder): void;
  /**
   * Multi-head self-attention within each sequence, without the output projection.
   *
   * @param qkv   float32 [T, 3H]: query, key and value side by side, bias not yet added
   * @param bias  float32 [3H]
   * @returns     float32 [T, H]
   */
  attention(graph: GraphBuilder, qkv: string, bias: string, shape: AttentionShape): string;
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
