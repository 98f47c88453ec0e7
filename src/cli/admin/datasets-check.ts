import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import type { ProblemType } from "../../model/heads.ts";
import { formatLocation } from "../../tasks/datasets/data-source.ts";
import type { Example, TaskName } from "../../tasks/datasets/examples.ts";
import type { GlueSplit } from "../../tasks/datasets/glue.ts";
import type { DatasetReport } from "../../training/data/dataset-report.ts";
import { type RowIssue, severityOf } from "../../training/data/issues.ts";
import type { DatasetRow } from "../../training/data/rows/dataset-row.ts";
import type { DatasetSpec } from "../../training/data/rows/dataset-rows.ts";
import { validateDataset } from "../../training/data/validate-dataset.ts";
import { TASK_NAMES } from "../evaluation/dataset-run.ts";
import { EXIT } from "../failure.ts";
import { refuseExisting } from "../new-output.ts";
import { addReadingOptions, type ReadingFlags, readingOf } from "../training/reading-options.ts";
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
  const problems = flags.problems === undefined ? undefined : await LineFile.create(flags.problems);
  const clean = flags.writeClean === undefined ? undefined : await LineFile.create(flags.writeClean);
  problems?.add(["place", "severity", "kind", "detail", "text"].join("\t"));
  const report = await validateDataset(spec, {
    onIssue: (issue) => problems?.add(problemLine(issue)),
    onAccepted: (row) => clean?.add(cleanLine(row)),
  });
  await problems?.close();
  await clean?.close();
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

function cleanLine(row: DatasetRow): string {
  if (row.kind === "file") return row.header ?? "";
  return row.text ?? JSON.stringify(recordOf(row.example!)); // accepted rows have an example
}

/** An example of an official document as a record of its own, in a layout that the same task reads. */
function recordOf(example: Example): object {
  switch (example.kind) {
    case "question": {
      const { id, context, question, answers, isImpossible } = example;
      const listed = answers.map(({ text, answerStart }) => ({ text, answer_start: answerStart }));
      return { id, context, question, answers: listed, is_impossible: isImpossible };
    }
    case "choice": {
      const { id, context, question, choices, answer = 0 } = example;
      const letter = String.fromCharCode(65 + answer);
      return { id, article: context, questions: [question], options: [choices], answers: [letter] };
    }
    case "classification":
      return { text: example.text, text_pair: example.textPair, label: example.label };
  }
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

/** A text file that is written line by line. */
class LineFile {
  readonly #stream: ReturnType<typeof createWriteStream>;
  readonly #failed: Promise<never>;

  private constructor(path: string) {
    this.#stream = createWriteStream(path, { flags: "wx" });
    this.#failed = once(this.#stream, "error").then(([error]) => {
      throw error;
    });
    this.#failed.catch(() => {}); // reported when it is next awaited
  }

  /** @throws NodeJS.ErrnoException */
  static async create(path: string): Promise<LineFile> {
    const file = new LineFile(path);
    await Promise.race([once(file.#stream, "open"), file.#failed]);
    return file;
  }

  add(line: string): void {
    this.#stream.write(`${line}\n`);
  }

  /** @throws NodeJS.ErrnoException of any write */
  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#stream.end(resolve);
    });
    await Promise.race([ended, this.#failed]);
  }
}
