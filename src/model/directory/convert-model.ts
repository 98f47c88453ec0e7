import type { AnswerLoss, Conversion, Model } from "./model-directory.ts";
import type { ModelContents } from "./write-model-directory.ts";

/**
 * What a model is written from with another format of its weights.
 *
 * @param name      the new version's
 * @param measured  what it changes, where that is known already; its metrics are then those of the new version, else it has none
 */
export function convertedContents(
  { manifest, config, parameters, vocabulary, digest }: Model,
  name: string,
  { weights, embeddingsApart }: Required<Pick<ModelContents, "weights" | "embeddingsApart">>,
  measured?: AnswerLoss,
): ModelContents {
  const { heads, description, maxSequenceLength, lineage, fineTuning, encoding } = manifest;
  const converted: Conversion = { from: digest, weights, ...(measured === undefined ? {} : { measured }) };
  return {
    ...{ name, config, heads, parameters, vocabulary, maxSequenceLength, weights, embeddingsApart },
    ...(description === undefined ? {} : { description }),
    ...(fineTuning === undefined ? {} : { fineTuning }),
    ...(encoding === undefined ? {} : { encoding }),
    ...(measured === undefined ? {} : { metrics: measured.after }),
    lineage: { ...lineage, converted },
  };
}
