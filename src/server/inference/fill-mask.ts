import type { MessageInitShape } from "@bufbuild/protobuf";
import type { FillMaskRequest, FillMaskResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import { defined } from "./defined.ts";
import type { Operation } from "./operation.ts";
import { maskFields } from "./reply-parts.ts";
import { readOffsetUnit } from "./request-options.ts";

export const fillMask: Operation<FillMaskRequest, "fill_mask", MessageInitShape<typeof FillMaskResponseSchema>> = {
  task: "fill_mask",
  read: ({ text, topK, offsetUnit }, { run, fields }) => {
    const unit = readOffsetUnit(offsetUnit, fields);
    return { ...run, text, offsetUnit: unit, ...defined({ topK }) };
  },
  reply: ({ masks }) => ({ masks: maskFields(masks) }),
};
