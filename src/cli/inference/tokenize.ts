import type { Command } from "commander";
import { InferenceService, type TokenizeResponse } from "../../gen/albert/v1/inference_pb.js";
import { addTargetOptions, askAndPrint, readText, requestOptions, type TargetFlags } from "./inference-target.ts";

/** Adds `albert tokenize`: the pieces of a text. */
export function registerTokenize(program: Command): void {
  const command = program
    .command("tokenize")
    .description("show how a text is cut into pieces")
    .argument("<text>", "the text; - reads standard input")
    .argument("[text-pair]", "the second text of a pair");
  addTargetOptions(command).action(async (argument: string, textPair: string | undefined, flags: TargetFlags) => {
    const pair = textPair === undefined ? {} : { textPair };
    const request = { options: requestOptions(flags), text: await readText(argument), ...pair };
    await askAndPrint(flags, InferenceService.method.tokenize, (target) => target.tokenize(request), printed);
  });
}

function printed({ tokens, maxTokens, fits }: TokenizeResponse): string {
  const rows = tokens.map(({ id, piece, start, end, special }) => {
    const range = special ? "" : `${start}-${end}`;
    return `${String(id).padStart(6)}  ${range.padEnd(11)} ${piece}`;
  });
  const verdict = fits ? "" : `, too long for the model's ${maxTokens}`;
  return [...rows, `${tokens.length} tokens${verdict}`].join("\n");
}
