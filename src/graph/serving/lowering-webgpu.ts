import type { Lowering } from "./lowering.ts";
import { ATTENTION_INPUTS } from "./packed-inputs.ts";
import { paddedAttention, paddedView } from "./padded-attention.ts";

/** The official code adds this to the scores of masked keys. */
const MASKED_KEY = -10_000;

/**
 * WebGPU: `MultiHeadAttention` has no key mask there, so a bias [B, 1, S, S] carries it. `Loop` is a CPU operator that
 * would fetch the hidden states from the device after every layer, so the layers are written out; they share weights all
 * the same.
 */
export const webgpuLowering: Lowering = {
  layers: "unrolled",
  prepare(graph, feed) {
    const indexes = paddedView(feed);
    const mask = graph.op("Cast", [feed(ATTENTION_INPUTS.keyMask, "int32", ["B", "S"])], { to: { int: 1 } });
    const perKey = graph.op("Mul", [graph.op("Sub", [graph.float(1), mask]), graph.float(MASKED_KEY)]); // [B, S]
    const places = graph.op("Shape", [indexes.padIndex]);
    const [batch, length] = graph.node("Split", [places], { attributes: { num_outputs: { int: 2 } }, outputs: 2 });
    const shape = graph.op("Concat", [batch!, graph.ints([1]), length!, length!], { axis: { int: 0 } });
    const attentionBias = graph.op("Expand", [graph.op("Unsqueeze", [perKey, graph.ints([1, 2])]), shape]); // [B, 1, S, S]
    const view = { ...indexes, attentionBias };
    return (body, projections, sizes) => paddedAttention(body, view, projections, sizes);
  },
};
