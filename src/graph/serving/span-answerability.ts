import type { GraphBuilder } from "../onnx/graph-builder.ts";
import { DATA_TYPE } from "../onnx/tensors.ts";
import { layerNorm } from "./encoder.ts";
import type { HeadContext, HeadValue } from "./head-context.ts";
import { headInput } from "./packed-inputs.ts";

/** What the official code subtracts where no answer may start or end. */
const FORBIDDEN = -1e30;

/**
 * The SQuAD v2 head: end positions conditioned on each of the best starts, and one answerability logit. It runs once per
 * sequence, over exactly that sequence's rows, so that the normalisation over positions cannot depend on neighbours.
 *
 * Per sequence the outputs hold its own beams first; places beyond them (up to the widest beam of the batch) are filled
 * with log-probability -1e30 and index 0.
 */
export function spanAnswerability(
  graph: GraphBuilder,
  context: HeadContext,
  head: string,
  variable: (name: string) => string,
): HeadValue[] {
  const { feed } = context;
  const count = `${head}_sequences`;
  const inputs: SequenceInputs = {
    starts: feed(headInput(head, "starts"), "int32", [count]),
    lengths: feed(headInput(head, "lengths"), "int32", [count]),
    startTopN: feed(headInput(head, "start_top_n"), "int64", [count]),
    endTopN: feed(headInput(head, "end_top_n"), "int64", [count]),
    answerMask: feed(headInput(head, "answer_mask"), "float32", ["T"]),
  };
  const widest = feed(headInput(head, "widest"), "int64", [2]);

  const body = graph.subgraph(`${head}_sequence`);
  const iteration = body.input(body.freshName("sequence"), "int64", []);
  const condition = body.input(body.freshName("condition"), "bool", []);
  const results = sequenceAnswers(body, context, { inputs, variable, iteration });
  const { startLogProbs, startIndexes, endLogProbs, endIndexes, answerability } = results;
  const fill = body.float(FORBIDDEN);
  const zero = body.constant("int64", [], [0]);
  const padStart = body.op("Sub", [body.op("Gather", [widest, body.ints([0])]), body.op("Shape", [startLogProbs])]);
  const padBoth = body.op("Sub", [widest, body.op("Shape", [endLogProbs])]);
  const trailing = (pads: string, axes: number) =>
    body.op("Concat", [body.ints(Array.from({ length: axes }, () => 0)), pads], { axis: { int: 0 } });
  const startPads = trailing(padStart, 1);
  const bothPads = trailing(padBoth, 2);
  body.output(body.op("Identity", [condition]), "bool", []);
  body.output(body.op("Pad", [startLogProbs, startPads, fill]), "float32", ["K1"]);
  body.output(body.op("Pad", [startIndexes, startPads, zero]), "int64", ["K1"]);
  body.output(body.op("Pad", [endLogProbs, bothPads, fill]), "float32", ["K1", "K2"]);
  body.output(body.op("Pad", [endIndexes, bothPads, zero]), "int64", ["K1", "K2"]);
  body.output(answerability, "float32", [1]);

  const trips = graph.op("Size", [inputs.starts]);
  const always = graph.constant("bool", [], [1]);
  const outputs = graph.node("Loop", [trips, always], { attributes: { body: { graph: body } }, outputs: 5 });
  const indexes = (value: string) => graph.op("Cast", [value], { to: { int: DATA_TYPE.int32 } });
  const both = [count, "K1", "K2"];
  return [
    { output: "start_log_probs", value: outputs[0]!, dtype: "float32", dims: [count, "K1"] },
    { output: "start_indexes", value: indexes(outputs[1]!), dtype: "int32", dims: [count, "K1"] },
    { output: "end_log_probs", value: outputs[2]!, dtype: "float32", dims: both },
    { output: "end_indexes", value: indexes(outputs[3]!), dtype: "int32", dims: both },
    { output: "answerability_logits", value: outputs[4]!, dtype: "float32", dims: [count, 1] },
  ];
}

/** The head's inputs, one element for each sequence that asked; `answerMask` for each row of the batch. */
interface SequenceInputs {
  readonly starts: string;
  readonly lengths: string;
  readonly startTopN: string;
  readonly endTopN: string;
  readonly answerMask: string;
}

