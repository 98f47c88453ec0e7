import type { AlbertConfig } from "../../model/config.ts";
import type { Head } from "../../model/heads.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { biasActivation } from "./activation.ts";
import { layerNorm } from "./encoder.ts";
import { headInput, headOutput, indexInput } from "./packed-inputs.ts";
import { spanAnswerability } from "./span-answerability.ts";
import type { Weights } from "./weights.ts";

/** What a head may build on. */
export interface HeadContext {
  readonly config: AlbertConfig;
  readonly weights: Weights;
  /** float32 [T, H] last block's output. */
  readonly hidden: string;
  /** float32 [P, H] pooled outputs of the sequences in `first_index`. */
  readonly pooled: string;
}

/**
 * Writes one head. It works only on the rows that its own index inputs name, so a batch in which nobody asked for it
 * costs it nothing.
 */
export function emitHead(graph: GraphBuilder, context: HeadContext, head: Head): void {
  const variable = (name: string) => variableOf(head, name);
  switch (head.kind) {
    case "classification":
      outputLayer(graph, context, head, { from: context.pooled, scope: "", classes: head.labels.length });
      break;
    case "multiple-choice":
      outputLayer(graph, context, head, { from: context.pooled, scope: "", classes: 1 });
      break;
    case "sentence-order":
      outputLayer(graph, context, head, { from: context.pooled, scope: "cls/seq_relationship/", classes: 2 });
      break;
    case "span":
      outputLayer(graph, context, head, { from: context.hidden, scope: "cls/squad/", classes: 2 });
      break;
    case "masked-lm":
      maskedLm(graph, context, head);
      break;
    case "span-answerability":
      spanAnswerability(graph, context, head.name, variable);
      break;
  }
}

/** Official name of a head's variable, below the head's scope if it has one. */
function variableOf(head: Head, name: string): string {
  return head.scope === undefined ? name : `heads/${head.scope}/${name}`;
}

interface OutputLayer {
  /** float32 [rows, H] that `index` selects from. */
  readonly from: string;
  readonly scope: string;
  readonly classes: number;
}

/** logits = selected rows times output_weights [C, H] transposed, plus output_bias [C]. */
function outputLayer(graph: GraphBuilder, { weights }: HeadContext, head: Head, layer: OutputLayer): void {
  const index = indexInput(graph, headInput(head.name, "index"), `${head.name}_rows`);
  const selected = graph.op("Gather", [layer.from, index]);
  const kernel = weights.get(variableOf(head, `${layer.scope}output_weights`));
  const bias = weights.get(variableOf(head, `${layer.scope}output_bias`));
  const logits = graph.op("Gemm", [selected, kernel, bias], { transB: { int: 1 } });
  graph.output(logits, "float32", [`${head.name}_rows`, layer.classes], headOutput(head.name, "logits"));
}

/** Vocabulary logits at selected rows; the output matrix is the word embedding table itself. */
function maskedLm(graph: GraphBuilder, { config, weights, hidden }: HeadContext, head: Head): void {
  const variable = (name: string) => variableOf(head, `cls/predictions/${name}`);
  const index = indexInput(graph, headInput(head.name, "index"), `${head.name}_rows`);
  const selected = graph.op("Gather", [hidden, index]); // [M, H]
  const product = graph.op("MatMul", [selected, weights.get(variable("transform/dense/kernel"))]); // [M, E]
  const active = biasActivation(graph, product, weights.get(variable("transform/dense/bias")), config.hiddenAct);
  const normal = layerNorm(graph, weights, active, variable("transform/LayerNorm"), config);
  const words = weights.get("bert/embeddings/word_embeddings"); // [V, E]
  const logits = graph.op("Gemm", [normal, words, weights.get(variable("output_bias"))], { transB: { int: 1 } });
  graph.output(logits, "float32", [`${head.name}_rows`, config.vocabSize], headOutput(head.name, "logits"));
}
