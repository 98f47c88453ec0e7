import type { MessageInitShape } from "@bufbuild/protobuf";
import type { FillMaskRequest, FillMaskResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import { type FillMaskAnswer, planFillMask } from "../../tasks/masked-lm/fill-mask.ts";
import { defined } from "./defined.ts";
import type { Operation } from "./operation.ts";
import { maskFields } from "./reply-parts.ts";
import { readOffsetUnit } from "./request-options.ts";

export const fillMask: Operation<FillMaskRequest, FillMaskAnswer, MessageInitShape<typeof FillMaskResponseSchema>> = {
  task: "fill_mask",
  heads: ["masked-lm"],
  plan: ({ text, topK, offsetUnit }, { model, limits, run, fields }) => {
    const unit = readOffsetUnit(offsetUnit, fields);
    return fields.joined(() => planFillMask({ ...run, text, offsetUnit: unit, ...defined({ topK }) }, model, limits));
  },
  reply: ({ masks }) => ({ masks: maskFields(masks) }),
};
