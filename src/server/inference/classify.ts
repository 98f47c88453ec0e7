import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ClassifyRequest, ClassifyResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import { defined } from "./defined.ts";
import type { Operation } from "./operation.ts";
import { classificationFields } from "./reply-parts.ts";

export const classify: Operation<ClassifyRequest, "classify", MessageInitShape<typeof ClassifyResponseSchema>> = {
  task: "classify",
  read: ({ text, textPair, topK, threshold, labels }, { run }) => ({
    ...run,
    text,
    labels,
    ...defined({ textPair, topK, threshold }),
  }),
  reply: (answer, { returnLogits }) => classificationFields(answer, returnLogits),
};
