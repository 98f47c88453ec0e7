import type { Command } from "commander";
import { invalidInput } from "../../errors.ts";
import { type ClassifyResponse, InferenceService } from "../../gen/albert/v1/inference_pb.js";
import { wholeNumber } from "../number-flags.ts";
import { percent } from "../percent.ts";
import { addTargetOptions, askAndPrint, readText, requestOptions, type TargetFlags } from "./inference-target.ts";

/** Adds `albert classify`: the labels of a text. */
export function registerClassify(program: Command): void {
  const command = program
    .command("classify")
    .description("label a text, or a pair of texts, with the labels of a model or with your own")
    .argument("<text>", "the text; - reads standard input")
    .argument("[text-pair]", "the second text of a pair")
    .option("--top <k>", "print at most this many labels", wholeNumber(1, 65_536))
    .option(
      "--labels <names>",
      "labels of your own, comma-separated, for a model of natural-language inference",
      (text) => text.split(",").map((label) => label.trim()),
    )
    .option(
      "--template <sentence>",
      'with --labels: what each says of the text, with {label} in its place (default: "This text is about {label}.")',
    )
    .option("--multi-label", "with --labels: score each by itself, for any number of them may be true");
  addTargetOptions(command).action(
    async (argument: string, textPair: string | undefined, flags: ClassifyFlags & TargetFlags) => {
      const text = await readText(argument);
      const request = {
        ...{ options: requestOptions(flags), text, ...ownLabels(flags) },
        ...(textPair === undefined ? {} : { textPair }),
        ...(flags.top === undefined ? {} : { topK: flags.top }),
      };
      await askAndPrint(flags, InferenceService.method.classify, (target) => target.classify(request), printed);
    },
  );
}

interface ClassifyFlags {
  readonly top?: number;
  readonly labels?: readonly string[];
  readonly template?: string;
  readonly multiLabel?: true;
}

/** @throws AlbertError invalid-input for flags that mean nothing without labels */
function ownLabels({ labels, template, multiLabel }: ClassifyFlags) {
  if (labels === undefined) {
    const alone = [
      ...(template === undefined ? [] : ["--template"]),
      ...(multiLabel === undefined ? [] : ["--multi-label"]),
    ];
    if (alone.length > 0) {
      const description = "means nothing without --labels: give them, such as --labels politics,sport, or leave it out";
      throw invalidInput(alone.map((field) => ({ field, description })));
    }
    return {};
  }
  return {
    candidateLabels: [...labels],
    multiLabel: multiLabel ?? false,
    ...(template === undefined ? {} : { hypothesisTemplate: template }),
  };
}

function printed({ labels, value }: ClassifyResponse): string {
  if (value !== undefined) return value.toFixed(4);
  return labels.map(({ label, score }) => `${percent(score)}  ${label}`).join("\n");
}
