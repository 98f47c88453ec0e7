import { basename, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { programVersion } from "../../config/program-version.ts";
import { type FieldViolation, invalidInput } from "../../errors.ts";
import { writeModelDirectory } from "../../model/directory/write-model-directory.ts";
import type { ProblemType } from "../../model/heads.ts";
import { PUBLISHED_CONFIG_NAMES } from "../../model/published-configs.ts";
import { openTaskEvaluator } from "../../training/evaluation/evaluate.ts";
import { openExecutor } from "../../training/executors/open-executor.ts";
import { LABEL_SOURCES, type LabelsFrom, type TaskDataSpec } from "../../training/features/task-data.ts";
import {
  type FineTuneOutcome,
  type FineTuneSpec,
  hintsOf,
  type PreparedFineTune,
  prepareFineTune,
  runFineTune,
} from "../../training/fine-tune.ts";
import { measurePlan, planFineTune } from "../../training/plan.ts";
import { FINE_TUNING, type GivenSettings, parseFineTuning } from "../../training/settings/fine-tuning.ts";
import { type AlbertVersion, TASKS, type Task } from "../../training/settings/recipes.ts";
import { share } from "../../training/settings/value-type.ts";
import type { StartSpec } from "../../training/starting-model.ts";
import type { ExecutorOptions } from "../../training/step/training-step.ts";
import { refuseExisting } from "../new-output.ts";
import { numberFlag, wholeNumber } from "../number-flags.ts";
import { followRun } from "./follow-run.ts";
import { addHyperparameters, givenHyperparameters } from "./hyperparameter-flags.ts";
import { addReadingOptions, type ReadingFlags, readingOf } from "./reading-options.ts";
import { printPlan } from "./training-plan.ts";
import { TrainingProgressBar } from "./training-progress.ts";

interface TrainFlags extends ReadingFlags {
  readonly task: Task;
  readonly init?: string;
  readonly randomInit?: string;
  readonly vocab?: string;
  readonly config?: string;
  readonly cased?: true;
  readonly train: string;
  readonly eval?: string;
  readonly evalMismatched?: string;
  readonly evalShare: number;
  readonly problemType?: ProblemType;
  readonly labelsFrom?: LabelsFrom;
  readonly output: string;
  readonly work?: string;
  readonly cache?: string;
  readonly name?: string;
  readonly albertVersion: AlbertVersion;
  readonly executor: ExecutorOptions["kind"];
  readonly device: ExecutorOptions["device"];
  readonly threads?: number;
  readonly plan?: true;
  readonly json?: true;
  readonly resume?: true;
}

/** Adds `albert train`: fine-tunes a model on a task, or trains one from random weights. */
export function registerTrain(program: Command): void {
  const command = program
    .command("train")
    .description("train a model on a task and write a model directory that `albert serve` opens")
    .addOption(new Option("--task <task>", "what to train for").choices(TASKS).makeOptionMandatory())
    .option("--init <path>", "model directory, Hugging Face directory or TensorFlow checkpoint to start from")
    .option(
      "--random-init <architecture>",
      `start from random weights: ${PUBLISHED_CONFIG_NAMES[0]}, ... or a config.json`,
    )
    .option(
      "--vocab <file>",
      "SentencePiece .model, WordPiece .txt or tokenizer.json, where it is not next to the weights",
    )
    .option("--config <file>", "albert_config.json or config.json, where it is not next to the weights")
    .option("--cased", "do not lower-case text")
    .requiredOption("--train <path>", "training data in the task's layout, plain or gzip")
    .option("--eval <path>", "evaluation data; without it a part of the training data is held out")
    .option("--eval-mismatched <path>", "of MNLI: mismatched development data, for the final weights")
    .addOption(
      new Option("--eval-share <share>", "without --eval: part of the training data to hold out, 0 for none")
        .argParser(numberFlag(share))
        .default(0.1),
    )
    .addOption(
      new Option("--problem-type <type>", "of your own classification data").choices([
        "single-label",
        "multi-label",
        "regression",
      ]),
    )
    .addOption(
      new Option(
        "--labels-from <source>",
        "whose labels count where the model's head of this task and the data differ: head goes on with the head, data trains a new one",
      ).choices(LABEL_SOURCES),
    )
    .requiredOption("--output <dir>", "model directory to make; must not exist")
    .option("--work <dir>", "checkpoints, logs and results (default: the output directory's name with .run)")
    .option("--cache <dir>", "feature cache, which runs may share (default: inside the work directory)")
    .option("--name <name>", "name of the model (default: the output directory's)")
    .addOption(new Option("--albert-version <version>", "whose recipe applies").choices(["v1", "v2"]).default("v2"))
    .addOption(new Option("--executor <kind>", "what computes").choices(["onnx", "tfjs"]).default("onnx"))
    .addOption(new Option("--device <device>", "where").choices(["cpu", "webgpu", "cuda"]).default("cpu"))
    .addOption(new Option("--threads <n>", "threads of the CPU device").argParser(wholeNumber(1, 1024)))
    .option("--plan", "print what would be done, with every setting and its origin, and stop")
    .option("--json", "print the plan, or the result, as JSON")
    .option("--resume", "continue from the newest checkpoint of the work directory");
  addReadingOptions(command);
  addHyperparameters(command, FINE_TUNING);
  command.action(async (flags: TrainFlags & Record<string, unknown>) => trainTask(flags));
}

async function trainTask(flags: TrainFlags & Record<string, unknown>): Promise<void> {
  const spec = specOf(flags);
  if (!flags.plan) await refuseExisting(flags.output);
  const bar = new TrainingProgressBar(process.stderr);
  const prepared = await prepareFineTune(spec, (activity) => bar.activity(activity), openExecutor);
  try {
    if (flags.plan) await showPlan(prepared, flags);
    else await run(prepared, flags, bar);
  } finally {
    bar.close();
    await prepared.close();
  }
}

async function showPlan(prepared: PreparedFineTune, flags: TrainFlags): Promise<void> {
  const plan = await measurePlan(planFineTune(prepared), prepared, {
    openExecutor,
    clock: () => performance.now(),
    residentBytes: () => process.memoryUsage.rss(),
  });
  process.stdout.write(flags.json ? `${JSON.stringify(plan, null, 2)}\n` : printPlan(plan));
}

async function run(prepared: PreparedFineTune, flags: TrainFlags, bar: TrainingProgressBar): Promise<void> {
  const { spec, resolved } = prepared;
  const outcome = await followRun(
    { work: spec.work, metric: resolved.settings.metric, resume: flags.resume === true, bar },
    (options) => runFineTune(prepared, { ...options, openEvaluator: openTaskEvaluator }),
  );
  if (outcome !== undefined) await finish(prepared, flags, outcome);
}

async function finish(prepared: PreparedFineTune, flags: TrainFlags, outcome: FineTuneOutcome): Promise<void> {
  const { spec, start, head, resolved, data } = prepared;
  const { metrics } = outcome;
  const written = await writeModelDirectory(flags.output, {
    name: flags.name ?? basename(resolve(flags.output)),
    config: start.config,
    heads: [head],
    parameters: outcome.parameters,
    vocabulary: start.vocabulary,
    maxSequenceLength: resolved.settings.maxSeqLength,
    metrics,
    ...hintsOf(prepared),
    lineage: {
      ...(start.digest === undefined ? {} : { parent: start.digest }),
      datasets: { train: data.train.digest, ...(data.eval === undefined ? {} : { eval: data.eval.digest }) },
      recipe: { task: spec.data.task, ...resolved.settings },
      program: programVersion(),
    },
  });
  const { step, best } = outcome.progress;
  const { stoppedBy, predictionFiles, findings } = outcome;
  const result = {
    model: flags.output,
    digest: written.digest,
    step,
    stoppedBy,
    best,
    metrics,
    predictionFiles,
    findings,
  };
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return;
  }
  const values = Object.entries(metrics).map(([name, value]) => `${name} = ${value}`);
  const notes = findings.map(({ message }) => `note: ${message}`);
  const lines = [`${flags.output}  ${written.digest}`, ...values, ...predictionFiles, ...notes];
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

function specOf(flags: TrainFlags & Record<string, unknown>): FineTuneSpec {
  const work = flags.work ?? `${flags.output.replace(/[/\\]+$/, "")}.run`;
  const { threads } = flags;
  const { settings, warnings } = parseFineTuning(givenHyperparameters(flags, FINE_TUNING));
  return {
    data: dataOf(flags, settings),
    version: flags.albertVersion,
    start: startOf(flags),
    given: settings,
    givenWarnings: warnings,
    executor: { kind: flags.executor, device: flags.device, ...(threads === undefined ? {} : { threads }) },
    work,
    cache: flags.cache ?? join(work, "features"),
  };
}

function dataOf(flags: TrainFlags, { seed = 12345 }: GivenSettings): TaskDataSpec {
  const { task, train, eval: evaluation, evalMismatched, evalShare, problemType, labelsFrom } = flags;
  return {
    task,
    train,
    ...(evaluation === undefined ? { holdOut: { share: evalShare, seed } } : { eval: evaluation }),
    ...(evalMismatched === undefined ? {} : { evalMismatched }),
    ...(problemType === undefined ? {} : { problemType }),
    ...readingOf(flags),
    ...(labelsFrom === undefined ? {} : { labelsFrom }),
  };
}

function startOf({ init, randomInit, vocab, config, cased }: TrainFlags): StartSpec {
  const violations: FieldViolation[] = [];
  if ((init === undefined) === (randomInit === undefined)) {
    violations.push({ field: "init", description: "give either --init or --random-init" });
  }
  if (randomInit !== undefined && vocab === undefined) {
    violations.push({ field: "vocab", description: "--random-init needs a vocabulary" });
  }
  if (randomInit !== undefined && config !== undefined) {
    violations.push({ field: "config", description: "--random-init names the configuration itself" });
  }
  if (violations.length > 0) throw invalidInput(violations);
  const lowerCase = cased ? { lowerCase: false } : {};
  if (randomInit !== undefined) {
    return { kind: "random", architecture: randomInit, vocabulary: vocab!, ...lowerCase }; // checked above
  }
  return {
    kind: "checkpoint",
    path: init!, // checked above
    ...(config === undefined ? {} : { config }),
    ...(vocab === undefined ? {} : { vocabulary: vocab }),
    ...lowerCase,
  };
}
