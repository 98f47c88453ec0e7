import type { Command } from "commander";
import { openTaskEvaluator } from "../../../training/evaluation/evaluate.ts";
import { requireExecutor } from "../../../training/executors/executor-options.ts";
import { openExecutor } from "../../../training/executors/open-executor.ts";
import { type FineTuneSpec, prepareFineTune } from "../../../training/fine-tune.ts";
import { type Repeat, repeatsOf } from "../../../training/repeats/repeats.ts";
import { FINE_TUNING, parseFineTuning } from "../../../training/settings/fine-tuning.ts";
import { runSweep, type SweepRunOptions, trialName } from "../../../training/sweeps/run-sweep.ts";
import {
  checkTrials,
  planSweep,
  runsOf,
  type SweepFields,
  type SweepPlan,
  type SweepTrial,
} from "../../../training/sweeps/sweep.ts";
import { SWEEP_FILE } from "../../../training/sweeps/sweep-state.ts";
import { stopOnInterrupt } from "../../interrupt.ts";
import { refuseExisting } from "../../new-output.ts";
import { finish, measuredPlan } from "../fine-tune-command.ts";
import { givenHyperparameters } from "../hyperparameter-flags.ts";
import { addTrainOptions, type TrainFlags, trainSpec } from "../train.ts";
import { printPlan } from "../training-plan.ts";
import { TrainingProgressBar } from "../training-progress.ts";
import { addSweepOptions, type SweepFlags, VARY } from "./sweep-options.ts";
import { settingsText, sweepTable } from "./sweep-table.ts";

const FIELDS: SweepFields = { method: "method", vary: "vary ", trials: "trials", reduction: "reduction" };

/** Steps between lines of progress. */
const LOG_EVERY = 10;

/** Adds `albert sweep`: fine-tunes with many settings, and keeps the best by the evaluation data. */
export function registerSweep(program: Command): void {
  const command = program
    .command("sweep")
    .description("try many settings of a training, and keep the model that is best on the evaluation data");
  addTrainOptions(addSweepOptions(command.requiredOption(...VARY)))
    .addHelpText(
      "after",
      "\nTrials are compared on the evaluation data (--eval, else a held-out part of the training data), never on a test set: measure the\nresult on data that no trial has seen, with albert evaluate.",
    )
    .action((flags: TrainFlags & SweepFlags & Record<string, unknown>) => sweep(flags));
}

async function sweep(flags: TrainFlags & SweepFlags & Record<string, unknown>): Promise<void> {
  const fixed = givenHyperparameters(flags, FINE_TUNING);
  const { settings, warnings } = parseFineTuning(fixed);
  const common = trainSpec(flags, settings);
  const { method = "random", vary, trials = 0, reduction = 0 } = flags;
  const plan = planSweep({ method, vary, trials, reduction }, fixed, settings.seed ?? DEFAULT_SEED, FIELDS);
  checkTrials(plan, fixed, FIELDS, "");
  const specOf = (trial: SweepTrial, work: string): FineTuneSpec => {
    const { settings: given } = parseFineTuning({ ...fixed, ...trial.settings });
    return { ...common, given, givenWarnings: warnings, work };
  };
  for (const trial of plan.trials) repeatsOf(specOf(trial, common.work)); // what contradicts itself is said before the first step
  if (flags.plan !== true) await refuseExisting(flags.output);
  await requireExecutor(common.executor);
  const bar = new TrainingProgressBar(process.stderr);
  const prepare = (repeat: Repeat) => prepareFineTune(repeat.spec, (activity) => bar.activity(activity), openExecutor);
  try {
    if (flags.plan === true) await showPlan(plan, specOf(plan.trials[0]!, common.work), prepare, flags);
    else await run(plan, { specOf, prepare, work: common.work }, flags, bar);
  } finally {
    bar.close();
  }
}

/** That of the table of settings. */
const DEFAULT_SEED = 12345;

async function showPlan(
  plan: SweepPlan,
  spec: FineTuneSpec,
  prepare: SweepRunOptions["prepare"],
  flags: TrainFlags,
): Promise<void> {
  const repeats = repeatsOf(spec);
  const prepared = await prepare(repeats[0]!); // there is one at least
  try {
    const once = await measuredPlan(prepared, repeats.length);
    if (flags.json) {
      process.stdout.write(`${JSON.stringify({ ...plan, runs: runsOf(plan), trial: once }, null, 2)}\n`);
      return;
    }
    const trials = plan.trials.map((trial) => `${trialName(trial)}  ${settingsText(trial.settings)}`);
    const rungs = plan.rungs.map(({ share, trials: count }) => `${count} to ${Number((100 * share).toFixed(1))} %`);
    const all = `${plan.trials.length} trials, in all the steps of ${Number(runsOf(plan).toFixed(2))} whole runs: ${rungs.join(", ")}`;
    process.stdout.write(`${[...trials, "", all, "", "A whole run of the first:", printPlan(once)].join("\n")}`);
  } finally {
    await prepared.close();
  }
}

async function run(
  plan: SweepPlan,
  parts: Pick<SweepRunOptions, "specOf" | "prepare" | "work">,
  flags: TrainFlags,
  bar: TrainingProgressBar,
): Promise<void> {
  const interruption = stopOnInterrupt((text) => bar.say(text));
  try {
    const done = await runSweep(plan, {
      ...parts,
      ...{ openExecutor, openEvaluator: openTaskEvaluator, resume: flags.resume === true },
      ...{ signal: interruption.signal, logEvery: LOG_EVERY, clock: () => performance.now() },
      onEvent: (event) => bar.show(event),
      onTrial: ({ number, settings }, { share }) => {
        const part = share === 1 ? "" : ` to ${Number((100 * share).toFixed(1))} % of its steps`;
        bar.say(`trial ${number} of ${plan.trials.length}${part}: ${settingsText(settings)}`);
      },
      onJudged: ({ best }, { number, failed }) => {
        if (failed !== undefined) bar.say(`trial ${number} failed: ${failed}`);
        else if (best !== undefined)
          bar.say(best === number ? `trial ${number} is the best so far` : `best so far: ${best}`);
      },
    });
    bar.close();
    if (done === undefined) {
      process.stderr.write("stopped; continue with --resume\n");
      process.exitCode = 130;
      return;
    }
    const { outcome, state } = done;
    await finish(outcome, flags, {
      fields: { sweep: { ...state, file: SWEEP_FILE } },
      lines: ["", ...sweepTable(state)],
    });
  } finally {
    interruption.release();
  }
}
