import type { Command } from "commander";
import { type ClassifyResponse, InferenceService } from "../../gen/albert/v1/inference_pb.js";
import { wholeNumber } from "../number-flags.ts";
import { percent } from "../percent.ts";
import { addTargetOptions, askAndPrint, readText, requestOptions, type TargetFlags } from "./inference-target.ts";

/** Adds `albert classify`: the labels of a text. */
export function registerClassify(program: Command): void {
  const command = program
    .command("classify")
    .description("label a text, or a pair of texts")
    .argument("<text>", "the text; - reads standard input")
    .argument("[text-pair]", "the second text of a pair")
    .option("--top <k>", "print at most this many labels", wholeNumber(1, 65_536));
  addTargetOptions(command).action(
    async (argument: string, textPair: string | undefined, flags: TargetFlags & { top?: number }) => {
      const text = await readText(argument);
      const request = {
        options: requestOptions(flags),
        text,
        ...(textPair === undefined ? {} : { textPair }),
        ...(flags.top === undefined ? {} : { topK: flags.top }),
      };
      await askAndPrint(flags, InferenceService.method.classify, (target) => target.classify(request), printed);
    },
  );
}

function printed({ labels, value }: ClassifyResponse): string {
  if (value !== undefined) return value.toFixed(4);
  return labels.map(({ label, score }) => `${percent(score)}  ${label}`).join("\n");
}
