import type { Lowering } from "./lowering.ts";
import { ATTENTION_INPUTS } from "./packed-inputs.ts";
import { declarePaddedView, paddedAttention } from "./padded-attention.ts";

/** Value derived once per run from the key mask; bodies see it under this name. */
const ATTENTION_BIAS = "attention_bias";
/** The official code adds this to the scores of masked keys. */
const MASKED_KEY = -10_000;

/**
 * WebGPU: `MultiHeadAttention` has no key mask there, so a bias [B, 1, S, S] carries it. `Loop` is a CPU operator that
 * would fetch the hidden states from the device after every layer, so the layers are written out; they share weights all
 * the same.
 */
export const webgpuLowering: Lowering = {
  layers: "unrolled",
  prepare(graph) {
    declarePaddedView(graph);
    const mask = graph.op("Cast", [graph.input(ATTENTION_INPUTS.keyMask, "int32", ["B", "S"])], { to: { int: 1 } });
    const perKey = graph.op("Mul", [graph.op("Sub", [graph.float(1), mask]), graph.float(MASKED_KEY)]); // [B, S]
    const places = graph.op("Shape", [ATTENTION_INPUTS.padIndex]);
    const [batch, length] = graph.node("Split", [places], { attributes: { num_outputs: { int: 2 } }, outputs: 2 });
    const shape = graph.op("Concat", [batch!, graph.ints([1]), length!, length!], { axis: { int: 0 } });
    const broadcast = graph.op("Unsqueeze", [perKey, graph.ints([1, 2])]); // [B, 1, 1, S]
    graph.node("Expand", [broadcast, shape], { outputs: [ATTENTION_BIAS] }); // [B, 1, S, S]
  },
  attention(graph, qkv, bias, shape) {
    return paddedAttention(graph, qkv, bias, shape, { attentionBias: ATTENTION_BIAS });
  },
};
