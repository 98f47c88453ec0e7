import { basename, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { programVersion } from "../../config/program-version.ts";
import { invalidInput } from "../../errors.ts";
import { writeModelDirectory } from "../../model/directory/write-model-directory.ts";
import { headsOf, type ProblemType } from "../../model/heads.ts";
import { refuseDistributedFineTune, writeDistributedFineTune } from "../../training/distributed/fine-tune-run.ts";
import { openTaskEvaluator } from "../../training/evaluation/evaluate.ts";
import { requireExecutor } from "../../training/executors/executor-options.ts";
import { openExecutor } from "../../training/executors/open-executor.ts";
import {
  encodingOf,
  type FineTuneSpec,
  hintsOf,
  lineageOf,
  type PreparedFineTune,
  prepareFineTune,
} from "../../training/fine-tune.ts";
import { measurePlan, planFineTune, type TrainingPlan } from "../../training/plan.ts";
import { type Repeat, repeatsOf } from "../../training/repeats/repeats.ts";
import { type RepeatedOutcome, repeatedPlan, runRepeats } from "../../training/repeats/run-repeats.ts";
import type { GivenSettings } from "../../training/settings/fine-tuning.ts";
import type { AlbertVersion, Task } from "../../training/settings/recipes.ts";
import { share } from "../../training/settings/value-type.ts";
import { refuseExisting } from "../new-output.ts";
import { numberFlag } from "../number-flags.ts";
import { addExecutorOptions, type ExecutorFlags, executorOf } from "./executor-flags.ts";
import { followRun } from "./follow-run.ts";
import { type ReadingFlags, readingOf } from "./reading-options.ts";
import { printPlan } from "./training-plan.ts";
import { TrainingProgressBar } from "./training-progress.ts";
import { mixOf, type WeightedText, weighted } from "./weighted-data.ts";

// What the commands share that fine-tune: flags for data, places and devices, the plan, the run and its result.

/** Flags of every command that fine-tunes. */
export interface FineTuneFlags extends ReadingFlags, ExecutorFlags {
  readonly task: Task;
  readonly train: readonly WeightedText[];
  readonly eval?: string;
  readonly evalMismatched?: string;
  /** 0.1 where it is absent, and of folds none. */
  readonly evalShare?: number;
  readonly problemType?: ProblemType;
  readonly output: string;
  readonly work?: string;
  readonly cache?: string;
  readonly name?: string;
  readonly albertVersion: AlbertVersion;
  readonly plan?: true;
  readonly json?: true;
  readonly resume?: true;
  readonly distributed?: true;
}

/** Adds the flags that say which data is trained on. */
export function addDataOptions(command: Command): Command {
  return command
    .requiredOption(
      "--train <path[=weight]>",
      "training data in the task's layout, plain or gzip; may be repeated: --train a.csv=3 --train b.csv=1 draws three examples of a for one of b",
      weighted,
    )
    .option("--eval <path>", "evaluation data; without it a part of the training data is held out")
    .option("--eval-mismatched <path>", "of MNLI: mismatched development data, for the final weights")
    .addOption(
      new Option(
        "--eval-share <share>",
        "without --eval: part of the training data to hold out, 0 for none; of --folds a part that is in none of them (default: 0.1; with --folds 0)",
      ).argParser(numberFlag(share)),
    )
    .addOption(
      new Option("--problem-type <type>", "of your own classification data").choices([
        "single-label",
        "multi-label",
        "regression",
      ]),
    );
}

/** Adds the flags that say where results go and what computes. */
export function addRunOptions(command: Command): Command {
  command
    .requiredOption("--output <dir>", "model directory to make; must not exist")
    .option("--work <dir>", "checkpoints, logs and results (default: the output directory's name with .run)")
    .option("--cache <dir>", "feature cache, which runs may share (default: inside the work directory)")
    .option("--name <name>", "name of the model (default: the output directory's)")
    .addOption(new Option("--albert-version <version>", "whose recipe applies").choices(["v1", "v2"]).default("v2"));
  return addExecutorOptions(command)
    .option("--plan", "print what would be done, with every setting and its origin, and stop")
    .option("--json", "print the plan, or the result, as JSON")
    .option("--resume", "continue from the newest checkpoint of the work directory");
}

/** Prints the plan of a run, or runs it and writes its model directory. */
export async function fineTune(spec: FineTuneSpec, flags: FineTuneFlags): Promise<void> {
  if (flags.distributed) {
    if (flags.plan || flags.resume) {
      const description = "writes a run and stops: leave --plan and --resume out";
      throw invalidInput([{ field: "distributed", description }]);
    }
    refuseDistributedFineTune(spec);
  }
  if (!flags.plan) await refuseExisting(flags.output);
  await requireExecutor(spec.executor);
  const bar = new TrainingProgressBar(process.stderr);
  const repeats = repeatsOf(spec);
  const prepare = (repeat: Repeat) => prepareFineTune(repeat.spec, (activity) => bar.activity(activity), openExecutor);
  const prepared = await prepare(repeats[0]!); // there is one at least
  try {
    if (flags.plan) await showPlan(prepared, repeats.length, flags);
    else if (flags.distributed) await handOver(prepared, flags);
    else await run(prepared, { spec, repeats, prepare }, flags, bar);
  } finally {
    bar.close();
    await prepared.close();
  }
}

/** The plan of a prepared run, measured over a few steps. @param runs  with a seed or fold each */
export async function measuredPlan(prepared: PreparedFineTune, runs: number): Promise<TrainingPlan> {
  const once = await measurePlan(planFineTune(prepared), prepared, {
    openExecutor,
    clock: () => performance.now(),
    residentBytes: () => process.memoryUsage.rss(),
  });
  return repeatedPlan(once, runs);
}

async function showPlan(prepared: PreparedFineTune, runs: number, flags: FineTuneFlags): Promise<void> {
  const plan = await measuredPlan(prepared, runs);
  process.stdout.write(flags.json ? `${JSON.stringify(plan, null, 2)}\n` : printPlan(plan));
}

/** Writes a prepared run for PyTorch on several machines. */
async function handOver(prepared: PreparedFineTune, { output, json }: FineTuneFlags): Promise<void> {
  await writeDistributedFineTune(output, prepared);
  const result = { run: output, steps: prepared.resolved.settings.trainStep, features: prepared.features.digest };
  const lines = Object.entries(result).map(([name, value]) => `${name} = ${value}\n`);
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : lines.join(""));
}

