import type { Command } from "commander";
import { type ChooseAnswerResponse, InferenceService } from "../../gen/albert/v1/inference_pb.js";
import { percent } from "../percent.ts";
import { addTargetOptions, askAndPrint, readText, requestOptions, type TargetFlags } from "./inference-target.ts";

/** Adds `albert choose`: the best of several answers. */
export function registerChoose(program: Command): void {
  const command = program
    .command("choose")
    .description("choose among answers to a question; an underscore in it is where the answer goes")
    .argument("<question>")
    .argument("<choices...>", "two or more answers")
    .option("--context <text>", "the passage the question is about; - reads standard input");
  addTargetOptions(command).action(
    async (question: string, choices: string[], flags: TargetFlags & { context?: string }) => {
      const context = flags.context === undefined ? {} : { context: await readText(flags.context) };
      const request = { options: requestOptions(flags), question, choices, ...context };
      const print = (reply: ChooseAnswerResponse) => printed(reply, choices);
      await askAndPrint(flags, InferenceService.method.chooseAnswer, (target) => target.chooseAnswer(request), print);
    },
  );
}

function printed({ choices: scores, index }: ChooseAnswerResponse, choices: readonly string[]): string {
  return scores.map(({ score }, i) => `${i === index ? "*" : " "} ${percent(score)}  ${choices[i]}`).join("\n");
}
