import type { Command } from "commander";
import { type FillMaskResponse, InferenceService } from "../../gen/albert/v1/inference_pb.js";
import { wholeNumber } from "../number-flags.ts";
import { percent } from "../percent.ts";
import { addTargetOptions, askAndPrint, readText, requestOptions, type TargetFlags } from "./inference-target.ts";

/** Adds `albert fill-mask`: what may stand at each [MASK] of a text. */
export function registerFillMask(program: Command): void {
  const command = program
    .command("fill-mask")
    .description("guess what stands at each [MASK] of a text")
    .argument("<text>", "the text; - reads standard input")
    .option("--top <k>", "guesses for each mask", wholeNumber(1, 65_536), 5);
  addTargetOptions(command).action(async (argument: string, flags: TargetFlags & { top: number }) => {
    const request = { options: requestOptions(flags), text: await readText(argument), topK: flags.top };
    await askAndPrint(flags, InferenceService.method.fillMask, (target) => target.fillMask(request), printed);
  });
}

function printed({ masks }: FillMaskResponse): string {
  const blocks = masks.map(({ start, candidates }) => {
    const guesses = candidates.map(({ text, score }) => `${percent(score)}  ${text}`);
    return masks.length === 1 ? guesses : [`[MASK] at ${start}`, ...guesses];
  });
  return blocks.flat().join("\n");
}
