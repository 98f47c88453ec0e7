import type { AnswerLoss, Conversion, Model, Quantisation } from "./model-directory.ts";
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
  const { quantised, ...lineage } = contents.lineage ?? {};
  const { measured: _loss, ...how } = quantised ?? {};
  const converted: Conversion = { from: model.digest, weights, ...(measured === undefined ? {} : { measured }) };
  return {
    ...{ ...contents, ...format, name },
    ...(measured === undefined ? {} : { metrics: measured.after }),
    // Scales hold for the rounded weights too; what they change is another question.
    lineage: { ...lineage, ...(quantised === undefined ? {} : { quantised: how as Quantisation }), converted },
  };
}
