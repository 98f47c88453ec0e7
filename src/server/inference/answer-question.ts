import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AnswerQuestionRequest, AnswerQuestionResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import { planQuestionAnswering } from "../../tasks/question-answering/question-answering.ts";
import type { QuestionAnswer } from "../../tasks/question-answering/span-answer.ts";
import { defined } from "./defined.ts";
import type { Operation } from "./operation.ts";
import { answerFields } from "./reply-parts.ts";
import { readOffsetUnit } from "./request-options.ts";

export const answerQuestion: Operation<
  AnswerQuestionRequest,
  QuestionAnswer,
  MessageInitShape<typeof AnswerQuestionResponseSchema>
> = {
  task: "answer_question",
  heads: ["span", "span-answerability"],
  plan: (request, { model, limits, run, fields }) => {
    const { question, context, nBest, maxAnswerTokens, docStride, maxQuestionTokens, nullThreshold } = request;
    const offsetUnit = readOffsetUnit(request.offsetUnit, fields);
    const chosen = defined({ nBest, maxAnswerTokens, docStride, maxQuestionTokens, nullThreshold });
    return fields.joined(() =>
      planQuestionAnswering({ ...run, question, context, offsetUnit, ...chosen }, model, limits),
    );
  },
  reply: (answer) => ({
    answers: answerFields(answer),
    answerable: !answer.noAnswer,
    ...defined({ nullScore: answer.nullScore, nullThreshold: answer.nullThreshold }),
  }),
  decide: ({ answers, noAnswer }) => ({
    choice: noAnswer ? "" : (answers[0]?.text ?? ""),
    score: answers[0]?.probability ?? 0,
  }),
};
