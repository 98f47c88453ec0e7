import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import { alignedColumns } from "../../report/render/aligned-columns.ts";
import { reportLines } from "../../report/render/text.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import { changedAnswers } from "../../tasks/evaluation/changed-answers.ts";
import { evaluationFile, predictionFiles } from "../../tasks/evaluation/official-files.ts";
import { lossText } from "../model/convert.ts";
import {
  addDatasetOptions,
  type DatasetFlags,
  type DatasetRun,
  given,
  type OpenModel,
  openModel,
  runDataset,
  writeFiles,
} from "./dataset-run.ts";
import { foldersOf, onceForEach, reportOfFile } from "./many-files.ts";
import { writeReport } from "./report-file.ts";
import { addReportOptions, type ReportFlags, reportOf } from "./report-options.ts";

interface EvaluateFlags extends Omit<DatasetFlags, "data">, ReportFlags {
  readonly data: readonly string[];
  readonly output?: string;
  readonly thresholds: "corrected" | "official";
}

/** The same for one file. */
type OneFileFlags = Omit<EvaluateFlags, "data"> & DatasetFlags;

/** Adds `albert evaluate`: official metrics of a model on data files and the report of each, in this process. */
export function registerEvaluate(program: Command): void {
  const command = program
    .command("evaluate")
    .description("measure a model on data files with the official metrics, and say where it is wrong");
  addReportOptions(addDatasetOptions(command, { many: true }))
    .addOption(
      new Option("--thresholds <rule>", "how SQuAD v2 null thresholds are found")
        .choices(["corrected", "official"])
        .default("corrected"),
    )
    .option("--output <dir>", "also write eval_results.txt and the prediction files there; needed for several files")
    .option("--json", "print JSON")
    .action((flags: EvaluateFlags) => {
      const [data = "", ...others] = flags.data;
      return others.length === 0 ? evaluateOne({ ...flags, data }) : evaluateMany(flags);
    });
}

interface Evaluated {
  readonly run: DatasetRun;
  /** The same in fp32, where `run` was in something else. */
  readonly exact: DatasetRun | undefined;
  readonly examples: readonly Example[];
}

/** Measures one file, and writes what `--output` asks for. @param opened  the models by precision, where they are open already */
async function evaluate(flags: OneFileFlags, opened?: (precision: DatasetFlags["precision"]) => Promise<OpenModel>) {
  const options = () => ({
    thresholds: flags.thresholds,
    ...given("nullThreshold", flags.nullScoreDiffThreshold),
  });
  const runIn = async (precision: DatasetFlags["precision"], onExample?: (example: Example) => void) => {
    const request = { split: flags.split ?? "dev", purpose: "evaluate" } as const;
    return runDataset({ ...flags, precision }, request, options, onExample, await opened?.(precision));
  };
  const examples: Example[] = [];
  const run = await runIn(flags.precision, (example) => examples.push(example));
  const exact = flags.precision === "fp32" ? undefined : await runIn("fp32");
  if (flags.output !== undefined) {
    await writeFiles(flags.output, [evaluationFile(run.metrics), ...predictionFiles(run.predictions)]);
  }
  return { run, exact, examples } satisfies Evaluated;
}

async function evaluateOne(flags: OneFileFlags): Promise<void> {
  const { run, exact, examples } = await evaluate(flags);
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
}

async function evaluateMany({ data: paths, ...flags }: EvaluateFlags): Promise<void> {
  if (flags.output === undefined) {
    const description = "several files need it: each has a folder of its own there";
    throw invalidInput([{ field: "--output", description }]);
  }
  const folders = foldersOf(paths, flags.output);
  const models = new Map<string, Promise<OpenModel>>();
  const opened = (precision: DatasetFlags["precision"]) => {
    const model = models.get(precision) ?? openModel({ ...flags, precision, data: "" });
    models.set(precision, model);
    return model;
  };
  const done: (ReturnType<typeof summary> & { readonly data: string; readonly before: boolean })[] = [];
  try {
    for (const [i, one] of folders.entries()) {
      process.stderr.write(`file ${i + 1} of ${folders.length}: ${one.data}\n`);
      const own = { ...flags, ...one, report: flags.report.map((path) => reportOfFile(path, one.data)) };
      const { digest } = (await opened(flags.precision)).model;
      const measured = await onceForEach(one, { model: digest, flags, needed: own.report }, async () => {
        const { run, exact, examples } = await evaluate(own, opened);
        if (own.report.length > 0) {
          const report = await reportOf(own, run, examples);
          for (const path of own.report) await writeReport(report, path);
        }
        return summary(own, run, exact);
      });
      done.push({ data: one.data, ...measured });
    }
  } finally {
    for (const model of models.values()) await (await model).engine.close();
  }
  const names = [...new Set(done.flatMap(({ metrics }) => Object.keys(metrics)))];
  const rows = done.map(({ data, examples, metrics, before }) => [
    data,
    String(examples),
    ...names.map((name) => (metrics[name] === undefined ? "" : String(Number(metrics[name].toPrecision(4))))),
    before ? "measured before" : "",
  ]);
  process.stdout.write(
    flags.json
      ? `${JSON.stringify(done, null, 2)}\n`
      : `${alignedColumns([["FILE", "EXAMPLES", ...names, ""], ...rows]).join("\n")}\n`,
  );
}

/** @param exact  the same in fp32, where `run` was in something else */
function summary({ task, precision }: OneFileFlags, run: DatasetRun, exact: DatasetRun | undefined) {
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
