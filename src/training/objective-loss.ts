import {
  add,
  argMax,
  cast,
  equal,
  gather,
  greater,
  mul,
  reshape,
  type Scalar,
  scalar,
  square,
  sub,
  sum,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  tensor1d,
} from "@tensorflow/tfjs-core";
import { invariant } from "../errors.ts";
import type { Dropout } from "../model/forward/dropout.ts";
import type { TrunkInputs } from "../model/forward/embeddings.ts";
import { encode, encodeFirstTokens, type HiddenStates } from "../model/forward/encoder.ts";
import { gatherTokens } from "../model/forward/gather-tokens.ts";
import { answerabilityLogits, endLogits, startLogits } from "../model/forward/heads/answerability.ts";
import { pooledLogits } from "../model/forward/heads/classification.ts";
import { maskedLmLogits } from "../model/forward/heads/masked-lm.ts";
import { spanLogits } from "../model/forward/heads/span.ts";
import { crossEntropy, focalLoss, sigmoidCrossEntropy } from "../model/forward/losses.ts";
import { pool } from "../model/forward/pooler.ts";
import type { Variables } from "../model/forward/variables.ts";
import type { Head } from "../model/heads.ts";
import type { LossTerm } from "./objectives.ts";
import type { ClassificationLoss, StepSpec } from "./step/training-step.ts";

// The forward pass and loss of a training step in TensorFlow.js ops.

/** One micro-batch as tensors, and the factor that turns each term's weighted sum into its share of the loss. */
export interface LossInputs {
  readonly batch: ReadonlyMap<string, Tensor>;
  readonly scales: ReadonlyMap<LossTerm["name"], Scalar>;
}

/** The loss of a micro-batch, and sums for the metrics of `metricNames`. */
export interface ObjectiveLoss {
  readonly loss: Scalar;
  readonly metrics: Readonly<Record<string, Scalar>>;
}

/** The whole forward pass of a training step: trunk, head, loss and what is counted along the way. */
export function objectiveLoss(
  spec: StepSpec,
  variables: Variables,
  inputs: LossInputs,
  dropout: Dropout,
): ObjectiveLoss {
  const pass: Pass = { spec, variables, inputs, dropout };
  switch (spec.objective.kind) {
    case "classification":
      return classification(pass);
    case "multiple-choice":
      return multipleChoice(pass);
    case "regression":
      return regression(pass);
    case "multi-label":
      return multiLabel(pass);
    case "span":
      return span(pass);
    case "span-answerability":
      return answerableSpan(pass);
    case "pretraining":
      return pretraining(pass);
  }
}

/** Logit that stands for a choice which a question does not have. */
const ABSENT_CHOICE = 1e30;

interface Pass {
  readonly spec: StepSpec;
  readonly variables: Variables;
  readonly inputs: LossInputs;
  readonly dropout: Dropout;
}

function classification(pass: Pass): ObjectiveLoss {
  const logits = pooledHeadLogits(pass);
  const { loss, metrics, best, weights } = chosen(pass, logits, pass.spec.loss);
  const counts = Array.from({ length: logits.shape[1] }, (_, label) => [
    `predicted_${label}`,
    sum(mul(cast(equal(best, scalar(label, "int32")), "float32"), weights)),
  ]);
  return { loss, metrics: { ...metrics, ...Object.fromEntries(counts) } };
}

function multipleChoice(pass: Pass): ObjectiveLoss {
  const mask = tensor<Tensor2D>(pass, "choice_mask");
  const logits: Tensor2D = reshape(pooledHeadLogits(pass), mask.shape);
  const { loss, metrics } = chosen(pass, sub(mul(logits, mask), mul(sub(1, mask), ABSENT_CHOICE)));
  return { loss, metrics };
}

/** Softmax cross-entropy against `label_ids`, or what it is changed to. */
function chosen(
  pass: Pass,
  logits: Tensor2D,
  { labelSmoothing = 0, focalGamma = 0, classWeights }: ClassificationLoss = {},
): ObjectiveLoss & { best: Tensor1D; weights: Tensor1D } {
  const labels = tensor<Tensor1D>(pass, "label_ids");
  const weights = tensor<Tensor1D>(pass, "example_weights");
  const best: Tensor1D = argMax(logits, -1);
  const entropies = crossEntropy(logits, labels, labelSmoothing);
  const focused = focalGamma === 0 ? entropies : focalLoss(entropies, focalGamma);
  const losses: Tensor1D =
    classWeights === undefined ? focused : mul(focused, gather(tensor1d([...classWeights]), labels));
  return {
    loss: weighted(pass, "examples", losses, weights),
    metrics: { correct: hits(best, labels, weights), weight: sum(weights) },
    best,
    weights,
  };
}

