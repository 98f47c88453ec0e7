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
  tensor1d,
  tensor2d,
} from "@tensorflow/tfjs-core";
import { invariant } from "../errors.ts";
import type { Dropout } from "../model/forward/dropout.ts";
import { crossEntropy, focalLoss, sigmoidCrossEntropy, tripletLoss } from "../model/forward/losses.ts";
import type { Variables } from "../model/forward/variables.ts";
import type { Distillation } from "./distillation/distillation.ts";
import { comparesStates, distillationLosses, maskedWordLosses } from "./distillation/distillation-loss.ts";
import type { LossTerm } from "./objectives.ts";
import { batchTensor, type HeadOutput, headOutputs, type Pass, wholeTrunk } from "./step/forward-pass.ts";
import type { ClassificationLoss, StepSpec } from "./step/training-step.ts";

// The loss of a training step in TensorFlow.js ops.

/** One micro-batch as tensors, and the factor that turns each term's weighted sum into its share of the loss. */
export interface LossInputs {
  readonly batch: ReadonlyMap<string, Tensor>;
  readonly scales: ReadonlyMap<LossTerm["name"], Scalar>;
  /** Of a teacher that answers in the step, by official variable name. */
  readonly teacher?: Variables;
}

/** The loss of a micro-batch, and sums over it for whoever watches the run. */
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
  const plain: Pass = { spec, variables, batch: inputs.batch, dropout };
  const pass = comparesStates(spec.distillation) ? { ...plain, states: wholeTrunk(plain) } : plain;
  const outputs = headOutputs(pass);
  const labelled: Labelled = { pass, inputs, loss: spec.loss };
  const own = lossOf(labelled, outputs);
  const { distillation } = spec;
  if (distillation === undefined) return own;
  if (spec.objective.kind === "pretraining") return withTeacherOfWords(distillation, labelled, own, outputs[0]!.logits);
  const weights = batchTensor<Tensor1D>(pass, "example_weights");
  const shares = distillationLosses(distillation, pass, outputs, inputs.teacher).map(({ name, weight, losses }) => ({
    name,
    weight,
    loss: weighted(inputs, "examples", losses, weights),
  }));
  const { hard } = distillation.weights;
  const terms = [
    ...(hard > 0 ? [mul<Scalar>(own.loss, hard)] : []),
    ...shares.map((share) => mul<Scalar>(share.loss, share.weight)),
  ];
  const loss = terms.reduce((total, term) => add(total, term));
  const parts = shares.map(({ name, loss: share }) => [`${name}_loss`, share]);
  return { loss, metrics: { ...own.metrics, ...Object.fromEntries(parts) } };
}

/** The loss of masked text for a student with a teacher: its own, and what it lacks of the words that the teacher expects. */
function withTeacherOfWords(
  distillation: Distillation,
  { pass, inputs }: Labelled,
  own: ObjectiveLoss,
  logits: Tensor2D,
): ObjectiveLoss {
  const { hard, soft } = distillation.weights;
  const weights: Tensor1D = reshape(batchTensor(pass, "masked_lm_weights"), [-1]);
  const lacking = weighted(inputs, "masked_lm", maskedWordLosses(distillation, pass, logits, inputs.teacher), weights);
  const taught = mul<Scalar>(lacking, soft);
  const loss = hard > 0 ? add<Scalar>(mul<Scalar>(own.loss, hard), taught) : taught;
  return { loss, metrics: { ...own.metrics, soft_loss: lacking } };
}

interface Labelled {
  readonly pass: Pass;
  readonly inputs: LossInputs;
  readonly loss: ClassificationLoss | undefined;
}

