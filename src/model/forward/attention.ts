import {
  add,
  cast,
  equal,
  matMul,
  mul,
  reshape,
  sub,
  type Tensor2D,
  type Tensor4D,
  transpose,
} from "@tensorflow/tfjs-core";
import type { AlbertConfig } from "../config.ts";
import { dense } from "./dense.ts";
import type { Dropout } from "./dropout.ts";
import type { TrunkInputs } from "./embeddings.ts";
import { softmax } from "./softmax.ts";
import type { Variables } from "./variables.ts";

// Self-attention in TensorFlow.js ops, without the output projection.

/** Added to the scores of keys that must not be seen; finite, as in the official code. */
const MASKED = -10000;

/**
 * What is added to attention scores: 0 for visible keys, -10000 for padding and, in packed rows, for other blocks.
 *
 * @returns float32 [B,1,1,S], or [B,1,S,S] for packed rows
 */
export function attentionBias({ inputMask, attentionBlocks }: TrunkInputs): Tensor4D {
  const [rows, length] = inputMask.shape;
  const visible: Tensor4D = reshape(inputMask, [rows, 1, 1, length]);
  if (attentionBlocks === undefined) return mul(sub(1, visible), MASKED);
  const same = equal(reshape(attentionBlocks, [rows, 1, length, 1]), reshape(attentionBlocks, [rows, 1, 1, length]));
  return mul(sub(1, mul(cast(same, "float32"), visible)), MASKED);
}

/** Hidden states that look at hidden states of the same B sequences. */
export interface Attention {
  /** float32 [B*Q, H]: Q tokens of each sequence, which look. */
  readonly queries: Tensor2D;
  /** float32 [B*S, H]: all tokens, which are looked at. */
  readonly tokens: Tensor2D;
  /** From `attentionBias`; the one of packed rows only fits queries that are all tokens. */
  readonly bias: Tensor4D;
}

/**
 * Multi-head self-attention without the output projection.
 *
 * @param scope `.../attention_1/self`
 * @returns float32 [B*Q, H], heads side by side
 */
export function selfAttention(
  config: AlbertConfig,
  variables: Variables,
  scope: string,
  { queries, tokens, bias }: Attention,
  dropout: Dropout,
): Tensor2D {
  const rows = bias.shape[0];
  const heads = config.numAttentionHeads;
  const width = config.hiddenSize / heads;
  const split = (part: "query" | "key" | "value", x: Tensor2D): Tensor4D =>
    transpose(reshape(dense(x, variables, `${scope}/${part}`), [rows, -1, heads, width]), [0, 2, 1, 3]);
  const scores = add(
    mul(matMul(split("query", queries), split("key", tokens), false, true), 1 / Math.sqrt(width)),
    bias,
  );
  const probabilities = dropout.apply(softmax(scores), config.attentionProbsDropoutProb);
  const context = matMul(probabilities, split("value", tokens));
  return reshape(transpose(context, [0, 2, 1, 3]), queries.shape);
}
