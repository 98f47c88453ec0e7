import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ChooseAnswerRequest, ChooseAnswerResponseSchema } from "../../gen/albert/v1/inference_pb.js";
import { type MultipleChoiceAnswer, planMultipleChoice } from "../../tasks/multiple-choice/multiple-choice.ts";
import { defined } from "./defined.ts";
import type { Operation } from "./operation.ts";

export const chooseAnswer: Operation<
  ChooseAnswerRequest,
  MultipleChoiceAnswer,
  MessageInitShape<typeof ChooseAnswerResponseSchema>
> = {
  task: "choose_answer",
  heads: ["multiple-choice"],
  plan: ({ question, context, choices }, { model, limits, run, fields }) => {
    if (choices.length > limits.maxChoices) {
      const description = `must hold at most ${limits.maxChoices} choices, got ${choices.length}`;
      fields.violations.push({ field: "choices", description });
    }
    return fields.joined(() =>
      planMultipleChoice({ ...run, question, choices, ...defined({ context }) }, model, limits),
    );
  },
  reply: ({ best, choices }) => ({
    index: best,
    choices: choices.map(({ probability, logit, truncated }) => ({ score: probability, logit, truncated })),
  }),
  decide: ({ best, choices }) => ({ choice: String(best), score: choices[best]!.probability }),
};
