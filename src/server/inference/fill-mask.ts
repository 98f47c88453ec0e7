import type { MessageInitShape } from "@bufbuild/protobuf";
import type { FillMaskRequest, FillMaskResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import type { Operation } from "./handler.ts";
import { maskFields } from "./reply-fields.ts";
import { omitUndefined, readOffsetUnit } from "./request-fields.ts";

// The RPC `FillMask`: its request as the task's input, the task's answer as its reply.

export const fillMask: Operation<FillMaskRequest, "fill_mask", MessageInitShape<typeof FillMaskResponseSchema>> = {
  task: "fill_mask",
  read: ({ text, topK, offsetUnit }, { run, fields }) => {
    const unit = readOffsetUnit(offsetUnit, fields);
    return { ...run, text, offsetUnit: unit, ...omitUndefined({ topK }) };
  },
  reply: ({ masks }) => ({ masks: maskFields(masks) }),
};
