import type { Head, MaskedLmHead } from "../../model/heads.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { biasActivation } from "./activation.ts";
import { layerNorm } from "./encoder.ts";
import type { HeadContext, HeadValue } from "./head-context.ts";
import { headInput } from "./packed-inputs.ts";
import { spanAnswerability } from "./span-answerability.ts";

/**
 * Writes one head. It works only on the rows that its own index inputs name, so a batch in which no sequence asks for it
 * costs it nothing.
 */
export function emitHead(graph: GraphBuilder, context: HeadContext, head: Head): HeadValue[] {
  const variable = (name: string) => variableOf(head, name);
  const { pooled, hidden } = context;
  switch (head.kind) {
    case "classification":
      return outputLayer(graph, context, head, { from: pooled, scope: "", classes: head.labels.length });
    case "multiple-choice":
      return outputLayer(graph, context, head, { from: pooled, scope: "", classes: 1 });
    case "sentence-order":
      return outputLayer(graph, context, head, { from: pooled, scope: "cls/seq_relationship/", classes: 2 });
    case "span":
      return outputLayer(graph, context, head, { from: hidden, scope: "cls/squad/", classes: 2 });
    case "masked-lm":
      return maskedLm(graph, context, head);
    case "span-answerability":
      return spanAnswerability(graph, context, head.name, variable);
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
function outputLayer(graph: GraphBuilder, { weights, feed }: HeadContext, head: Head, layer: OutputLayer): HeadValue[] {
  const rows = `${head.name}_rows`;
  const index = feed(headInput(head.name, "index"), "int32", [rows]);
  const selected = graph.op("Gather", [layer.from, index]);
  const kernel = weights.get(variableOf(head, `${layer.scope}output_weights`));
  const bias = weights.get(variableOf(head, `${layer.scope}output_bias`));
  const logits = graph.op("Gemm", [selected, kernel, bias], { transB: { int: 1 } });
  return [{ output: "logits", value: logits, dtype: "float32", dims: [rows, layer.classes] }];
}

/** Vocabulary logits at selected rows; the output matrix is the word embedding table itself, unless the head has its own. */
function maskedLm(graph: GraphBuilder, context: HeadContext, head: MaskedLmHead): HeadValue[] {
  const { config, weights, hidden, feed } = context;
  const variable = (name: string) => variableOf(head, `cls/predictions/${name}`);
  const rows = `${head.name}_rows`;
  const index = feed(headInput(head.name, "index"), "int32", [rows]);
  const selected = graph.op("Gather", [hidden, index]); // [M, H]
  const product = graph.op("MatMul", [selected, weights.get(variable("transform/dense/kernel"))]); // [M, E]
  const active = biasActivation(graph, product, weights.get(variable("transform/dense/bias")), config.hiddenAct);
  const normal = layerNorm(graph, weights, active, variable("transform/LayerNorm"), config);
  const words = weights.get(head.untied ? variable("output_weights") : "bert/embeddings/word_embeddings"); // [V, E]
  const logits = graph.op("Gemm", [normal, words, weights.get(variable("output_bias"))], { transB: { int: 1 } });
  return [{ output: "logits", value: logits, dtype: "float32", dims: [rows, config.vocabSize] }];
}
