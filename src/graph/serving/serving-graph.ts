import { AlbertError, invariant } from "../../errors.ts";
import { type ActivationScales, trunkProducts } from "../../model/activation-scales.ts";
import type { AlbertConfig } from "../../model/config.ts";
import type { Head } from "../../model/heads.ts";
import { modelParameters } from "../../model/parameters.ts";
import type { Parameters } from "../../model/tensor.ts";
import { hasExactSignedProducts } from "../../platform/processor.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import { biasActivation } from "./activation.ts";
import type { Precision } from "./dense.ts";
import { type EncoderContext, embeddings, encoder } from "./encoder.ts";
import type { HeadValue } from "./head-context.ts";
import { emitHead } from "./heads.ts";
import { loweringFor, type Target } from "./lowering.ts";
import { type Feed, headOutput, PACKED_INPUTS, TRUNK_OUTPUTS } from "./packed-inputs.ts";
import type { Application } from "./static-scales.ts";
import { type RoundedType, Weights } from "./weights.ts";

// Writes the whole graph that serves a model: encoder and all heads, for one device.

/** What a serving graph computes: one trunk and any number of heads on it. */
export interface ServingModel {
  readonly config: AlbertConfig;
  readonly heads: readonly Head[];
  readonly parameters: Parameters;
  /** Scales of its products' inputs: int8 rounds with these instead of finding some as it runs. */
  readonly scales?: ActivationScales | undefined;
}

export interface ServingGraphOptions {
  readonly target: Target;
  /** Default fp32; int8 needs the target cpu or openvino, bf16 openvino, fp16 webgpu or cuda. */
  readonly precision?: Precision;
  /** How int8 stores kernels. Default: signed where this processor multiplies them exactly, else unsigned. */
  readonly roundedType?: RoundedType;
  /** Also publish `embedding_output` [T, E] and every block's output `layer_<i>` [T, H], for comparison with goldens. */
  readonly layerOutputs?: boolean;
  /** Also publish what each product of the trunk multiplies, float32 [T, in] as {@link productInput} calls it. */
  readonly productInputs?: boolean;
}

/** The name of an output: what one application of a product multiplies. */
export function productInput(product: string, application: number): string {
  return `input_of/${product}/${application}`;
}

/**
 * Writes the graph that serves a model: all sequences of a batch laid end to end, every dense layer on [T, H], all heads
 * in one pass. Inputs and outputs are those of `packed-inputs.ts`.
 *
 * @throws AlbertError corrupt when a variable is missing or misshapen (misshapen ones when the graph is encoded);
 *   precondition (PRECISION_UNAVAILABLE)
 */
export function buildServingGraph(model: ServingModel, options: ServingGraphOptions): GraphBuilder {
  const { config } = model;
  const graph = new GraphBuilder("albert");
  const feed: Feed = (name, dtype, dims) => graph.input(name, dtype, dims);
  const { embedded, blocks, productInputs, hidden, pooled, heads } = emitModel(graph, model, feed, options);
  for (const [from, input, output] of [
    [pooled, PACKED_INPUTS.pooledIndex, TRUNK_OUTPUTS.pooled],
    [hidden, PACKED_INPUTS.sequenceIndex, TRUNK_OUTPUTS.sequence],
  ] as const) {
    const rows = `${output}_rows`;
    const selected = graph.op("Gather", [from, feed(input, "int32", [rows])]);
    graph.output(selected, "float32", [rows, config.hiddenSize], output);
  }
  for (const [head, values] of heads) {
    for (const { output, value, dtype, dims } of values)
      graph.output(value, dtype, dims, headOutput(head.name, output));
  }
  for (const [name, { value, width }] of productInputs) graph.output(value, "float32", ["T", width], name);
  if (options.layerOutputs) {
    graph.output(embedded, "float32", ["T", config.embeddingSize], "embedding_output");
    blocks.forEach((block, layer) => {
      graph.output(block, "float32", ["T", config.hiddenSize], `layer_${layer}`);
    });
  }
  return graph;
}

/** Values of a whole model in a graph, none of them published yet. */
export interface EmittedModel {
  /** float32 [T, E] */
  readonly embedded: string;
  /** float32 [T, H] of every block; only if `layerOutputs` asks for them. */
  readonly blocks: readonly string[];
  /** What products multiply, by the names of outputs; only if `productInputs` asks for it. */
  readonly productInputs: ReadonlyMap<string, { readonly value: string; readonly width: number }>;
  /** float32 [T, H] */
  readonly hidden: string;
  /** float32 [P, H] */
  readonly pooled: string;
  readonly heads: ReadonlyMap<Head, readonly HeadValue[]>;
}

/** Where a precision runs; all targets have fp32. */
const TARGETS_OF: Readonly<Partial<Record<Precision, readonly Target[]>>> = {
  int8: ["cpu", "openvino"],
  bf16: ["openvino"],
  fp16: ["webgpu", "cuda"],
};

/** Writes the trunk and every head into a graph that may already hold other nodes. */
export function emitModel(
  graph: GraphBuilder,
  { config, heads, parameters, scales }: ServingModel,
  feed: Feed,
  { target, precision = "fp32", roundedType, layerOutputs = false, productInputs }: ServingGraphOptions,
): EmittedModel {
  const targets = TARGETS_OF[precision];
  if (targets !== undefined && !targets.includes(target)) {
    throw new AlbertError(
      "precondition",
      `${precision} runs on ${targets.join(" and ")} only, not on ${target}; choose precision fp32 there`,
      { reason: "PRECISION_UNAVAILABLE" },
    );
  }
  const isUnsigned = precision === "int8" && target === "cpu" && !hasExactSignedProducts();
  const stored = roundedType ?? (isUnsigned ? "uint8" : "int8");
  const weights = new Weights(graph, parameters, modelParameters(config, heads), stored);
  const { layers, wordEmbeddings, int8Product, staticProduct, prepare } = loweringFor(target);
  const blocks: string[] = [];
  const inputs = new Map<string, { value: string; width: number }>();
  const widths = new Map(trunkProducts(config).map((product) => [product.name, product.inputs]));
  const onInput = (product: string, application: Application, value: string) => {
    invariant(typeof application === "number", "a loop's body publishes nothing");
    inputs.set(productInput(product, application), { value, width: widths.get(product)! });
  };
  const context: EncoderContext = {
    config,
    weights,
    layers,
    wordEmbeddings: heads.some((head) => head.kind === "masked-lm" && !head.untied) ? "widened" : wordEmbeddings, // it reads the table
    feed,
    precision,
    int8Product,
    staticProduct,
    scales,
    attention: prepare(graph, feed, precision),
    ...(layerOutputs ? { onBlock: (hidden: string) => blocks.push(hidden) } : {}),
    ...(productInputs ? { onInput } : {}),
  };
  const embedded = embeddings(graph, context);
  const hidden = encoder(graph, context, embedded);
  const first = graph.op("Gather", [hidden, feed(PACKED_INPUTS.firstIndex, "int32", ["P"])]);
  const [kernel, bias] = ["kernel", "bias"].map((variable) => weights.get(`bert/pooler/dense/${variable}`));
  const pooled =
    config.poolerAct === "tanh"
      ? graph.op("Tanh", [graph.op("Gemm", [first, kernel!, bias!])])
      : biasActivation(graph, graph.op("MatMul", [first, kernel!]), bias!, config.poolerAct);
  const values = heads.map((head) => [head, emitHead(graph, { config, weights, feed, hidden, pooled }, head)] as const);
  return { embedded, blocks, productInputs: inputs, hidden, pooled, heads: new Map(values) };
}
