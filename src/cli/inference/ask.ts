import type { Command } from "commander";
import { invalidInput } from "../../errors.ts";
import { type AnswerQuestionResponse, InferenceService } from "../../gen/albert/v1/inference_pb.js";
import { wholeNumber } from "../number-flags.ts";
import { percent } from "../percent.ts";
import {
  addTargetOptions,
  askAndPrint,
  readText,
  readTextFile,
  requestOptions,
  type TargetFlags,
} from "./inference-target.ts";

/** Windows up to which the time of an answer needs no explanation. */
const WORTH_TELLING = 32;

/** Adds `albert ask`: the answer to a question, found in a document. */
export function registerAsk(program: Command): void {
  const command = program
    .command("ask")
    .description(
      "answer a question from a document: on a server of up to 1,048,576 characters unless its inputs.max_chars says otherwise, with --model of up to 10,000,000",
    )
    .argument("<question>")
    .argument("[context]", "the document; - reads standard input")
    .option("--file <path>", "read the document from this file (UTF-8 text, plain or gzip)")
    .option("--best <n>", "print at most this many answers", wholeNumber(1, 65_536), 1);
  addTargetOptions(command).action(
    async (question: string, argument: string | undefined, flags: TargetFlags & { best: number; file?: string }) => {
      const context = await documentOf(argument, flags.file);
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

async function documentOf(argument: string | undefined, file: string | undefined): Promise<string> {
  if ((argument === undefined) === (file === undefined)) {
    const description = "give the document as the second argument, or its file with --file";
    throw invalidInput([{ field: "context", description }]);
  }
  return file === undefined ? readText(argument!, `--file ${argument}`) : readTextFile(file); // one of both, as just checked
}

function printed({ answers, answerable, meta }: AnswerQuestionResponse): string {
  const found = answers.map(
    ({ text, score, start, end }) => `${percent(score)}  ${text.replaceAll(/\s+/g, " ")}  (${start}-${end})`,
  );
  const verdict = answerable ? [] : ["the document does not seem to hold the answer; best guesses:"];
  return [...verdict, ...found, ...costOf(meta)].join("\n");
}

/** What a long document took; nothing is said of one that fits into a few windows. */
function costOf(meta: AnswerQuestionResponse["meta"]): string[] {
  if (meta === undefined || meta.windows <= WORTH_TELLING) return [];
  const { windows, tokens, timings } = meta;
  const seconds = ((timings?.totalMs ?? 0) / 1000).toFixed(1);
  return [`read in ${windows.toLocaleString("en")} windows, ${tokens.toLocaleString("en")} tokens, ${seconds} s`];
}
