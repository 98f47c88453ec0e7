import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HeadResultSchema, InferRequest, InferResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import type { HeadAnswer } from "../../tasks/inference.ts";
import type { Operation } from "./handler.ts";
import { answerFields, classificationFields, maskFields } from "./reply-fields.ts";
import { omitUndefined, readOffsetUnit } from "./request-fields.ts";

// The RPC `Infer`: one request for any head; the head decides the form of the reply.

export const infer: Operation<InferRequest, "infer", MessageInitShape<typeof InferResponseSchema>> = {
  task: "infer",
  read: (request, { run, fields }) => {
    const { text, textPair, returnPooled } = request;
    const offsetUnit = readOffsetUnit(request.offsetUnit, fields);
    const heads = request.heads.map(({ head, topK, threshold, maxAnswerTokens }) => ({
      head,
      ...omitUndefined({ topK, threshold, maxAnswerTokens }),
    }));
    return { ...run, text, heads, returnPooled, offsetUnit, ...omitUndefined({ textPair }) };
  },
  reply: ({ heads, pooled }) => ({
    results: heads.map(headResult),
    pooled: pooled === undefined ? [] : Array.from(pooled),
  }),
};

function headResult(answer: HeadAnswer): MessageInitShape<typeof HeadResultSchema> {
  const { head } = answer;
  switch (answer.kind) {
    case "classification":
      return { head, result: { case: "classification", value: classificationFields(answer.classification, false) } };
    case "masked-lm":
      return { head, result: { case: "masks", value: { masks: maskFields(answer.filled.masks) } } };
    case "sentence-order": {
      const { inOrder, swapped } = answer;
      return { head, result: { case: "sentenceOrder", value: { inOrder, swapped } } };
    }
    case "span":
    case "span-answerability": {
      const { noAnswer, nullScore } = answer.answer;
      const value = { answers: answerFields(answer.answer), answerable: !noAnswer, ...omitUndefined({ nullScore }) };
      return { head, result: { case: "answers", value } };
    }
  }
}