function regression(pass: Pass): ObjectiveLoss {
  const weights = tensor<Tensor1D>(pass, "example_weights");
  const predictions: Tensor1D = reshape(pooledHeadLogits(pass), weights.shape);
  const error = sub(predictions, tensor<Tensor1D>(pass, "label_values"));
  const squared: Tensor1D = mul(error, error);
  return {
    loss: weighted(pass, "examples", squared, weights),
    metrics: {
      squared_error: sum(mul(squared, weights)),
      prediction_sum: sum(mul(predictions, weights)),
      prediction_square_sum: sum(mul(square(predictions), weights)),
      weight: sum(weights),
    },
  };
}

function multiLabel(pass: Pass): ObjectiveLoss {
  const weights = tensor<Tensor1D>(pass, "example_weights");
  const targets = tensor<Tensor2D>(pass, "label_targets");
  const logits = pooledHeadLogits(pass);
  const share = 1 / targets.shape[1];
  const perExample: Tensor1D = mul(sum(sigmoidCrossEntropy(logits, targets), -1), share);
  const right = cast(equal(cast(greater(logits, 0), "float32"), targets), "float32");
  return {
    loss: weighted(pass, "examples", perExample, weights),
    metrics: { correct: sum(mul(mul(sum(right, -1), share), weights)), weight: sum(weights) },
  };
}

function span(pass: Pass): ObjectiveLoss {
  const { sequenceOutput, rows, length } = trunk(pass);
  const { start, end } = spanLogits(pass.variables, onlyHead(pass), sequenceOutput, rows, length);
  const { loss, metrics } = spanLoss(pass, start, end);
  return { loss: loss(), metrics };
}

function answerableSpan(pass: Pass): ObjectiveLoss {
  const { spec, variables } = pass;
  const impossible = tensor<Tensor1D>(pass, "is_impossible");
  const part = {
    config: spec.config,
    variables,
    head: onlyHead(pass),
    trunk: trunk(pass),
    answerMask: tensor<Tensor2D>(pass, "p_mask"),
  };
  const start = startLogits(part);
  const end = endLogits(part, tensor<Tensor1D>(pass, "start_positions"));
  const unanswerable = answerabilityLogits(part, start, pass.dropout, spec.headDropout);
  const { loss, metrics } = spanLoss(pass, start, end);
  const right = cast(equal(cast(greater(unanswerable, 0), "float32"), impossible), "float32");
  return {
    loss: loss(mul(sigmoidCrossEntropy(unanswerable, impossible), 0.5)),
    metrics: { ...metrics, answerability_correct: sum(mul(right, tensor(pass, "example_weights"))) },
  };
}

/** Half the start's and half the end's cross-entropy, plus whatever else an example costs. */
function spanLoss(pass: Pass, start: Tensor2D, end: Tensor2D) {
  const weights = tensor<Tensor1D>(pass, "example_weights");
  const starts = tensor<Tensor1D>(pass, "start_positions");
  const ends = tensor<Tensor1D>(pass, "end_positions");
  const perExample: Tensor1D = mul(add(crossEntropy(start, starts), crossEntropy(end, ends)), 0.5);
  return {
    loss: (extra?: Tensor1D): Scalar =>
      weighted(pass, "examples", extra === undefined ? perExample : add(perExample, extra), weights),
    metrics: {
      start_correct: hits(argMax(start, -1), starts, weights),
      end_correct: hits(argMax(end, -1), ends, weights),
      weight: sum<Scalar>(weights),
    },
  };
}

