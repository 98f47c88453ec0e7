import { EMBEDDING_PROJECTION, productsOf } from "../../model/activation-scales.ts";
import { type AlbertConfig, groupOfLayer } from "../../model/config.ts";
import { blockScope } from "../../model/parameters.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { biasActivation } from "./activation.ts";
import type { Attention } from "./attention.ts";
import { cast, type DenseContext, type DenseProduct, dense, halfProduct } from "./dense.ts";
import type { Lowering } from "./lowering.ts";
import { type Feed, PACKED_INPUTS } from "./packed-inputs.ts";
import { type Application, foldedSmoothing } from "./static-scales.ts";
import type { Weights } from "./weights.ts";

// Writes embeddings and encoder into a serving graph, on packed rows. Attention is left to the device's lowering.

/** What the encoder's parts share while it is being written. */
export interface EncoderContext extends DenseContext {
  readonly config: AlbertConfig;
  readonly attention: Attention;
  /** How layers that share weights are written. */
  readonly layers: Lowering["layers"];
  /** How word embeddings that are stored as int8 are kept. */
  readonly wordEmbeddings: Lowering["wordEmbeddings"];
  readonly feed: Feed;
  /** Receives every block's output [T, H] in order; asking for them writes the layers out instead of looping. */
  readonly onBlock?: (hidden: string) => void;
}

/** Word, position and, where the model has them, segment embeddings, summed and normalised. @returns float32 [T, E] */
export function embeddings(graph: GraphBuilder, context: EncoderContext): string {
  const { config, weights, feed } = context;
  const lookup = (table: string, ids: string) => graph.op("Gather", [weights.get(`bert/embeddings/${table}`), ids]);
  const ids = feed(PACKED_INPUTS.inputIds, "int32", ["T"]);
  const words = storedWords(graph, context, ids) ?? lookup("word_embeddings", ids);
  const types = feed(PACKED_INPUTS.tokenTypeIds, "int32", ["T"]); // an input of every graph, read or not
  const typed = config.typeVocabSize === 0 ? words : graph.op("Add", [words, lookup("token_type_embeddings", types)]);
  const positions = lookup("position_embeddings", feed(PACKED_INPUTS.positionIds, "int32", ["T"]));
  const sum = graph.op("Add", [typed, positions]);
  return layerNorm(graph, weights, sum, "bert/embeddings/LayerNorm", config);
}

/**
 * Word embeddings out of a table that stays as it is stored, a quarter of the size: each row that a batch needs is widened, to the
 * very floats that the whole table would hold. @returns float32 [T, E]; undefined where the table is of floats
 */
function storedWords(
  graph: GraphBuilder,
  { weights, wordEmbeddings }: EncoderContext,
  ids: string,
): string | undefined {
  if (wordEmbeddings !== "as stored") return undefined;
  const table = weights.scaledRows("bert/embeddings/word_embeddings");
  if (table === undefined) return undefined;
  const steps = cast(graph, graph.op("Gather", [table.steps, ids]), "float32");
  return graph.op("Mul", [steps, graph.op("Gather", [table.scales, ids])]);
}

/** From normalised embeddings [T, E] to the last block's output [T, H]. */
export function encoder(graph: GraphBuilder, context: EncoderContext, embedded: string): string {
  const { config, weights, layers, onBlock } = context;
  let hidden = embedded;
  if (config.embeddingProjection) {
    const scope = "bert/encoder/embedding_hidden_mapping_in";
    hidden = graph.op("Add", [
      dense(graph, context, embedded, { name: EMBEDDING_PROJECTION, application: 0 }),
      weights.get(`${scope}/bias`),
    ]);
  }
  const groups = Array.from({ length: config.numHiddenLayers }, (_, layer) => groupOfLayer(config, layer));
  for (const { group, count } of runsOfEqual(groups)) {
    if (layers === "loop" && onBlock === undefined && context.onInput === undefined && count > 1) {
      hidden = loop(graph, context, hidden, { group, count });
    } else {
      for (let layer = 0; layer < count; layer++) hidden = groupBlocks(graph, context, hidden, group, layer);
    }
  }
  return hidden;
}

