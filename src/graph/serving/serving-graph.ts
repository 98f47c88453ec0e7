import type { AlbertConfig } from "../../model/config.ts";
import type { Head } from "../../model/heads.ts";
import { modelParameters } from "../../model/parameters.ts";
import type { Parameters } from "../../model/tensor.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import { embeddings, encoder } from "./encoder.ts";
import { emitHead } from "./heads.ts";
import { loweringFor, type Target } from "./lowering.ts";
import { indexInput, PACKED_INPUTS, TRUNK_OUTPUTS } from "./packed-inputs.ts";
import { Weights } from "./weights.ts";

/** What a serving graph computes: one trunk and any number of heads on it. */
export interface ServingModel {
  readonly config: AlbertConfig;
  readonly heads: readonly Head[];
  readonly parameters: Parameters;
}

export interface ServingGraphOptions {
  readonly target: Target;
  /** Also publish `embedding_output` [T, E] and every block's output `layer_<i>` [T, H], for comparison with goldens. */
  readonly layerOutputs?: boolean;
}

/**
 * Writes the graph that serves a model: all sequences of a batch laid end to end, every dense layer on [T, H], all heads
 * in one pass. Inputs and outputs are those of `packed-inputs.ts`.
 *
 * @throws AlbertError corrupt when a variable is missing or misshapen (misshapen ones when the graph is encoded)
 */
export function buildServingGraph(model: ServingModel, options: ServingGraphOptions): GraphBuilder {
  const { config, heads, parameters } = model;
  const graph = new GraphBuilder("albert");
  const weights = new Weights(graph, parameters, modelParameters(config, heads));
  const lowering = loweringFor(options.target);
  for (const name of [PACKED_INPUTS.inputIds, PACKED_INPUTS.positionIds, PACKED_INPUTS.tokenTypeIds]) {
    indexInput(graph, name, "T");
  }
  lowering.prepare(graph);

  const blocks: string[] = [];
  const context = {
    config,
    weights,
    lowering,
    ...(options.layerOutputs ? { onBlock: (hidden: string) => blocks.push(hidden) } : {}),
  };
  const embedded = embeddings(graph, context);
  const hidden = encoder(graph, context, embedded);
  const pooled = pooler(graph, weights, hidden);

  select(graph, pooled, PACKED_INPUTS.pooledIndex, TRUNK_OUTPUTS.pooled, config);
  select(graph, hidden, PACKED_INPUTS.sequenceIndex, TRUNK_OUTPUTS.sequence, config);
  for (const head of heads) emitHead(graph, { config, weights, hidden, pooled }, head);
  if (options.layerOutputs) {
    graph.output(embedded, "float32", ["T", config.embeddingSize], "embedding_output");
    blocks.forEach((block, layer) => {
      graph.output(block, "float32", ["T", config.hiddenSize], `layer_${layer}`);
    });
  }
  return graph;
}

/** tanh(first token times the pooler) for the sequences that need it. @returns float32 [P, H] */
function pooler(graph: GraphBuilder, weights: Weights, hidden: string): string {
  const firstIndex = indexInput(graph, PACKED_INPUTS.firstIndex, "P");
  const first = graph.op("Gather", [hidden, firstIndex]);
  const kernel = weights.get("bert/pooler/dense/kernel");
  return graph.op("Tanh", [graph.op("Gemm", [first, kernel, weights.get("bert/pooler/dense/bias")])]);
}

function select(graph: GraphBuilder, from: string, input: string, output: string, { hiddenSize }: AlbertConfig): void {
  const index = indexInput(graph, input, `${output}_rows`);
  graph.output(graph.op("Gather", [from, index]), "float32", [`${output}_rows`, hiddenSize], output);
}
