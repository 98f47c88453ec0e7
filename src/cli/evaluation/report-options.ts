import { basename } from "node:path";
import type { Command } from "commander";
import type { Answerer } from "../../model/heads.ts";
import type { EvaluationReport } from "../../report/evaluation-report.ts";
import { LISTED_ROWS, makeReport } from "../../report/make-report.ts";
import type { Example, TaskName } from "../../tasks/datasets/examples.ts";
import { acceptedExamples } from "../../training/data/rows/dataset-rows.ts";
import { digestOf } from "../../training/data/validate-dataset.ts";
import { wholeNumber } from "../number-flags.ts";
import { readingOf } from "../training/reading-options.ts";
import type { DatasetFlags, DatasetRun } from "./dataset-run.ts";
import { reportFile } from "./report-file.ts";

// Flags of the report that an evaluation makes, and the report itself.

/** Flags of a report. */
export interface ReportFlags {
  readonly report: readonly string[];
  readonly reportRows: number;
  readonly train?: string;
}

/** Adds `--report`, `--report-rows`, `--slice` and `--train`. */
export function addReportOptions(command: Command): Command {
  return command
    .option(
      "--report <file>",
      "also write the report there: .html, a page that needs nothing else, or .json; may be given twice",
      (path: string, before: readonly string[]) => [...before, reportFile(path)],
      [],
    )
    .option("--report-rows <n>", "rows of each list of the report", wholeNumber(1, 100_000), LISTED_ROWS)
    .option(
      "--slice <columns>",
      "columns of your own data by which results are grouped besides, such as product,channel",
    )
    .option("--train <path>", "the data that the model was trained on: the report tells which texts are in both");
}

/** Makes the report of a run on the examples that it saw. */
export async function reportOf(
  flags: DatasetFlags & ReportFlags,
  run: DatasetRun,
  examples: readonly Example[],
): Promise<EvaluationReport> {
  const { task, data, train, reportRows } = flags;
  return makeReport({
    ...{ task, head: run.head, examples, evaluation: run, rows: reportRows },
    model: { name: run.modelName, digest: run.modelDigest },
    data: { name: basename(data), digest: await digestOf([data]) },
    ...(train === undefined ? {} : { training: trainingExamples(flags, train, task, run.head) }),
  });
}

/** Rows that cannot be used, and labels that the model does not have, do not matter here. */
function trainingExamples(flags: DatasetFlags, path: string, task: TaskName, head: Answerer) {
  const { columns, separator } = readingOf(flags);
  return acceptedExamples({
    ...{ task, paths: [path], split: "train", unlabelled: true, acceptWindowsText: true },
    ...(head.kind === "classification" ? { problemType: head.problemType } : {}),
    ...(columns === undefined ? {} : { columns }),
    ...(separator === undefined ? {} : { separator }),
  });
}
