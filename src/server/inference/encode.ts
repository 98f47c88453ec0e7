import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type EncodeRequest,
  type EncodeResponseSchema,
  Pooling as PoolingField,
} from "../../gen/albert/v1/inference_pb.js";
import type { Pooling } from "../../tasks/masked-lm/encoding.ts";
import type { Operation } from "./handler.ts";
import { tokenFields } from "./reply-fields.ts";
import { byNumber, omitUndefined, readOffsetUnit } from "./request-fields.ts";

// The RPC `Encode`: its request as the task's input, the task's answer as its reply.

const POOLINGS = byNumber<Pooling | "model">({
  [PoolingField.UNSPECIFIED]: "model",
  [PoolingField.POOLER]: "pooler",
  [PoolingField.CLS]: "cls",
  [PoolingField.MEAN]: "mean",
  [PoolingField.NONE]: "none",
});

export const encode: Operation<EncodeRequest, "encode", MessageInitShape<typeof EncodeResponseSchema>> = {
  task: "encode",
  read: (request, { run, fields }) => {
    const { text, textPair, normalize, returnTokens } = request;
    const chosen = fields.read("pooling", request.pooling, POOLINGS);
    const pooling = chosen === "model" ? undefined : chosen;
    const offsetUnit = readOffsetUnit(request.offsetUnit, fields);
    return { ...run, text, normalize, returnTokens, offsetUnit, ...omitUndefined({ textPair, pooling }) };
  },
  reply: ({ embedding, tokens }) => ({
    embedding: Array.from(embedding),
    tokens: tokens?.map(({ token, values }) => ({ token: tokenFields(token), values: Array.from(values) })) ?? [],
  }),
};
