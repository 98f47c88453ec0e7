import { add, reshape, slice, type Tensor2D } from "@tensorflow/tfjs-core";
import { type AlbertConfig, groupOfLayer } from "../config.ts";
import { blockScope } from "../parameters.ts";
import { activate } from "./activations.ts";
import { type Attention, attentionBias, selfAttention } from "./attention.ts";
import { dense } from "./dense.ts";
import type { Dropout } from "./dropout.ts";
import { embed, type TrunkInputs } from "./embeddings.ts";
import { layerNorm } from "./layer-norm.ts";
import { type Variables, vector } from "./variables.ts";

// ALBERT from token ids to hidden states in TensorFlow.js ops. Heads and losses are elsewhere.

/** Final hidden states of a batch of sequences, tokens laid end to end: what every head starts from. */
export interface HiddenStates {
  /** B and S. */
  readonly rows: number;
  readonly length: number;
  /** float32 [B*S, H] */
  readonly sequenceOutput: Tensor2D;
}

/** Everything the trunk computed; all tensors are float32. `sequenceOutput` is the last block's output. */
export interface TrunkOutput extends HiddenStates {
  /** Plain word embeddings [B*S, E]. */
  readonly wordEmbeddings: Tensor2D;
  /** After LayerNorm, before the projection to H: [B*S, E]. */
  readonly embeddingOutput: Tensor2D;
  /** What the first block reads: embeddings at the width of hidden states, [B*S, H]. */
  readonly blockInput: Tensor2D;
  /** Output of every block in order, [B*S, H] each: one per inner block of each layer. */
  readonly blocks: readonly Tensor2D[];
}

/** ALBERT from token ids to hidden states. Pass `NO_DROPOUT` outside training. */
export function encode(config: AlbertConfig, variables: Variables, inputs: TrunkInputs, dropout: Dropout): TrunkOutput {
  const [rows, length] = inputs.inputIds.shape;
  const embeddings = embed(config, variables, inputs, dropout);
  const bias = attentionBias(inputs);
  const blockInput = projected(config, variables, embeddings.output);
  let tokens = blockInput;
  const blocks = blockScopes(config).map((scope) => {
    tokens = block(config, variables, scope, { queries: tokens, tokens, bias }, dropout);
    return tokens;
  });
  return {
    rows,
    length,
    wordEmbeddings: embeddings.words,
    embeddingOutput: embeddings.output,
    blockInput,
    blocks,
    sequenceOutput: tokens,
  };
}

/**
 * Of the final hidden states of `encode` those of first tokens, all that a head on the pooled output reads: the last block
 * is computed for them alone, so the output is one of sequences of length 1.
 */
export function encodeFirstTokens(
  config: AlbertConfig,
  variables: Variables,
  inputs: Omit<TrunkInputs, "attentionBlocks">,
  dropout: Dropout,
): HiddenStates {
  const [rows, length] = inputs.inputIds.shape;
  const bias = attentionBias(inputs);
  let tokens = projected(config, variables, embed(config, variables, inputs, dropout).output);
  const scopes = blockScopes(config);
  for (const scope of scopes.slice(0, -1)) {
    tokens = block(config, variables, scope, { queries: tokens, tokens, bias }, dropout);
  }
  const queries = firstTokens(tokens, rows, length);
  const sequenceOutput = block(config, variables, scopes.at(-1)!, { queries, tokens, bias }, dropout);
  return { rows, length: 1, sequenceOutput };
}

/** Row 0 of every sequence: [B*S, H] -> [B, H]. */
export function firstTokens(sequenceOutput: Tensor2D, rows: number, length: number): Tensor2D {
  const width = sequenceOutput.shape[1];
  return reshape(slice(reshape(sequenceOutput, [rows, length, width]), [0, 0, 0], [rows, 1, width]), [rows, width]);
}

/** Embeddings at the width of hidden states. */
function projected(config: AlbertConfig, variables: Variables, embeddings: Tensor2D): Tensor2D {
  return config.embeddingProjection
    ? dense(embeddings, variables, "bert/encoder/embedding_hidden_mapping_in")
    : embeddings;
}

/** Scopes of the blocks in the order in which they are applied: the inner blocks of each layer. Layers that share weights share scopes. */
export function blockScopes(config: AlbertConfig): string[] {
  return Array.from({ length: config.numHiddenLayers }, (_, layer) =>
    Array.from({ length: config.innerGroupNum }, (_, inner) => blockScope(groupOfLayer(config, layer), inner)),
  ).flat();
}

/**
 * One transformer block: attention and feed-forward, each followed by dropout, the residual and LayerNorm.
 *
 * @returns the next states of the queries
 */
function block(
  config: AlbertConfig,
  variables: Variables,
  scope: string,
  attention: Attention,
  dropout: Dropout,
): Tensor2D {
  const normalised = (name: string, sum: Tensor2D): Tensor2D =>
    layerNorm(sum, vector(variables, `${name}/gamma`), vector(variables, `${name}/beta`), config.layerNormEps);
  const { queries } = attention;
  const context = selfAttention(config, variables, `${scope}/attention_1/self`, attention, dropout);
  const attended = dense(context, variables, `${scope}/attention_1/output/dense`);
  const y = normalised(`${scope}/LayerNorm`, add(dropout.apply(attended, config.hiddenDropoutProb), queries));
  const inner = activate(dense(y, variables, `${scope}/ffn_1/intermediate/dense`), config.hiddenAct);
  const outer = dense(inner, variables, `${scope}/ffn_1/intermediate/output/dense`);
  return normalised(`${scope}/LayerNorm_1`, add(dropout.apply(outer, config.hiddenDropoutProb), y));
}