/** The loss of what the heads say against the labels of the batch. */
function lossOf(labelled: Labelled, outputs: readonly HeadOutput[]): ObjectiveLoss {
  const [first, second, third] = outputs.map(({ logits }) => logits);
  invariant(first !== undefined, "an objective has a head");
  switch (labelled.pass.spec.objective.kind) {
    case "classification":
      return classification(labelled, first);
    case "multiple-choice": {
      const { loss, metrics } = chosen(labelled, first);
      return { loss, metrics };
    }
    case "regression":
      return regression(labelled, first);
    case "multi-label":
      return multiLabel(labelled, first);
    case "span": {
      const { loss, metrics } = spanLoss(labelled, first, second!);
      return { loss: loss(), metrics };
    }
    case "span-answerability":
      return answerableSpan(labelled, first, second!, third!);
    case "contrastive":
      return contrastive(labelled, first);
    case "pretraining":
      return pretraining(labelled, first, second!);
  }
}

function classification(labelled: Labelled, logits: Tensor2D): ObjectiveLoss {
  const { loss, metrics, best, weights } = chosen(labelled, logits, labelled.loss);
  const counts = Array.from({ length: logits.shape[1] }, (_, label) => [
    `predicted_${label}`,
    sum(mul(cast(equal(best, scalar(label, "int32")), "float32"), weights)),
  ]);
  return { loss, metrics: { ...metrics, ...Object.fromEntries(counts) } };
}

/** Softmax cross-entropy against `label_ids`, or what it is changed to. */
function chosen(
  labelled: Labelled,
  logits: Tensor2D,
  { labelSmoothing = 0, focalGamma = 0, classWeights }: ClassificationLoss = {},
): ObjectiveLoss & { best: Tensor1D; weights: Tensor1D } {
  const labels = batchTensor<Tensor1D>(labelled.pass, "label_ids");
  const weights = labelWeights(labelled);
  const best: Tensor1D = argMax(logits, -1);
  const entropies = crossEntropy(logits, labels, labelSmoothing);
  const focused = focalGamma === 0 ? entropies : focalLoss(entropies, focalGamma);
  const losses: Tensor1D =
    classWeights === undefined ? focused : mul(focused, gather(tensor1d([...classWeights]), labels));
  return {
    loss: mean(labelled, losses),
    metrics: { correct: hits(best, labels, weights), weight: sum(weights) },
    best,
    weights,
  };
}

function regression(labelled: Labelled, logits: Tensor2D): ObjectiveLoss {
  const weights = labelWeights(labelled);
  const predictions: Tensor1D = reshape(logits, weights.shape);
  const error = sub(predictions, batchTensor<Tensor1D>(labelled.pass, "label_values"));
  const squared: Tensor1D = mul(error, error);
  return {
    loss: mean(labelled, squared),
    metrics: {
      squared_error: sum(mul(squared, weights)),
      prediction_sum: sum(mul(predictions, weights)),
      prediction_square_sum: sum(mul(square(predictions), weights)),
      weight: sum(weights),
    },
  };
}

function multiLabel(labelled: Labelled, logits: Tensor2D): ObjectiveLoss {
  const weights = labelWeights(labelled);
  const targets = batchTensor<Tensor2D>(labelled.pass, "label_targets");
  const share = 1 / targets.shape[1];
  const perExample: Tensor1D = mul(sum(sigmoidCrossEntropy(logits, targets), -1), share);
  const right = cast(equal(cast(greater(logits, 0), "float32"), targets), "float32");
  return {
    loss: mean(labelled, perExample),
    metrics: { correct: sum(mul(mul(sum(right, -1), share), weights)), weight: sum(weights) },
  };
}

/** Whatever tells each anchor's partner, the first candidate of its row, from the others that count for it. */
function contrastive({ pass, inputs }: Labelled, cosines: Tensor2D): ObjectiveLoss {
  const { contrastive: options } = pass.spec;
  invariant(options !== undefined, "a contrastive step says what it minimises");
  const weights = batchTensor<Tensor1D>(pass, "example_weights");
  const mask = batchTensor<Tensor2D>(pass, "candidate_mask");
  const [rows, candidates] = mask.shape;
  const own = batchTensor<Tensor1D>(pass, "label_ids");
  const counted: Tensor2D = sub(mul(cosines, mask), mul(sub(1, mask), OUT_OF_REACH));
  const losses =
    options.kind === "ranking"
      ? crossEntropy(mul(counted, options.scale), own)
      : tripletLoss(cosines, ownCandidates(rows, candidates), mask, options.margin);
  return {
    loss: weighted(inputs, "examples", losses, weights),
    metrics: { correct: hits(argMax(counted, -1), own, weights), weight: sum(weights) },
  };
}

