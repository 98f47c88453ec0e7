import { type Command, Option } from "commander";
import { exportHuggingFace, exportTensorFlow } from "../model/export-checkpoint.ts";
import { readModelSource } from "./model-source.ts";

/** Adds `albert export`: writes a model for other programs. */
export function registerExport(program: Command): void {
  program
    .command("export")
    .description("write a model for Hugging Face's library or Google's code")
    .argument("<model>", "model directory, Hugging Face or TensorFlow checkpoint")
    .requiredOption("--output <dir>", "directory to make; must not exist")
    .addOption(new Option("--format <format>", "what to write").choices(["hf", "tf"]).makeOptionMandatory())
    .option("--config <file>", "configuration, where it is not beside the weights")
    .action(async (path: string, flags: { output: string; format: "hf" | "tf"; config?: string }) => {
      const model = await readModelSource(path, flags.config === undefined ? {} : { config: flags.config });
      await (flags.format === "hf" ? exportHuggingFace : exportTensorFlow)(flags.output, model);
      process.stdout.write(`${flags.output}\n`);
    });
}
