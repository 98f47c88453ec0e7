import { type Command, Option } from "commander";
import { changedAnswers } from "../../tasks/evaluation/changed-answers.ts";
import { evaluationFile, predictionFiles } from "../../tasks/evaluation/official-files.ts";
import { lossText } from "../model/convert.ts";
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
      const runIn = (precision: DatasetFlags["precision"]) =>
        runDataset({ ...flags, precision }, { split: flags.split ?? "dev", purpose: "evaluate" }, () => ({
          thresholds: flags.thresholds,
          ...given("nullThreshold", flags.nullScoreDiffThreshold),
        }));
      const run = await runIn(flags.precision);
      const exact = flags.precision === "fp32" ? undefined : await runIn("fp32");
      if (flags.output !== undefined) {
        await writeFiles(flags.output, [evaluationFile(run.metrics), ...predictionFiles(run.predictions)]);
      }
      process.stdout.write(
        flags.json ? `${JSON.stringify(report(flags, run, exact), null, 2)}\n` : printed(run, exact),
      );
    });
}

/** @param exact  the same in fp32, where `run` was in something else */
function report({ task, precision }: EvaluateFlags, run: DatasetRun, exact: DatasetRun | undefined) {
  const { modelName, modelDigest, examples, tokens, seconds, metrics } = run;
  const compared =
    exact === undefined
      ? {}
      : { precision, fp32: exact.metrics, changedAnswers: changedAnswers(exact.predictions, run.predictions) };
  return { task, model: modelName, digest: modelDigest, examples, tokens, seconds, metrics, ...compared };
}

function printed(
  { metrics, predictions, examples, tokens, seconds }: DatasetRun,
  exact: DatasetRun | undefined,
): string {
  const rows =
    exact === undefined
      ? Object.entries(metrics).map(([name, value]) => `${name} = ${value}`)
      : [
          lossText({
            ...{ before: exact.metrics, after: metrics, examples },
            changedAnswers: changedAnswers(exact.predictions, predictions),
          }).trimEnd(),
        ];
  return `${[...rows, `${examples} examples, ${tokens} tokens in ${seconds.toFixed(1)} s`].join("\n")}\n`;
}
