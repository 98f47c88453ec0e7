import {
  add,
  concat,
  matMul,
  mul,
  reshape,
  slice,
  sub,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  tanh,
} from "@tensorflow/tfjs-core";
import type { AlbertConfig } from "../../config.ts";
import type { Head } from "../../heads.ts";
import { dense } from "../dense.ts";
import type { Dropout } from "../dropout.ts";
import { firstTokens, type HiddenStates } from "../encoder.ts";
import { gatherTokens } from "../gather-tokens.ts";
import { layerNorm } from "../layer-norm.ts";
import { softmax } from "../softmax.ts";
import { matrix, type Variables, vector } from "../variables.ts";
import { headScope } from "./scope.ts";

// The SQuAD v2 head in TensorFlow.js ops.

/** Score of a position where no answer may start or end. */
const IMPOSSIBLE = 1e30;

/** The SQuAD v2 head on one batch; X is the trunk's sequence output. */
export interface AnswerabilityHead {
  readonly config: AlbertConfig;
  readonly variables: Variables;
  readonly head: Head;
  readonly trunk: HiddenStates;
  /** float32 [B,S]; 1 where no answer may start or end. */
  readonly answerMask: Tensor2D;
}

/** Start logits, masked: float32 [B,S]. */
export function startLogits(part: AnswerabilityHead): Tensor2D {
  const { variables, head, trunk } = part;
  const logits = dense(trunk.sequenceOutput, variables, headScope(head, "start_logits/dense"));
  return masked(part, logits);
}

/**
 * End logits given where the answer starts, masked: float32 [B,S].
 *
 * @param starts int32 [B]: the true start in training, one of the best starts at inference
 */
export function endLogits(part: AnswerabilityHead, starts: Tensor1D): Tensor2D {
  const { config, variables, head, trunk } = part;
  const { sequenceOutput, rows, length } = trunk;
  const scope = headScope(head, "end_logits");
  const width = config.hiddenSize;
  const start = gatherTokens(sequenceOutput, length, reshape(starts, [rows, 1]));
  // [token ; start] @ kernel, with the start's half computed once per row instead of once per token.
  const kernel = matrix(variables, `${scope}/dense_0/kernel`);
  const ofTokens = matMul(sequenceOutput, rowsOf(kernel, 0, width));
  const ofStart = matMul(start, rowsOf(kernel, width, width));
  const sum: Tensor3D = add(reshape(ofTokens, [rows, length, width]), reshape(ofStart, [rows, 1, width]));
  const hidden = tanh(add(reshape(sum, [rows * length, width]), vector(variables, `${scope}/dense_0/bias`)));
  const normal = layerNorm(
    hidden as Tensor2D,
    vector(variables, `${scope}/LayerNorm/gamma`),
    vector(variables, `${scope}/LayerNorm/beta`),
    config.layerNormEps,
  );
  return masked(part, dense(normal, variables, `${scope}/dense_1`));
}

/** High where the question cannot be answered from the text: float32 [B]. */
export function answerabilityLogits(
  part: AnswerabilityHead,
  start: Tensor2D,
  dropout: Dropout,
  probability: number,
): Tensor1D {
  const { config, variables, head, trunk } = part;
  const { sequenceOutput, rows, length } = trunk;
  const width = config.hiddenSize;
  const scope = headScope(head, "answer_class");
  const weights: Tensor3D = reshape(softmax(start), [rows, 1, length]);
  const summary: Tensor2D = reshape(matMul(weights, reshape(sequenceOutput, [rows, length, width])), [rows, width]);
  const pair: Tensor2D = concat([summary, firstTokens(sequenceOutput, rows, length)], 1);
  const hidden: Tensor2D = tanh(dense(pair, variables, `${scope}/dense_0`));
  const logits = matMul(dropout.apply(hidden, probability), matrix(variables, `${scope}/dense_1/kernel`));
  return reshape(logits, [rows]);
}

function masked({ trunk, answerMask }: AnswerabilityHead, logits: Tensor2D): Tensor2D {
  const shaped: Tensor2D = reshape(logits, [trunk.rows, trunk.length]);
  return sub(mul(shaped, sub(1, answerMask)), mul(answerMask, IMPOSSIBLE));
}

function rowsOf(kernel: Tensor2D, start: number, count: number): Tensor2D {
  return slice(kernel, [start, 0], [count, kernel.shape[1]]);
}
