import { expect, it } from "vitest";
import type { AnswerLoss, ModelManifest } from "../../../src/model/directory/model-directory.ts";
import { precisionLosses } from "../../../src/server/inference/models.ts";

const loss = (changedAnswers: number): AnswerLoss => ({
  ...{ task: "sst-2", examples: 10, changedAnswers },
  ...{ before: { eval_accuracy: 0.9 }, after: { eval_accuracy: 0.8 } },
});

/** A manifest of which only the lineage is looked at. */
const withLineage = (lineage: object) => ({ lineage }) as unknown as ModelManifest;

it("the loss of a version is that of its weights, and of its products as the gate found it, else as its scales were measured", () => {
  const told = (...args: Parameters<typeof precisionLosses>) =>
    precisionLosses(...args).map(({ of, format, changedAnswers }) => [of, format, changedAnswers]);
  const manifest = withLineage({
    converted: { from: "a", weights: "int8", measured: loss(1) },
    quantised: { from: "b", measured: loss(2) },
  });
  const weights = ["weights", "int8", 1];
  expect(told(manifest, undefined)).toEqual([weights, ["products", "int8", 2]]);
  expect(told(manifest, undefined, "fp32")).toEqual([weights]);
  expect(told(manifest, { precision: "int8", ...loss(3) }, "int8")).toEqual([weights, ["products", "int8", 3]]);
  expect(told(withLineage({ quantised: { from: "b" } }), undefined)).toEqual([]);
});
