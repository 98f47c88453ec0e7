import { type Command, Option } from "commander";
import { evaluationFile, predictionFiles } from "../../tasks/evaluation/official-files.ts";
import { addDatasetOptions, type DatasetFlags, type DatasetRun, given, runDataset, writeFiles } from "./dataset-run.ts";

interface EvaluateFlags extends DatasetFlags {
  readonly output?: string;
  readonly thresholds: "corrected" | "official";
}

/** Adds `albert evaluate`: official metrics of a model on a data file, in this process. */
export function registerEvaluate(program: Command): void {
  addDatasetOptions(program.command("evaluate").description("measure a model on a data file with the official metrics"))
    .addOption(
      new Option("--thresholds <rule>", "how SQuAD v2 null thresholds are found")
        .choices(["corrected", "official"])
        .default("corrected"),
    )
    .option("--output <dir>", "also write eval_results.txt and the prediction files there")
    .option("--json", "print JSON")
    .action(async (flags: EvaluateFlags) => {
      const run = await runDataset(flags, { split: flags.split ?? "dev", purpose: "evaluate" }, () => ({
        thresholds: flags.thresholds,
        ...given("nullThreshold", flags.nullScoreDiffThreshold),
      }));
      if (flags.output !== undefined) {
        await writeFiles(flags.output, [evaluationFile(run.metrics), ...predictionFiles(run.predictions)]);
      }
      process.stdout.write(flags.json ? `${JSON.stringify(report(flags, run), null, 2)}\n` : printed(run));
    });
}

function report({ task }: EvaluateFlags, { modelName, modelDigest, examples, tokens, seconds, metrics }: DatasetRun) {
  return { task, model: modelName, digest: modelDigest, examples, tokens, seconds, metrics };
}

function printed({ metrics, examples, tokens, seconds }: DatasetRun): string {
  const rows = Object.entries(metrics).map(([name, value]) => `${name} = ${value}`);
  return `${[...rows, `${examples} examples, ${tokens} tokens in ${seconds.toFixed(1)} s`].join("\n")}\n`;
}
