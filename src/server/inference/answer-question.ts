import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AnswerQuestionRequest, AnswerQuestionResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import type { Operation } from "./handler.ts";
import { answerFields } from "./reply-fields.ts";
import { omitUndefined, readOffsetUnit } from "./request-fields.ts";

// The RPC `AnswerQuestion`: its request as the task's input, the task's answer as its reply.

export const answerQuestion: Operation<
  AnswerQuestionRequest,
  "answer_question",
  MessageInitShape<typeof AnswerQuestionResponseSchema>
> = {
  task: "answer_question",
  read: (request, { run, fields }) => {
    const { question, context, nBest, maxAnswerTokens, docStride, maxQuestionTokens, nullThreshold } = request;
    const offsetUnit = readOffsetUnit(request.offsetUnit, fields);
    const chosen = omitUndefined({ nBest, maxAnswerTokens, docStride, maxQuestionTokens, nullThreshold });
    return { ...run, question, context, offsetUnit, ...chosen };
  },
  reply: (answer) => ({
    answers: answerFields(answer),
    answerable: !answer.noAnswer,
    ...omitUndefined({ nullScore: answer.nullScore, nullThreshold: answer.nullThreshold }),
  }),
};
