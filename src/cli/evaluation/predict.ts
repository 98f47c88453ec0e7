import { basename, join } from "node:path";
import type { Command } from "commander";
import type { GlueSplit } from "../../tasks/datasets/glue.ts";
import { predictionFiles } from "../../tasks/evaluation/official-files.ts";
import { addDatasetOptions, type DatasetFlags, runDataset, writeFiles } from "./dataset-run.ts";

/** Adds `albert predict`: the official prediction files of a model for a data file, in this process. */
export function registerPredict(program: Command): void {
  addDatasetOptions(
    program.command("predict").description("answer a data file and write the official prediction files"),
  )
    .requiredOption("--output <dir>", "directory of the prediction files")
    .option("--json", "print JSON")
    .action(async (flags: DatasetFlags & { readonly output: string }) => {
      // Predictions must not depend on answers that the file may hold: the threshold comes from the model, as in serving.
      const run = await runDataset(
        flags,
        { split: flags.split ?? splitOf(flags.data), purpose: "predict" },
        (model) => ({
          nullThreshold: flags.nullScoreDiffThreshold ?? model.nullThreshold ?? 0,
        }),
      );
      const files = predictionFiles(run.predictions);
      await writeFiles(flags.output, files);
      const { examples, tokens, seconds } = run;
      const paths = files.map(({ name }) => join(flags.output, name));
      const text = `${[...paths, `${examples} examples, ${tokens} tokens in ${seconds.toFixed(1)} s`].join("\n")}\n`;
      process.stdout.write(
        flags.json ? `${JSON.stringify({ files: paths, examples, tokens, seconds }, null, 2)}\n` : text,
      );
    });
}

/** The split that a file's name tells; a file that is to be predicted is a test file unless it says otherwise. */
function splitOf(path: string): GlueSplit {
  return (["train", "dev"] as const).find((split) => basename(path).startsWith(split)) ?? "test";
}