function pretraining(pass: Pass): ObjectiveLoss {
  const { spec, variables } = pass;
  const [maskedLm, sentenceOrder] = spec.objective.heads;
  invariant(maskedLm !== undefined && sentenceOrder !== undefined, "pretraining trains two heads");
  const output = trunk(pass);
  const flat = (name: string): Tensor1D => reshape(tensor(pass, name), [-1]);

  const ids = flat("masked_lm_ids");
  const idWeights = flat("masked_lm_weights");
  const masked = gatherTokens(output.sequenceOutput, output.length, tensor<Tensor2D>(pass, "masked_lm_positions"));
  const wordLogits = maskedLmLogits(spec.config, variables, maskedLm, masked);
  const maskedLoss = weighted(pass, "masked_lm", crossEntropy(wordLogits, ids), idWeights);

  const order = flat("next_sentence_labels");
  const orderWeights = flat("next_sentence_weights");
  const orderLogits = pooledLogits(
    variables,
    sentenceOrder,
    pool(spec.config, variables, output, optional(pass, "cls_positions")),
  );
  const orderLoss = weighted(pass, "sentence_order", crossEntropy(orderLogits, order), orderWeights);
  return {
    loss: add(maskedLoss, orderLoss),
    metrics: {
      masked_lm_loss: maskedLoss,
      masked_lm_correct: hits(argMax(wordLogits, -1), ids, idWeights),
      sentence_order_loss: orderLoss,
      sentence_order_correct: hits(argMax(orderLogits, -1), order, orderWeights),
      sentence_order_weight: sum(orderWeights),
      weight: sum(idWeights),
    },
  };
}

/** Logits of a head on the pooled output: [B, labels], or [B*C, 1] for multiple choice. */
function pooledHeadLogits(pass: Pass): Tensor2D {
  const { spec, variables, dropout } = pass;
  const pooled: Tensor2D =
    spec.trunk === "cached"
      ? reshape(tensor(pass, "pooled_output"), [-1, spec.config.hiddenSize])
      : pool(spec.config, variables, encodeFirstTokens(spec.config, variables, sequences(pass), dropout));
  return pooledLogits(variables, onlyHead(pass), dropout.apply(pooled, spec.headDropout));
}

function trunk(pass: Pass): HiddenStates {
  const { spec, variables, dropout } = pass;
  if (spec.trunk === "cached") {
    const [rows, length, width] = tensor<Tensor3D>(pass, "sequence_output").shape;
    return { sequenceOutput: reshape(tensor(pass, "sequence_output"), [rows * length, width]), rows, length };
  }
  const positionIds = optional(pass, "position_ids");
  const attentionBlocks = optional(pass, "attention_blocks");
  const inputs: TrunkInputs = {
    ...sequences(pass),
    ...(positionIds === undefined ? {} : { positionIds }),
    ...(attentionBlocks === undefined ? {} : { attentionBlocks }),
  };
  return encode(spec.config, variables, inputs, dropout);
}

/** What every trunk reads, one row for each sequence: for multiple choice, for each choice. */
function sequences(pass: Pass): Pick<TrunkInputs, "inputIds" | "inputMask" | "segmentIds"> {
  const length = tensor(pass, "input_ids").shape.at(-1)!;
  return {
    inputIds: reshape(tensor(pass, "input_ids"), [-1, length]),
    inputMask: reshape(tensor(pass, "input_mask"), [-1, length]),
    segmentIds: reshape(tensor(pass, "segment_ids"), [-1, length]),
  };
}

/** scale * sum(weights * losses): the term's share of the step's loss. */
function weighted(pass: Pass, term: LossTerm["name"], losses: Tensor1D, weights: Tensor1D): Scalar {
  const scale = pass.inputs.scales.get(term);
  invariant(scale !== undefined, `no scale is fed for loss term ${term}`);
  return mul(sum(mul(losses, weights)), scale);
}

function hits(best: Tensor, labels: Tensor1D, weights: Tensor1D): Scalar {
  return sum(mul(cast(equal(best, labels), "float32"), weights));
}

function onlyHead(pass: Pass): Head {
  const head = pass.spec.objective.heads[0];
  invariant(head !== undefined, "an objective has a head");
  return head;
}

function tensor<T extends Tensor>(pass: Pass, name: string): T {
  const value = pass.inputs.batch.get(name);
  invariant(value !== undefined, `a ${pass.spec.objective.kind} batch has no tensor ${name}`);
  // Shapes and types were checked against `batchTensors` when the batch came in.
  return value as T;
}

function optional(pass: Pass, name: string): Tensor2D | undefined {
  return pass.inputs.batch.get(name) as Tensor2D | undefined;
}
