import { join } from "node:path";
import { headsOf } from "../../../model/heads.ts";
import { openTaskEvaluator } from "../../../training/evaluation/evaluate.ts";
import { openExecutor } from "../../../training/executors/open-executor.ts";
import { encodingOf, type FineTuneSpec, hintsOf, lineageOf, prepareFineTune } from "../../../training/fine-tune.ts";
import { measurePlan, planFineTune } from "../../../training/plan.ts";
import { type Repeat, repeatsOf } from "../../../training/repeats/repeats.ts";
import { repeatedPlan, runRepeats } from "../../../training/repeats/run-repeats.ts";
import { parseDistillation } from "../../../training/settings/distillation.ts";
import { parseFineTuning } from "../../../training/settings/fine-tuning.ts";
import type { JobOutcome, JobPlan } from "../../job-outcome.ts";
import { readingOf, splitRecipe } from "../../job-recipe.ts";
import { HELD_OUT_SHARE, type JobControl, required, taskOf, WORK_DIRECTORY } from "../job-control.ts";
import { lineageOfJob, type ResolvedSpec } from "../resolved-spec.ts";
import { jobPlanOf, MEASURING_TOOLS, runTrainingJob } from "./training-job.ts";

// The fine-tuning job and that which learns from a teacher besides: their runs and their plans.

/** Fine-tunes a model on a task, or distils one for it. */
export async function fineTuneJob(resolved: ResolvedSpec, control: JobControl): Promise<JobOutcome> {
  const { hooks } = control;
  const spec = fineTuneSpec(resolved);
  const repeats = repeatsOf(spec);
  const prepare = (repeat: Repeat) =>
    prepareFineTune(repeat.spec, (activity) => hooks.activity(activity), openExecutor);
  const first = await prepare(repeats[0]!); // there is one at least
  try {
    return await runTrainingJob(resolved, control, {
      plan: repeatedPlan(planFineTune(first), repeats.length),
      metric: first.resolved.settings.metric,
      run: (options) =>
        runRepeats(repeats, first, { ...options, prepare, work: spec.work, openEvaluator: openTaskEvaluator }),
      model: (outcome) => ({
        config: outcome.prepared.start.config,
        heads: headsOf(outcome.head),
        vocabulary: outcome.prepared.start.vocabulary,
        maxSequenceLength: outcome.prepared.resolved.settings.maxSeqLength,
        ...encodingOf(outcome.prepared),
        ...hintsOf(outcome.prepared),
        lineage: { ...lineageOf(outcome.prepared, outcome), ...lineageOfJob(resolved) },
      }),
    });
  } finally {
    await first.close();
  }
}

/** Says what such a job would do, after a few measured steps. */
export async function planFineTuneJob(resolved: ResolvedSpec): Promise<JobPlan> {
  const repeats = repeatsOf(fineTuneSpec(resolved));
  const prepared = await prepareFineTune(repeats[0]!.spec, undefined, openExecutor); // there is one at least
  try {
    const once = await measurePlan(planFineTune(prepared), prepared, MEASURING_TOOLS);
    return jobPlanOf(repeatedPlan(once, repeats.length), resolved.spec);
  } finally {
    await prepared.close();
  }
}

/** What the specification of a fine-tune or a distillation says, in the terms of training. */
function fineTuneSpec(resolved: ResolvedSpec): FineTuneSpec {
  const { spec, start, train, mix, eval: evaluation, unlabelled, directory, cache, executor } = resolved;
  const { own, settings } = splitRecipe(spec, "recipe.");
  const { problemType, albertVersion = "v2", labelsFrom, student } = own;
  return {
    data: {
      task: taskOf(spec.task),
      train: required(train, "train"),
      ...(mix === undefined ? {} : { mix }),
      ...(evaluation === undefined ? { holdOut: { share: HELD_OUT_SHARE, seed: spec.seed } } : { eval: evaluation }),
      ...(unlabelled === undefined ? {} : { unlabelled }),
      ...(problemType === undefined ? {} : { problemType }),
      ...readingOf(own),
      ...(labelsFrom === undefined ? {} : { labelsFrom }),
    },
    version: albertVersion,
    start: student === undefined ? required(start, "init") : { kind: "student", architecture: student },
    ...givenOf(resolved, { ...settings, seed: String(spec.seed) }),
    executor,
    work: join(directory, WORK_DIRECTORY),
    cache,
  };
}

function givenOf(
  { spec, teacher }: ResolvedSpec,
  settings: Readonly<Record<string, string>>,
): Pick<FineTuneSpec, "given" | "givenWarnings" | "distillation"> {
  if (spec.kind !== "distil") {
    const { settings: given, warnings } = parseFineTuning(settings, "recipe.");
    return { given, givenWarnings: warnings };
  }
  const { settings: given, distillation, warnings } = parseDistillation(settings, "recipe.");
  return {
    given,
    givenWarnings: warnings,
    distillation: { teacher: required(teacher, "teacher"), given: distillation },
  };
}
