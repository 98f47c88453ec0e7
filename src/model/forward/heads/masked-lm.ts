import { add, matMul, type Tensor2D } from "@tensorflow/tfjs-core";
import type { AlbertConfig } from "../../config.ts";
import type { Head } from "../../heads.ts";
import { activate } from "../activations.ts";
import { dense } from "../dense.ts";
import { layerNorm } from "../layer-norm.ts";
import { matrix, type Variables, vector } from "../variables.ts";
import { headScope } from "./scope.ts";

/**
 * Vocabulary logits; the output matrix is the word embedding table itself, unless the head has its own.
 *
 * @param tokens hidden states at the masked positions, float32 [n, H]
 * @returns float32 [n, V]
 */
export function maskedLmLogits(config: AlbertConfig, variables: Variables, head: Head, tokens: Tensor2D): Tensor2D {
  const scope = headScope(head, "cls/predictions");
  const transformed = layerNorm(
    activate(dense(tokens, variables, `${scope}/transform/dense`), config.hiddenAct),
    vector(variables, `${scope}/transform/LayerNorm/gamma`),
    vector(variables, `${scope}/transform/LayerNorm/beta`),
    config.layerNormEps,
  );
  const untied = head.kind === "masked-lm" && head.untied;
  const words = matrix(variables, untied ? `${scope}/output_weights` : "bert/embeddings/word_embeddings");
  const logits = matMul(transformed, words, false, true);
  return add(logits, vector(variables, `${scope}/output_bias`));
}
