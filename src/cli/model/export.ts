import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import type { Target } from "../../graph/serving/lowering.ts";
import { writeOnnxDirectory } from "../../graph/write-onnx-directory.ts";
import { exportHuggingFace, exportTensorFlow } from "../../model/checkpoint/export-checkpoint.ts";
import { readModelSource } from "../inference/model-source.ts";
import { saidToWait } from "../work-progress.ts";

interface ExportFlags {
  readonly output: string;
  readonly format: "hf" | "tf" | "onnx";
  readonly target?: Target;
  readonly config?: string;
}

/** Adds `albert export`: writes a model for other programs. */
export function registerExport(program: Command): void {
  program
    .command("export")
    .description("write a model for Hugging Face's library, Google's code or ONNX Runtime")
    .argument("<model>", "model directory, Hugging Face or TensorFlow checkpoint")
    .requiredOption("--output <dir>", "directory to make; must not exist")
    .addOption(new Option("--format <format>", "what to write").choices(["hf", "tf", "onnx"]).makeOptionMandatory())
    .addOption(
      new Option("--target <device>", "device the ONNX graph is for (default: cpu)").choices(["cpu", "webgpu", "cuda"]),
    )
    .option("--config <file>", "configuration, where it is not next to the weights")
    .action(async (path: string, { output, format, target, config }: ExportFlags) => {
      if (target !== undefined && format !== "onnx") {
        throw invalidInput([{ field: "target", description: `--format ${format} is the same for every device` }]);
      }
      const write = async () => {
        const model = await readModelSource(path, config === undefined ? {} : { config });
        switch (format) {
          case "hf":
            return exportHuggingFace(output, { ...model, ...model.manifest });
          case "tf":
            return exportTensorFlow(output, model);
          case "onnx":
            return writeOnnxDirectory(output, model, target ?? "cpu");
        }
      };
      await saidToWait("the model is read and written", write());
      process.stdout.write(`${output}\n`);
    });
}