/** What stands for the cosine of a text that does not count. */
const OUT_OF_REACH = 1e30;

/** 1 at the first candidate of each row's own, 0 elsewhere: float32 [rows, candidates]. */
function ownCandidates(rows: number, candidates: number): Tensor2D {
  const own = new Float32Array(rows * candidates);
  for (let row = 0; row < rows; row++) own[row * candidates + (row * candidates) / rows] = 1;
  return tensor2d(own, [rows, candidates]);
}

function answerableSpan(labelled: Labelled, start: Tensor2D, end: Tensor2D, missing: Tensor2D): ObjectiveLoss {
  const impossible = batchTensor<Tensor1D>(labelled.pass, "is_impossible");
  const unanswerable: Tensor1D = reshape(missing, impossible.shape);
  const { loss, metrics } = spanLoss(labelled, start, end);
  const right = cast(equal(cast(greater(unanswerable, 0), "float32"), impossible), "float32");
  return {
    loss: loss(mul(sigmoidCrossEntropy(unanswerable, impossible), 0.5)),
    metrics: { ...metrics, answerability_correct: sum(mul(right, labelWeights(labelled))) },
  };
}

/** Half the start's and half the end's cross-entropy, plus whatever else an example costs. */
function spanLoss(labelled: Labelled, start: Tensor2D, end: Tensor2D) {
  const weights = labelWeights(labelled);
  const starts = batchTensor<Tensor1D>(labelled.pass, "start_positions");
  const ends = batchTensor<Tensor1D>(labelled.pass, "end_positions");
  const perExample: Tensor1D = mul(add(crossEntropy(start, starts), crossEntropy(end, ends)), 0.5);
  return {
    loss: (extra?: Tensor1D): Scalar => mean(labelled, extra === undefined ? perExample : add(perExample, extra)),
    metrics: {
      start_correct: hits(argMax(start, -1), starts, weights),
      end_correct: hits(argMax(end, -1), ends, weights),
      weight: sum<Scalar>(weights),
    },
  };
}

function pretraining({ pass, inputs }: Labelled, wordLogits: Tensor2D, orderLogits: Tensor2D): ObjectiveLoss {
  const flat = (name: string): Tensor1D => reshape(batchTensor(pass, name), [-1]);
  const ids = flat("masked_lm_ids");
  const idWeights = flat("masked_lm_weights");
  const maskedLoss = weighted(inputs, "masked_lm", crossEntropy(wordLogits, ids), idWeights);
  const order = flat("next_sentence_labels");
  const orderWeights = flat("next_sentence_weights");
  const orderLoss = weighted(inputs, "sentence_order", crossEntropy(orderLogits, order), orderWeights);
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

/** 1 for every example that has a label. */
function labelWeights({ pass }: Labelled): Tensor1D {
  return batchTensor(pass, pass.spec.objective.taught === undefined ? "example_weights" : "label_weights");
}

/** The micro-batch's share of a mean over all labelled examples of the step. */
function mean(labelled: Labelled, losses: Tensor1D): Scalar {
  const term = labelled.pass.spec.objective.taught === undefined ? "examples" : "labels";
  return weighted(labelled.inputs, term, losses, labelWeights(labelled));
}

/** scale * sum(weights * losses): the term's share of the step's loss. */
function weighted(inputs: LossInputs, term: LossTerm["name"], losses: Tensor1D, weights: Tensor1D): Scalar {
  const scale = inputs.scales.get(term);
  invariant(scale !== undefined, `no scale is fed for loss term ${term}`);
  return mul(sum(mul(losses, weights)), scale);
}

function hits(best: Tensor, labels: Tensor1D, weights: Tensor1D): Scalar {
  return sum(mul(cast(equal(best, labels), "float32"), weights));
}
