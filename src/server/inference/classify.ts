import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ClassifyRequest, ClassifyResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import { type ClassificationAnswer, planClassification } from "../../tasks/classification/classification.ts";
import { defined } from "./defined.ts";
import type { Operation } from "./operation.ts";
import { classificationFields } from "./reply-parts.ts";

export const classify: Operation<
  ClassifyRequest,
  ClassificationAnswer,
  MessageInitShape<typeof ClassifyResponseSchema>
> = {
  task: "classify",
  heads: ["classification"],
  plan: ({ text, textPair, topK, threshold, labels }, { model, limits, run, fields }) =>
    fields.joined(() =>
      planClassification({ ...run, text, labels, ...defined({ textPair, topK, threshold }) }, model, limits),
    ),
  reply: (answer, { returnLogits }) => classificationFields(answer, returnLogits),
  decide: (answer) =>
    answer.kind === "regression"
      ? { choice: answer.value.toFixed(1), score: 1 }
      : { choice: answer.labels[0]?.label ?? "", score: answer.labels[0]?.probability ?? 0 },
};
