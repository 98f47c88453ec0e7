import { rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { invalidInput } from "../../errors.ts";
import { convertedContents } from "../../model/directory/convert-model.ts";
import type { AnswerLoss } from "../../model/directory/model-directory.ts";
import { openModelDirectory } from "../../model/directory/open-model-directory.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../../model/directory/weight-formats.ts";
import { writeModelDirectory } from "../../model/directory/write-model-directory.ts";
import { makeTemporaryDirectory } from "../../platform/temporary-directories.ts";
import type { TaskName } from "../../tasks/datasets/examples.ts";
import { lossBetween } from "../../tasks/evaluation/changed-answers.ts";
import { runDataset, TASK_NAMES } from "../evaluation/dataset-run.ts";
import { refuseExisting } from "../new-output.ts";
import { addReadingOptions, type ReadingFlags } from "../training/reading-options.ts";
import { saidToWait } from "../work-progress.ts";

// Stores a model's weights in another format, and measures both versions on the same data.

interface ConvertFlags extends ReadingFlags {
  readonly output: string;
  readonly weights: WeightFormat;
  readonly embeddingsApart?: true;
  readonly name?: string;
  readonly task?: TaskName;
  readonly data?: string;
  readonly json?: true;
}

/** Adds `albert convert`: writes a model whose weights take fewer bytes, and measures what that changes. */
export function registerConvert(program: Command): void {
  addReadingOptions(
    program
      .command("convert")
      .description("store a model's weights in fewer bytes, and measure what that changes")
      .argument("<model>", "model directory, Hugging Face directory or TensorFlow checkpoint")
      .requiredOption("--output <dir>", "directory to make; must not exist")
      .addOption(new Option("--weights <format>", "how to store them").choices(WEIGHT_FORMATS).makeOptionMandatory())
      .option("--embeddings-apart", "word embeddings in a file of their own, which models of one trunk can share")
      .option("--name <name>", "name of the model (default: the output directory's)")
      .addOption(new Option("--task <task>", "layout of the data that both are measured on").choices(TASK_NAMES))
      .option("--data <path>", "file that both are measured on"),
  )
    .option("--json", "print JSON")
    .action(async (path: string, flags: ConvertFlags) => {
      const { task, data, output, weights } = flags;
      if ((task === undefined) !== (data === undefined)) {
        const field = task === undefined ? "task" : "data";
        throw invalidInput([{ field, description: "measuring needs both --task and --data; give both or neither" }]);
      }
      await refuseExisting(output);
      const model = await openModelDirectory(path);
      const name = flags.name ?? basename(resolve(output));
      const format = { weights, embeddingsApart: flags.embeddingsApart ?? false };
      const write = (directory: string, measured?: AnswerLoss) =>
        saidToWait(
          "the weights are written",
          writeModelDirectory(directory, convertedContents(model, name, format, measured)),
        );
      const measured =
        task === undefined || data === undefined
          ? undefined
          : await inTemporaryDirectory(async (directory) => {
              await write(directory);
              return measure(path, directory, { ...flags, task, data });
            });
      const { digest } = await write(output, measured);
      const report = {
        model: output,
        digest,
        from: model.digest,
        weights,
        ...(measured === undefined ? {} : { measured }),
      };
      process.stdout.write(
        flags.json
          ? `${JSON.stringify(report, null, 2)}\n`
          : `${output}  ${digest}\n${measured === undefined ? "" : lossText(measured)}`,
      );
    });
}

/** Uses the path of a directory that is not there yet, and removes what was made there. */
export async function inTemporaryDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const parent = await makeTemporaryDirectory("convert");
  try {
    return await use(join(parent, "model"));
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

async function measure(
  path: string,
  converted: string,
  flags: ReadingFlags & { task: TaskName; data: string },
): Promise<AnswerLoss> {
  const run = (model: string) =>
    runDataset(
      { ...flags, model, device: "cpu", precision: "fp32", offsets: "exact" },
      { split: "dev", purpose: "evaluate" },
      () => ({}),
    );
  return lossBetween(flags.task, await run(path), await run(converted));
}

/** What fewer bits changed, for people: a line for each metric, and one for the answers. */
export function lossText({ before, after, examples, changedAnswers: changed }: Omit<AnswerLoss, "task">): string {
  const rows = Object.entries(before).map(([name, value]) => `${name} = ${value} -> ${after[name]}`);
  return `${[...rows, `${changed} of ${examples} answers changed`].join("\n")}\n`;
}
