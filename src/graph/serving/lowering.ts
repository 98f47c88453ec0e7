import type { GraphBuilder } from "../onnx/graph-builder.ts";
import type { Attention } from "./attention.ts";
import {
  cast,
  type Int8Product,
  type Precision,
  quantisedProduct,
  roundedKernelProduct,
  roundedRowsProduct,
  type StaticProduct,
  staticIntegerProduct,
} from "./dense.ts";
import { ATTENTION_INPUTS, type Feed } from "./packed-inputs.ts";
import { paddedAttention, paddedView } from "./padded-attention.ts";

// All that differs between devices in a serving graph: how attention is written, whether layers loop, and how word embeddings are kept.

/** The kind of device a graph is written for. */
export type Target = "cpu" | "openvino" | "webgpu" | "cuda";

/** Everything that differs between devices. */
export interface Lowering {
  /** Layers that share weights run as one `Loop` body, or are written out one after the other. */
  readonly layers: "loop" | "unrolled";
  /** Word embeddings that are stored as int8 stay so, and the rows of a batch are widened; or the whole table is, once. */
  readonly wordEmbeddings: "as stored" | "widened";
  /** How int8 is written; absent where the device does not compute in it. */
  readonly int8Product?: Int8Product;
  /** How it is written where the model has scales for the inputs of its products. */
  readonly staticProduct?: StaticProduct;
  /**
   * Takes the inputs that attention reads (see `ATTENTION_INPUTS`) and derives from them what can be derived once.
   *
   * @param precision  that of the graph; with fp16, attention is in float16
   */
  prepare(graph: GraphBuilder, feed: Feed, precision: Precision): Attention;
}

/**
 * CPU: `MultiHeadAttention` adds -10000 to the scores of masked keys, as the official code does, and weights that a loop
 * body shares are packed for the matrix kernels once.
 */
const cpuLowering: Lowering = {
  layers: "loop",
  wordEmbeddings: "as stored",
  int8Product: roundedRowsProduct,
  staticProduct: staticIntegerProduct,
  prepare(_, feed) {
    const view = { ...paddedView(feed), keyMask: feed(ATTENTION_INPUTS.keyMask, "int32", ["B", "S"]) };
    return (graph, projections, shape) => paddedAttention(graph, view, projections, shape);
  },
};

/**
 * OpenVINO: as on the CPU, but written out, since it runs a loop's body twice as slowly; the layers share weights all the same. It
 * rounds the inputs of int8 products itself (`OpenVinoSession` asks it to).
 */
const openVinoLowering: Lowering = {
  ...cpuLowering,
  layers: "unrolled",
  wordEmbeddings: "widened",
  int8Product: roundedKernelProduct,
  staticProduct: quantisedProduct,
};

/** The official code adds this to the scores of masked keys. */
const MASKED_KEY = -10_000;

/**
 * WebGPU: `MultiHeadAttention` has no key mask there, so a bias [B, 1, S, S] carries it. `Loop` is a CPU operator that
 * would fetch the hidden states from the device after every layer, so the layers are written out; they share weights all
 * the same.
 */
const webgpuLowering: Lowering = {
  layers: "unrolled",
  wordEmbeddings: "widened",
  prepare(graph, feed, precision) {
    const indexes = paddedView(feed);
    const mask = graph.op("Cast", [feed(ATTENTION_INPUTS.keyMask, "int32", ["B", "S"])], { to: { int: 1 } });
    const perKey = graph.op("Mul", [graph.op("Sub", [graph.float(1), mask]), graph.float(MASKED_KEY)]); // [B, S]
    const places = graph.op("Shape", [indexes.padIndex]);
    const [batch, length] = graph.node("Split", [places], { attributes: { num_outputs: { int: 2 } }, outputs: 2 });
    const shape = graph.op("Concat", [batch!, graph.ints([1]), length!, length!], { axis: { int: 0 } });
    const bias = precision === "fp16" ? cast(graph, perKey, "float16") : perKey;
    const attentionBias = graph.op("Expand", [graph.op("Unsqueeze", [bias, graph.ints([1, 2])]), shape]); // [B, 1, S, S]
    const view = { ...indexes, attentionBias };
    return (body, projections, sizes) => paddedAttention(body, view, projections, sizes);
  },
};

/** CUDA: `PackedMultiHeadAttention` works on the packed rows themselves; nothing is padded anywhere. */
const cudaLowering: Lowering = {
  layers: "loop",
  wordEmbeddings: "widened",
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

const LOWERINGS: Readonly<Record<Target, Lowering>> = {
  cpu: cpuLowering,
  openvino: openVinoLowering,
  webgpu: webgpuLowering,
  cuda: cudaLowering,
};

/** The lowering of a kind of device. */
export function loweringFor(target: Target): Lowering {
  return LOWERINGS[target];
}
