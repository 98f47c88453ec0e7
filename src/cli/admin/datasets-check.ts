import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import type { ProblemType } from "../../model/heads.ts";
import { formatLocation } from "../../tasks/datasets/data-source.ts";
import type { TaskName } from "../../tasks/datasets/examples.ts";
import type { GlueSplit } from "../../tasks/datasets/glue.ts";
import type { DatasetReport } from "../../training/data/dataset-report.ts";
import { LineFile } from "../../training/data/editing/line-file.ts";
import { lineOfRow } from "../../training/data/editing/line-of-row.ts";
import { type RowIssue, severityOf } from "../../training/data/issues.ts";
import type { DatasetSpec } from "../../training/data/rows/dataset-rows.ts";
import { validateDataset } from "../../training/data/validate-dataset.ts";
import { TASK_NAMES } from "../evaluation/dataset-run.ts";
import { EXIT } from "../failure.ts";
import { refuseExisting } from "../new-output.ts";
import { addReadingOptions, type ReadingFlags, readingOf } from "../training/reading-options.ts";
import { saidToWait } from "../work-progress.ts";
import { table } from "./admin-call.ts";

// `albert datasets check`: everything that is wrong with a file of this machine, and a file of the rows that are not.

interface CheckFlags extends ReadingFlags {
  readonly task: TaskName;
  readonly split?: GlueSplit;
  readonly problemType?: ProblemType;
  readonly problems?: string;
  readonly writeClean?: string;
  readonly json?: true;
}

/** Adds the command below `albert datasets`. */
export function registerDatasetsCheck(datasets: Command): void {
  addReadingOptions(datasets.command("check <file>"))
    .description("read every row of a file of this machine, without a server, and report every problem")
    .addOption(new Option("--task <task>", "layout of the data").choices(TASK_NAMES).makeOptionMandatory())
    .addOption(new Option("--split <split>", "which columns a GLUE file has").choices(["train", "dev", "test"]))
    .addOption(
      new Option("--problem-type <type>", "of your own classification data").choices([
        "single-label",
        "multi-label",
        "regression",
      ]),
    )
    .option("--problems <file>", "write every place of every problem there, a line each, divided by tabs")
    .option("--write-clean <file>", "write the rows that can be used there; must not exist")
    .option("--json", "print JSON")
    .action(check);
}

async function check(file: string, flags: CheckFlags): Promise<void> {
  const spec: DatasetSpec = {
    task: flags.task,
    paths: [file],
    ...(flags.split === undefined ? {} : { split: flags.split }),
    ...(flags.problemType === undefined ? {} : { problemType: flags.problemType }),
    ...readingOf(flags),
  };
  if (flags.writeClean !== undefined) requireSameFormat(file, flags.writeClean);
  for (const output of [flags.problems, flags.writeClean]) if (output !== undefined) await refuseExisting(output);
  const problems = flags.problems === undefined ? undefined : new LineFile(flags.problems);
  const clean = flags.writeClean === undefined ? undefined : new LineFile(flags.writeClean);
  problems?.add(["place", "severity", "kind", "detail", "text"].join("\t"));
  const validated = validateDataset(spec, {
    onIssue: (issue) => problems?.add(problemLine(issue)),
    onAccepted: (row) => clean?.add(lineOfRow(row)),
  });
  const report = await saidToWait("every row is read", validated);
  problems?.close();
  clean?.close();
  process.stdout.write(flags.json ? `${JSON.stringify(report, null, 2)}\n` : `${lines(report, flags).join("\n")}\n`);
  if (!report.usable) process.exitCode = EXIT.data;
}

/** A header and quoting belong to a format, so the rows keep theirs; those of documents become JSON Lines. */
function requireSameFormat(file: string, output: string): void {
  const endingOf = (path: string) => /\.(csv|tsv|jsonl|ndjson)(\.gz)?$/i.exec(path)?.[1]?.toLowerCase();
  const wanted = endingOf(file) ?? "jsonl";
  if (endingOf(output) === wanted && !/\.gz$/i.test(output)) return;
  throw invalidInput([
    { field: "--write-clean", description: `expected a name that ends in .${wanted}, got ${output}` },
  ]);
}

function problemLine({ kind, location, detail, excerpt }: RowIssue): string {
  const place = formatLocation(typeof location === "function" ? location() : location);
  return [place, severityOf(kind), kind, detail, excerpt].map((cell) => cell.replaceAll(/[\t\r\n]/g, " ")).join("\t");
}

function lines(
  { read, accepted, rejected, usable, labels, issues }: DatasetReport,
  { problems, writeClean }: CheckFlags,
): string[] {
  return [
    `${usable ? "usable" : "not usable"}: ${read} rows read, ${accepted} accepted, ${rejected} rejected`,
    ...table(
      ["LABEL", "ROWS"],
      Object.entries(labels).map(([label, count]) => [label, String(count)]),
      "no labels",
    ),
    ...issues.flatMap(({ kind, severity, count, occurrences, hint }) => [
      `${severity} ${kind}: ${count}: ${hint}`,
      ...occurrences.map(
        ({ location, detail, excerpt }) =>
          `  ${formatLocation(location)}: ${detail}${excerpt === "" ? "" : ` (${JSON.stringify(excerpt)})`}`,
      ),
      ...(count > occurrences.length
        ? [`  and ${count - occurrences.length} more${problems === undefined ? ": --problems FILE writes all" : ""}`]
        : []),
    ]),
    ...(problems === undefined ? [] : [`every place: ${problems}`]),
    ...(writeClean === undefined ? [] : [`${accepted} rows: ${writeClean}`]),
  ];
}
