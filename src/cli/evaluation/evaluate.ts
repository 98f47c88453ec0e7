import { type Command, Option } from "commander";
import { reportLines } from "../../report/render/text.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import { changedAnswers } from "../../tasks/evaluation/changed-answers.ts";
import { evaluationFile, predictionFiles } from "../../tasks/evaluation/official-files.ts";
import { lossText } from "../model/convert.ts";
import { addDatasetOptions, type DatasetFlags, type DatasetRun, given, runDataset, writeFiles } from "./dataset-run.ts";
import { writeReport } from "./report-file.ts";
import { addReportOptions, type ReportFlags, reportOf } from "./report-options.ts";

interface EvaluateFlags extends DatasetFlags, ReportFlags {
  readonly output?: string;
  readonly thresholds: "corrected" | "official";
}

/** Adds `albert evaluate`: official metrics of a model on a data file and the report of it, in this process. */
export function registerEvaluate(program: Command): void {
  const command = program
    .command("evaluate")
    .description("measure a model on a data file with the official metrics, and say where it is wrong");
  addReportOptions(addDatasetOptions(command))
    .addOption(
      new Option("--thresholds <rule>", "how SQuAD v2 null thresholds are found")
        .choices(["corrected", "official"])
        .default("corrected"),
    )
    .option("--output <dir>", "also write eval_results.txt and the prediction files there")
    .option("--json", "print JSON")
    .action(async (flags: EvaluateFlags) => {
      const options = () => ({
        thresholds: flags.thresholds,
        ...given("nullThreshold", flags.nullScoreDiffThreshold),
      });
      const runIn = (precision: DatasetFlags["precision"], onExample?: (example: Example) => void) => {
        const request = { split: flags.split ?? "dev", purpose: "evaluate" } as const;
        return runDataset({ ...flags, precision }, request, options, onExample);
      };
      const examples: Example[] = [];
      const run = await runIn(flags.precision, (example) => examples.push(example));
      const exact = flags.precision === "fp32" ? undefined : await runIn("fp32");
      if (flags.output !== undefined) {
        await writeFiles(flags.output, [evaluationFile(run.metrics), ...predictionFiles(run.predictions)]);
      }
      // As JSON it has a file of its own.
      if (flags.json && flags.report.length === 0) {
        process.stdout.write(`${JSON.stringify(summary(flags, run, exact), null, 2)}\n`);
        return;
      }
      const report = await reportOf(flags, run, examples);
      for (const path of flags.report) await writeReport(report, path);
      process.stdout.write(
        flags.json
          ? `${JSON.stringify(summary(flags, run, exact), null, 2)}\n`
          : `${[printed(run, exact), "", ...reportLines(report), ...flags.report.map((path) => `report: ${path}`)].join("\n")}\n`,
      );
    });
}

/** @param exact  the same in fp32, where `run` was in something else */
function summary({ task, precision }: EvaluateFlags, run: DatasetRun, exact: DatasetRun | undefined) {
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
  return [...rows, `${examples} examples, ${tokens} tokens in ${seconds.toFixed(1)} s`].join("\n");
}
