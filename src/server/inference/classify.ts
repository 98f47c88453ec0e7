import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ClassifyRequest, ClassifyResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import type { Operation } from "./handler.ts";
import { classificationFields } from "./reply-fields.ts";
import { omitUndefined } from "./request-fields.ts";

// The RPC `Classify`: its request as the task's input, the task's answer as its reply.

export const classify: Operation<ClassifyRequest, "classify", MessageInitShape<typeof ClassifyResponseSchema>> = {
  task: "classify",
  read: ({ text, textPair, topK, threshold, labels }, { run }) => ({
    ...run,
    text,
    labels,
    ...omitUndefined({ textPair, topK, threshold }),
  }),
  reply: (answer, { returnLogits }) => classificationFields(answer, returnLogits),
};
