import { basename, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { AnswerLoss, Quantisation } from "../../model/directory/model-directory.ts";
import { openModelDirectory } from "../../model/directory/open-model-directory.ts";
import { quantisedContents } from "../../model/directory/quantised-model.ts";
import { writeModelDirectory } from "../../model/directory/write-model-directory.ts";
import type { TaskName } from "../../tasks/datasets/examples.ts";
import { lossBetween } from "../../tasks/evaluation/changed-answers.ts";
import { answeringHead } from "../../tasks/evaluation/evaluate-dataset.ts";
import { taskModel } from "../../tasks/plan.ts";
import { drawnExamples } from "../../tasks/quantisation/drawn-examples.ts";
import { findScales } from "../../tasks/quantisation/find-scales.ts";
import { DEFAULT_QUANTISATION } from "../../tasks/quantisation/settings.ts";
import { digestOf } from "../../training/data/validate-dataset.ts";
import { datasetExamples } from "../evaluation/dataset-examples.ts";
import { given, runDataset, TASK_NAMES } from "../evaluation/dataset-run.ts";
import { refuseExisting } from "../new-output.ts";
import { numberFlag, wholeNumber } from "../number-flags.ts";
import { addReadingOptions, type ReadingFlags, readingOf } from "../training/reading-options.ts";
import { inTemporaryDirectory, lossText } from "./convert.ts";

// Finds the scales of a model's static int8 and writes the model with them.

interface QuantiseFlags extends ReadingFlags {
  readonly output: string;
  readonly name?: string;
  readonly task: TaskName;
  readonly calibration: string;
  readonly data?: string;
  readonly head?: string;
  readonly calibrationExamples: number;
  readonly seed: number;
  readonly maxLoss: number;
  readonly threads?: number;
  readonly json?: true;
}

/** Adds `albert quantise`: a model with scales of static int8, which `--precision int8` then rounds by. */
export function registerQuantise(program: Command): void {
  const { examples, seed, maxLoss } = DEFAULT_QUANTISATION;
  addReadingOptions(
    program
      .command("quantise")
      .description(
        "find scales by which --precision int8 rounds what a model's products multiply, from examples, and measure what that changes",
      )
      .argument("<model>", "model directory, Hugging Face directory or TensorFlow checkpoint")
      .requiredOption("--output <dir>", "directory to make; must not exist")
      .option("--name <name>", "name of the model (default: the output directory's)")
      .addOption(new Option("--task <task>", "layout of the data").choices(TASK_NAMES).makeOptionMandatory())
      .requiredOption("--calibration <path>", "file with examples to observe, such as training data")
      .option("--calibration-examples <n>", "how many of them are drawn", wholeNumber(1, 65_536), examples)
      .option("--seed <n>", "of the drawing", wholeNumber(0, Number.MAX_SAFE_INTEGER), seed)
      .option(
        "--max-loss <share>",
        "most that the task's metric may lose on those examples; products stay in float32 until it does not lose more",
        numberFlag({ kind: "number", minimum: 0, maximum: 1 }),
        maxLoss,
      )
      .option("--head <name>", "head to ask, where the model has several that could answer")
      .option("--data <path>", "other file, on which fp32 and int8 are measured for the model's manifest")
      .option("--threads <n>", "threads of the processor", wholeNumber(1, 1024)),
  )
    .option("--json", "print JSON")
    .action(quantise);
}

async function quantise(path: string, flags: QuantiseFlags): Promise<void> {
  const { task, calibration, output, seed, maxLoss, threads, head } = flags;
  await refuseExisting(output);
  const model = await openModelDirectory(path);
  const name = flags.name ?? basename(resolve(output));
  const request = { task, path: calibration, split: "train", purpose: "evaluate", ...readingOf(flags) } as const;
  const data = await datasetExamples(request, answeringHead(taskModel(model), task, head));
  for (const warning of data.warnings) process.stderr.write(`warning: ${warning}\n`);
  const drawn = await drawnExamples(data.examples(), flags.calibrationExamples, seed);
  const onActivity = (activity: string) => void process.stderr.write(`${activity}\n`);
  const found = await findScales({
    ...{ model, task, maxLoss, threads, onActivity, examples: drawn },
    options: { offsets: "exact", ...given("head", head) },
  });
  const { products, inFloat32 } = found;
  const how = {
    ...{ task, examples: drawn.length, seed, data: await digestOf([calibration]), maxLoss, products, inFloat32 },
  };
  const write = (directory: string, measured?: AnswerLoss) =>
    writeModelDirectory(directory, quantisedContents(model, name, found.scales, how, measured));
  let measured: AnswerLoss | undefined;
  if (flags.data !== undefined) {
    onActivity("measuring fp32 and int8 on the other file");
    measured = await measure(flags, flags.data, write);
  }
  const { digest } = await write(output, measured);
  const report = {
    ...{ model: output, digest, from: model.digest, ...how, before: found.before, after: found.after },
    ...given("measured", measured),
  };
  process.stdout.write(
    flags.json
      ? `${JSON.stringify(report, null, 2)}\n`
      : `${[`${output}  ${digest}`, ...quantisationText(report)].join("\n")}\n`,
  );
}

function measure(
  flags: QuantiseFlags,
  data: string,
  write: (directory: string) => Promise<unknown>,
): Promise<AnswerLoss> {
  return inTemporaryDirectory(async (model) => {
    await write(model);
    const run = (precision: "fp32" | "int8") =>
      runDataset(
        { ...flags, model, data, device: "cpu", precision, offsets: "exact" },
        { split: "dev", purpose: "evaluate" },
        () => ({}),
      );
    return lossBetween(flags.task, await run("fp32"), await run("int8"));
  });
}

/** How scales were found, and what they change, for people. */
export function quantisationText({ task, examples, products, inFloat32, measured }: Quantisation): string[] {
  return [
    `int8 by the scales of ${examples} examples (${task}); ${inFloat32.length} of ${products} products in float32`,
    ...(measured === undefined ? ["effect not measured"] : lossText(measured).trimEnd().split("\n")),
  ];
}
