import { type Command, Option } from "commander";
import { wholeNumber } from "../number-flags.ts";

/** Adds `--device` and `--threads`: where models run that a command of `albert search` opens in this process. */
export function addRunOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--device <device>", "where models run that are opened here")
        .choices(["cpu", "openvino", "webgpu", "cuda"])
        .default("cpu"),
    )
    .option("--threads <n>", "threads of the CPU device", wholeNumber(1, 1024));
}
