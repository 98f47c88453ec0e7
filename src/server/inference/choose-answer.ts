import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ChooseAnswerRequest, ChooseAnswerResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import type { Operation } from "./handler.ts";
import { omitUndefined } from "./request-fields.ts";

// The RPC `ChooseAnswer`: its request as the task's input, the task's answer as its reply.

export const chooseAnswer: Operation<
  ChooseAnswerRequest,
  "choose_answer",
  MessageInitShape<typeof ChooseAnswerResponseSchema>
> = {
  task: "choose_answer",
  read: ({ question, context, choices }, { limits, run, fields }) => {
    if (choices.length > limits.maxChoices) {
      const description = `must hold at most ${limits.maxChoices} choices, got ${choices.length}`;
      fields.violations.push({ field: "choices", description });
    }
    return { ...run, question, choices, ...omitUndefined({ context }) };
  },
  reply: ({ best, choices }) => ({
    index: best,
    choices: choices.map(({ probability, logit, truncated }) => ({ score: probability, logit, truncated })),
  }),
};
