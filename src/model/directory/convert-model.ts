import type { AnswerLoss, Conversion, Model } from "./model-directory.ts";
import { contentsOf, type ModelContents } from "./write-model-directory.ts";

/**
 * What a model is written from with another format of its weights.
 *
 * @param name      the new version's
 * @param measured  what it changes, where that is known already; its metrics are then those of the new version, else it has none
 */
export function convertedContents(
  model: Model,
  name: string,
  format: Required<Pick<ModelContents, "weights" | "embeddingsApart">>,
  measured?: AnswerLoss,
): ModelContents {
  const { metrics: _, ...contents } = contentsOf(model);
  const { weights } = format;
  const converted: Conversion = { from: model.digest, weights, ...(measured === undefined ? {} : { measured }) };
  return {
    ...{ ...contents, ...format, name },
    ...(measured === undefined ? {} : { metrics: measured.after }),
    lineage: { ...contents.lineage, converted },
  };
}
