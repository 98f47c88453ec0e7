import { create } from "@bufbuild/protobuf";
import {
  AnswerQuestionRequestSchema,
  AnswerQuestionResponseSchema,
  ChooseAnswerRequestSchema,
  ChooseAnswerResponseSchema,
} from "../../gen/albert/v1/inference_pb.js";
import { omitUndefined } from "../inference/request-fields.ts";
import { readOffsetUnit } from "./options.ts";
import type { TensorTask } from "./task.ts";

// The tasks of heads that answer questions, as tensors.

/** Offset of an answer that a row does not have. */
const NO_OFFSET = -1;

export const answerQuestion: TensorTask = {
  inputs: [{ name: "question" }, { name: "context" }],
  outputs: [
    { name: "answers", datatype: "BYTES", rowShape: [-1] },
    { name: "start_offsets", datatype: "INT32", rowShape: [-1], padding: NO_OFFSET },
    { name: "end_offsets", datatype: "INT32", rowShape: [-1], padding: NO_OFFSET },
    { name: "probabilities", datatype: "FP32", rowShape: [-1] },
    { name: "answerable", datatype: "BOOL", rowShape: [] },
    { name: "count", datatype: "INT32", rowShape: [] },
  ],
  prepare: (options, parameters) => {
    const chosen = omitUndefined({
      nBest: parameters.count("top_k"),
      maxAnswerTokens: parameters.count("max_answer_tokens"),
      docStride: parameters.count("doc_stride"),
      maxQuestionTokens: parameters.count("max_question_tokens"),
      nullThreshold: parameters.number("null_threshold"),
    });
    const offsetUnit = readOffsetUnit(parameters);
    return async (row, calls, context) => {
      const texts = { question: row.text("question"), context: row.text("context") };
      const request = create(AnswerQuestionRequestSchema, { options, ...texts, ...chosen, offsetUnit });
      const reply = create(AnswerQuestionResponseSchema, await calls.answerQuestion(request, context));
      const { meta, answers, answerable } = reply;
      const values = {
        answers: answers.map(({ text }) => text),
        start_offsets: answers.map(({ start }) => start),
        end_offsets: answers.map(({ end }) => end),
        probabilities: answers.map(({ score }) => score),
        answerable,
        count: answers.length,
      };
      return { meta, values };
    };
  },
};

export const chooseAnswer: TensorTask = {
  inputs: [{ name: "question" }, { name: "context", optional: true }, { name: "choices", several: true }],
  outputs: [
    { name: "index", datatype: "INT32", rowShape: [] },
    { name: "probabilities", datatype: "FP32", rowShape: [-1] },
    { name: "logits", datatype: "FP32", rowShape: [-1] },
  ],
  prepare: (options) => async (row, calls, context) => {
    const document = omitUndefined({ context: row.optionalText("context") });
    const texts = { question: row.text("question"), ...document, choices: row.texts("choices") };
    const request = create(ChooseAnswerRequestSchema, { options, ...texts });
    const { meta, index, choices } = create(ChooseAnswerResponseSchema, await calls.chooseAnswer(request, context));
    const values = {
      index,
      probabilities: choices.map(({ score }) => score),
      logits: choices.map(({ logit }) => logit),
    };
    return { meta, values };
  },
};
