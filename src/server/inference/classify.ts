import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ClassifyRequest, ClassifyResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import type { Operation } from "./handler.ts";
import { classificationFields } from "./reply-fields.ts";
import { omitUndefined } from "./request-fields.ts";

// The RPC `Classify`: its request as the task's input, the task's answer as its reply.

export const classify: Operation<ClassifyRequest, "classify", MessageInitShape<typeof ClassifyResponseSchema>> = {
  task: "classify",
  read: (request, { limits, run, fields }) => {
    const { text, textPair, topK, threshold, labels, candidateLabels, hypothesisTemplate, multiLabel } = request;
    const refuse = (field: string, description: string) => fields.violations.push({ field, description });
    if (candidateLabels.length > limits.maxChoices) {
      refuse("candidate_labels", `must hold at most ${limits.maxChoices} labels, got ${candidateLabels.length}`);
    }
    if (candidateLabels.length === 0) {
      const description = "means nothing without candidate_labels: give them, or leave it out";
      if (hypothesisTemplate !== undefined) refuse("hypothesis_template", description);
      if (multiLabel) refuse("multi_label", description);
    }
    const chosen = omitUndefined({ textPair, topK, threshold, hypothesisTemplate });
    return { ...run, text, labels, candidateLabels, multiLabel, ...chosen };
  },
  reply: (answer, { returnLogits }) => classificationFields(answer, returnLogits),
};
