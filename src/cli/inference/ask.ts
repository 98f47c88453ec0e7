import type { Command } from "commander";
import { type AnswerQuestionResponse, InferenceService } from "../../gen/albert/v1/inference_pb.js";
import { percent } from "../percent.ts";
import { addTargetOptions, askAndPrint, readText, requestOptions, type TargetFlags } from "./inference-target.ts";

/** Adds `albert ask`: the answer to a question, found in a document. */
export function registerAsk(program: Command): void {
  const command = program
    .command("ask")
    .description("answer a question from a document of any length")
    .argument("<question>")
    .argument("<context>", "the document; - reads standard input")
    .option("--best <n>", "print at most this many answers", Number, 1);
  addTargetOptions(command).action(
    async (question: string, argument: string, flags: TargetFlags & { best: number }) => {
      const context = await readText(argument);
      const request = { options: requestOptions(flags), question, context, nBest: flags.best };
      await askAndPrint(
        flags,
        InferenceService.method.answerQuestion,
        (target) => target.answerQuestion(request),
        printed,
      );
    },
  );
}

function printed({ answers, answerable }: AnswerQuestionResponse): string {
  const found = answers.map(
    ({ text, score, start, end }) => `${percent(score)}  ${text.replaceAll(/\s+/g, " ")}  (${start}-${end})`,
  );
  const verdict = answerable ? [] : ["the document does not seem to hold the answer; best guesses:"];
  return [...verdict, ...found].join("\n");
}