/** LayerNormalization with the variables of one scope. */
export function layerNorm(
  graph: GraphBuilder,
  weights: Weights,
  x: string,
  scope: string,
  { layerNormEps }: AlbertConfig,
): string {
  return graph.op("LayerNormalization", [x, weights.get(`${scope}/gamma`), weights.get(`${scope}/beta`)], {
    axis: { int: -1 },
    epsilon: { float: layerNormEps },
  });
}

/** Consecutive layers of one group. */
interface Run {
  readonly group: number;
  count: number;
}

function runsOfEqual(groups: readonly number[]): Run[] {
  const runs: Run[] = [];
  for (const group of groups) {
    const last = runs.at(-1);
    if (last?.group === group) last.count += 1;
    else runs.push({ group, count: 1 });
  }
  return runs;
}

/** The same layer `count` times as one loop: its weights are kept, and prepared for the matrix kernels, once. */
function loop(graph: GraphBuilder, context: EncoderContext, hidden: string, { group, count }: Run): string {
  const shape = ["T", context.config.hiddenSize];
  const body = graph.subgraph(`group_${group}`);
  const iteration = body.input(body.freshName("iteration"), "int64", []);
  const condition = body.input(body.freshName("condition"), "bool", []);
  const input = body.input(body.freshName("hidden"), "float32", shape);
  const output = groupBlocks(body, context, input, group, { iteration });
  body.output(body.op("Identity", [condition]), "bool", []);
  body.output(output, "float32", shape);
  const trips = graph.constant("int64", [], [count]);
  const always = graph.constant("bool", [], [1]);
  return graph.node("Loop", [trips, always, hidden], { attributes: { body: { graph: body } } })[0]!;
}

function groupBlocks(
  graph: GraphBuilder,
  context: EncoderContext,
  hidden: string,
  group: number,
  application: Application,
): string {
  let output = hidden;
  for (let inner = 0; inner < context.config.innerGroupNum; inner++) {
    output = block(graph, context, output, blockScope(group, inner), application);
    context.onBlock?.(output);
  }
  return output;
}

/** Self-attention and feed-forward, each added to its input and normalised. @param x float32 [T, H] */
function block(
  graph: GraphBuilder,
  context: EncoderContext,
  x: string,
  scope: string,
  application: Application,
): string {
  const { config, weights, precision } = context;
  const names = productsOf(scope);
  const product = (from: string, name: string, rest: Partial<DenseProduct> = {}) =>
    dense(graph, context, from, { name, application, ...rest });
  const attention = `${scope}/attention_1`;
  const projections = (variable: string) =>
    ["query", "key", "value"].map((it) => `${attention}/self/${it}/${variable}`);
  // Attention gives means of values: what the next product's input is divided by, values can be divided by.
  const lastColumns = precision === "int8" ? foldedSmoothing(context.scales, names.attended) : undefined;
  const parts = projections("kernel");
  const qkvBias = weights.joined(`${attention}/self/qkv/bias`, projections("bias"), lastColumns);
  const half = precision === "fp16";
  const qkv = half
    ? halfProduct(graph, weights, x, { name: names.qkv, parts })
    : product(x, names.qkv, { parts, lastColumns }); // [T, 3H]
  const bias = half ? cast(graph, qkvBias, "float16") : qkvBias;
  const attended = context.attention(graph, { qkv, bias }, config); // [T, H]
  const normalise = (projected: string, residual: string, normScope: string, biasName: string) =>
    graph.fused(
      "SkipLayerNormalization",
      [projected, residual, weights.get(`${normScope}/gamma`), weights.get(`${normScope}/beta`), weights.get(biasName)],
      { epsilon: { float: config.layerNormEps } },
    );
  const projected = product(attended, names.attended, { isSmoothed: true });
  const y = normalise(projected, x, `${scope}/LayerNorm`, `${attention}/output/dense/bias`);
  const wide = product(y, names.up); // [T, F]
  const ffn = `${scope}/ffn_1/intermediate`;
  const active = biasActivation(graph, wide, weights.get(`${ffn}/dense/bias`), config.hiddenAct);
  return normalise(product(active, names.down), y, `${scope}/LayerNorm_1`, `${ffn}/output/dense/bias`);
}
