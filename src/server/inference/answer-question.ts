import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AnswerQuestionRequest, AnswerQuestionResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import { defined } from "./defined.ts";
import type { Operation } from "./operation.ts";
import { answerFields } from "./reply-parts.ts";
import { readOffsetUnit } from "./request-options.ts";

export const answerQuestion: Operation<
  AnswerQuestionRequest,
  "answer_question",
  MessageInitShape<typeof AnswerQuestionResponseSchema>
> = {
  task: "answer_question",
  read: (request, { run, fields }) => {
    const { question, context, nBest, maxAnswerTokens, docStride, maxQuestionTokens, nullThreshold } = request;
    const offsetUnit = readOffsetUnit(request.offsetUnit, fields);
    const chosen = defined({ nBest, maxAnswerTokens, docStride, maxQuestionTokens, nullThreshold });
    return { ...run, question, context, offsetUnit, ...chosen };
  },
  reply: (answer) => ({
    answers: answerFields(answer),
    answerable: !answer.noAnswer,
    ...defined({ nullScore: answer.nullScore, nullThreshold: answer.nullThreshold }),
  }),
};
