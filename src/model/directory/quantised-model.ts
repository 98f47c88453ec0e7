import type { ActivationScales } from "../activation-scales.ts";
import type { AnswerLoss, Model, Quantisation } from "./model-directory.ts";
import { contentsOf, type ModelContents } from "./write-model-directory.ts";

/**
 * What a model is written from with scales of static int8: the same weights, and so the same metrics in float32.
 *
 * @param name      the new version's
 * @param how       the scales were found
 * @param measured  what int8 with them changes, where that is known already
 */
export function quantisedContents(
  model: Model,
  name: string,
  scales: ActivationScales,
  how: Omit<Quantisation, "from" | "measured">,
  measured?: AnswerLoss,
): ModelContents {
  const contents = contentsOf(model);
  const quantised = { from: model.digest, ...how, ...(measured === undefined ? {} : { measured }) };
  return { ...contents, name, scales, lineage: { ...contents.lineage, quantised } };
}
