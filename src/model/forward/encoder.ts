import { add, type Tensor2D, type Tensor4D } from "@tensorflow/tfjs-core";
import { type AlbertConfig, groupOfLayer } from "../config.ts";
import { blockScope } from "../parameters.ts";
import { activate } from "./activations.ts";
import { attentionBias, selfAttention } from "./attention.ts";
import { dense } from "./dense.ts";
import type { Dropout } from "./dropout.ts";
import { embed, type TrunkInputs } from "./embeddings.ts";
import { layerNorm } from "./layer-norm.ts";
import { type Variables, vector } from "./variables.ts";

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
  /** Output of every block in order, [B*S, H] each: one per inner block of each layer. */
  readonly blocks: readonly Tensor2D[];
}

/** ALBERT from token ids to hidden states. Pass `NO_DROPOUT` outside training. */
export function encode(config: AlbertConfig, variables: Variables, inputs: TrunkInputs, dropout: Dropout): TrunkOutput {
  const [rows, length] = inputs.inputIds.shape;
  const embeddings = embed(config, variables, inputs, dropout);
  const bias = attentionBias(inputs);
  let hidden = config.embeddingProjection
    ? dense(embeddings.output, variables, "bert/encoder/embedding_hidden_mapping_in")
    : embeddings.output;
  const blocks: Tensor2D[] = [];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    for (let inner = 0; inner < config.innerGroupNum; inner++) {
      hidden = block(config, variables, blockScope(groupOfLayer(config, layer), inner), hidden, bias, dropout);
      blocks.push(hidden);
    }
  }
  return {
    rows,
    length,
    wordEmbeddings: embeddings.words,
    embeddingOutput: embeddings.output,
    blocks,
    sequenceOutput: hidden,
  };
}

/** One transformer block: attention and feed-forward, each followed by dropout, the residual and LayerNorm. */
function block(
  config: AlbertConfig,
  variables: Variables,
  scope: string,
  x: Tensor2D,
  bias: Tensor4D,
  dropout: Dropout,
): Tensor2D {
  const normalised = (name: string, sum: Tensor2D): Tensor2D =>
    layerNorm(sum, vector(variables, `${name}/gamma`), vector(variables, `${name}/beta`), config.layerNormEps);
  const context = selfAttention(config, variables, `${scope}/attention_1/self`, x, bias, dropout);
  const attended = dense(context, variables, `${scope}/attention_1/output/dense`);
  const y = normalised(`${scope}/LayerNorm`, add(dropout.apply(attended, config.hiddenDropoutProb), x));
  const inner = activate(dense(y, variables, `${scope}/ffn_1/intermediate/dense`), config.hiddenAct);
  const outer = dense(inner, variables, `${scope}/ffn_1/intermediate/output/dense`);
  return normalised(`${scope}/LayerNorm_1`, add(dropout.apply(outer, config.hiddenDropoutProb), y));
}