interface Runs {
  readonly spec: FineTuneSpec;
  readonly repeats: readonly Repeat[];
  readonly prepare: (repeat: Repeat) => Promise<PreparedFineTune>;
}

async function run(
  first: PreparedFineTune,
  { spec: { work }, repeats, prepare }: Runs,
  flags: FineTuneFlags,
  bar: TrainingProgressBar,
): Promise<void> {
  const outcome = await followRun(
    { work, metric: first.resolved.settings.metric, resume: flags.resume === true, bar },
    (options) => runRepeats(repeats, first, { ...options, prepare, work, openEvaluator: openTaskEvaluator }),
  );
  if (outcome !== undefined) await finish(outcome, flags);
}

/** Writes the model directory of a run, and says what it is. @param further  what besides is printed: of JSON fields, else lines */
export async function finish(
  outcome: RepeatedOutcome,
  flags: FineTuneFlags,
  further: { readonly fields: object; readonly lines: readonly string[] } = { fields: {}, lines: [] },
): Promise<void> {
  const { metrics, prepared, repeats } = outcome;
  const { start, resolved } = prepared;
  const written = await writeModelDirectory(flags.output, {
    name: flags.name ?? basename(resolve(flags.output)),
    config: start.config,
    heads: headsOf(outcome.head),
    parameters: outcome.parameters,
    vocabulary: start.vocabulary,
    maxSequenceLength: resolved.settings.maxSeqLength,
    metrics,
    ...encodingOf(prepared),
    ...hintsOf(prepared),
    lineage: { ...lineageOf(prepared, outcome), program: programVersion() },
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
    ...(repeats === undefined ? {} : { repeats }),
    ...further.fields,
  };
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return;
  }
  const values = Object.entries(metrics).map(([name, value]) => `${name} = ${value}`);
  const notes = findings.map(({ message }) => `note: ${message}`);
  const lines = [`${flags.output}  ${written.digest}`, ...values, ...predictionFiles, ...notes, ...further.lines];
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

/** The parts of a run that its flags say, whatever it starts from. */
export function commonSpec(
  flags: FineTuneFlags,
  { seed = 12345, folds }: GivenSettings,
): Pick<FineTuneSpec, "data" | "version" | "executor" | "work" | "cache"> {
  const output = flags.output.replace(/[/\\]+$/, "");
  const work = flags.work ?? (flags.distributed ? output : `${output}.run`);
  const { task, train, eval: evaluation, evalMismatched, problemType } = flags;
  const [first, ...further] = train;
  const { evalShare = folds === undefined ? 0.1 : 0 } = flags;
  if (folds !== undefined && evaluation !== undefined) {
    throw invalidInput([{ field: "folds", description: "parts of the training data are held out: leave --eval out" }]);
  }
  return {
    data: {
      task,
      train: first!.text, // commander refuses a command without one
      ...mixOf(first!, further, (text) => ({ path: text })),
      ...(evaluation === undefined ? { holdOut: { share: evalShare, seed } } : { eval: evaluation }),
      ...(evalMismatched === undefined ? {} : { evalMismatched }),
      ...(problemType === undefined ? {} : { problemType }),
      ...readingOf(flags),
    },
    version: flags.albertVersion,
    executor: executorOf(flags),
    work,
    cache: flags.cache ?? join(work, "features"),
  };
}
