import {
  add,
  cast,
  equal,
  matMul,
  reshape,
  slice,
  type Tensor2D,
  type Tensor3D,
  tensor1d,
} from "@tensorflow/tfjs-core";
import { invalidInput } from "../../errors.ts";
import type { AlbertConfig } from "../config.ts";
import type { Dropout } from "./dropout.ts";
import { layerNorm } from "./layer-norm.ts";
import { lookup } from "./lookup.ts";
import { matrix, type Variables, vector } from "./variables.ts";

// The embedding layer in TensorFlow.js ops.

/** A batch of sequences as the trunk reads them. B sequences of S tokens. */
export interface TrunkInputs {
  /** int32 [B,S] */
  readonly inputIds: Tensor2D;
  /** float32 [B,S]; 1 token, 0 padding. */
  readonly inputMask: Tensor2D;
  /** int32 [B,S] */
  readonly segmentIds: Tensor2D;
  /** int32 [B,S]; absent: 0..S-1 in every row. */
  readonly positionIds?: Tensor2D;
  /** int32 [B,S]: tokens see only tokens of their own block. Absent: a row is one block. */
  readonly attentionBlocks?: Tensor2D;
}

/**
 * LayerNorm(word + token type + position embedding), with dropout; a model may have no token types.
 *
 * @returns the plain word embeddings and the embedding output, both float32 [B*S, E]
 */
export function embed(
  config: AlbertConfig,
  variables: Variables,
  inputs: TrunkInputs,
  dropout: Dropout,
): { words: Tensor2D; output: Tensor2D } {
  const [rows, length] = inputs.inputIds.shape;
  const tokens = rows * length;
  const width = config.embeddingSize;
  const scope = "bert/embeddings";
  const words = lookup(matrix(variables, `${scope}/word_embeddings`), reshape(inputs.inputIds, [tokens]));
  const positions = matrix(variables, `${scope}/position_embeddings`);
  const sum: Tensor2D =
    config.typeVocabSize === 0
      ? words
      : add(words, tokenTypes(matrix(variables, `${scope}/token_type_embeddings`), inputs.segmentIds));
  const placed: Tensor2D =
    inputs.positionIds === undefined
      ? reshape(add(reshape(sum, [rows, length, width]), firstPositions(config, positions, length)), [tokens, width])
      : add(sum, lookup(positions, reshape(inputs.positionIds, [tokens])));
  const normal = layerNorm(
    placed,
    vector(variables, `${scope}/LayerNorm/gamma`),
    vector(variables, `${scope}/LayerNorm/beta`),
    config.layerNormEps,
  );
  return { words, output: dropout.apply(normal, config.hiddenDropoutProb) };
}

/** A product with one-hot rows: the table has a handful of rows, and its gradient is then an ordinary product too. */
function tokenTypes(table: Tensor2D, segmentIds: Tensor2D): Tensor2D {
  const column = reshape(segmentIds, [segmentIds.size, 1]);
  const oneHot: Tensor2D = cast(equal(column, tensor1d([...Array(table.shape[0]).keys()], "int32")), "float32");
  return matMul(oneHot, table);
}

function firstPositions(config: AlbertConfig, table: Tensor2D, length: number): Tensor3D {
  if (length > config.maxPositionEmbeddings) {
    throw invalidInput([
      {
        field: "input_ids",
        description: `sequences of ${length} tokens, but the model has ${config.maxPositionEmbeddings} positions`,
      },
    ]);
  }
  return reshape(slice(table, [0, 0], [length, config.embeddingSize]), [1, length, config.embeddingSize]);
}
