import type { Command } from "commander";
import { Option } from "commander";
import { type EncodeResponse, InferenceService, Pooling } from "../../gen/albert/v1/inference_pb.js";
import { addTargetOptions, askAndPrint, readText, requestOptions, type TargetFlags } from "./inference-target.ts";

const POOLINGS = { pooler: Pooling.POOLER, cls: Pooling.CLS, mean: Pooling.MEAN } as const;

/** Adds `albert encode`: the vector of a text. */
export function registerEncode(program: Command): void {
  const command = program
    .command("encode")
    .description("turn a text into a vector")
    .argument("<text>", "the text; - reads standard input")
    .argument("[text-pair]", "the second text of a pair")
    .addOption(
      new Option("--pooling <kind>", "how (default: as the model's maker does it, else pooler)").choices(
        Object.keys(POOLINGS),
      ),
    )
    .option("--normalize", "scale the vector to length 1");
  addTargetOptions(command).action(
    async (
      argument: string,
      textPair: string | undefined,
      flags: TargetFlags & { pooling?: keyof typeof POOLINGS; normalize?: true },
    ) => {
      const request = {
        options: requestOptions(flags),
        text: await readText(argument),
        pooling: flags.pooling === undefined ? Pooling.UNSPECIFIED : POOLINGS[flags.pooling],
        normalize: flags.normalize ?? false,
        ...(textPair === undefined ? {} : { textPair }),
      };
      await askAndPrint(flags, InferenceService.method.encode, (target) => target.encode(request), printed);
    },
  );
}

function printed({ embedding }: EncodeResponse): string {
  return embedding.map((value) => value.toPrecision(6)).join(" ");
}