interface SequenceSelection {
  readonly inputs: SequenceInputs;
  readonly variable: (name: string) => string;
  /** int64 scalar: which of the head's sequences this pass is about. */
  readonly iteration: string;
}

/** One sequence of t rows; k1 starts, k2 ends each. */
function sequenceAnswers(g: GraphBuilder, context: HeadContext, { inputs, variable, iteration }: SequenceSelection) {
  const { config, weights, hidden } = context;
  const H = config.hiddenSize;
  const own = (input: string) => g.op("Gather", [input, g.op("Reshape", [iteration, g.ints([1])])]);
  const from = own(inputs.starts);
  const to = g.op("Add", [from, own(inputs.lengths)]);
  const axis = g.constant("int32", [1], [0]);
  const X = g.op("Slice", [hidden, from, to, axis]); // [t, H]
  const mask = g.op("Slice", [inputs.answerMask, from, to, axis]); // [t]
  const allowed = g.op("Sub", [g.float(1), mask]);
  const forbidden = g.op("Mul", [mask, g.float(FORBIDDEN)]);
  const masked = (logits: string) => g.op("Add", [g.op("Mul", [logits, allowed]), forbidden]);
  const affine = (x: string, layer: string) =>
    g.op("Add", [
      g.op("MatMul", [x, weights.get(variable(`${layer}/kernel`))]),
      weights.get(variable(`${layer}/bias`)),
    ]);

  const startLogits = masked(g.op("Reshape", [affine(X, "start_logits/dense"), g.ints([-1])])); // [t]
  const startLogProbsAll = g.op("LogSoftmax", [startLogits], { axis: { int: -1 } });
  const [startLogProbs, startIndexes] = g.node("TopK", [startLogProbsAll, own(inputs.startTopN)], { outputs: 2 });

  // [token ; start] times a [2H, H] kernel is the token times its upper half plus the start times its lower half.
  const endKernel = variable("end_logits/dense_0/kernel");
  const tokens = g.op("MatMul", [X, weights.rows(endKernel, 0, H)]); // [t, H]
  const conditions = g.op("Add", [
    g.op("MatMul", [g.op("Gather", [X, startIndexes!]), weights.rows(endKernel, H, 2 * H)]),
    weights.get(variable("end_logits/dense_0/bias")),
  ]); // [k1, H]
  const pairs = g.op("Tanh", [
    g.op("Add", [g.op("Unsqueeze", [tokens, g.ints([0])]), g.op("Unsqueeze", [conditions, g.ints([1])])]),
  ]); // [k1, t, H]
  const normal = layerNorm(g, weights, pairs, variable("end_logits/LayerNorm"), config);
  const endLogits = masked(g.op("Squeeze", [affine(normal, "end_logits/dense_1"), g.ints([-1])])); // [k1, t]
  const endLogProbsAll = g.op("LogSoftmax", [endLogits], { axis: { int: -1 } });
  const [endLogProbs, endIndexes] = g.node("TopK", [endLogProbsAll, own(inputs.endTopN)], { outputs: 2 }); // [k1, k2]

  const startProbs = g.op("Unsqueeze", [g.op("Softmax", [startLogits], { axis: { int: -1 } }), g.ints([0])]); // [1, t]
  const summary = g.op("MatMul", [startProbs, X]); // [1, H]
  const first = g.op("Slice", [X, g.ints([0]), g.ints([1]), g.ints([0])]); // [1, H]
  const features = g.op("Concat", [summary, first], { axis: { int: -1 } }); // [1, 2H]
  const answer = g.op("Tanh", [affine(features, "answer_class/dense_0")]);
  const logit = g.op("MatMul", [answer, weights.get(variable("answer_class/dense_1/kernel"))]); // [1, 1]
  return {
    startLogProbs: startLogProbs!,
    startIndexes: startIndexes!,
    endLogProbs: endLogProbs!,
    endIndexes: endIndexes!,
    answerability: g.op("Reshape", [logit, g.ints([1])]),
  };
}
