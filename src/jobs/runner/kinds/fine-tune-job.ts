import { join } from "node:path";
import { openTaskEvaluator } from "../../../training/evaluation/evaluate.ts";
import { openExecutor } from "../../../training/executors/open-executor.ts";
import {
  type FineTuneSpec,
  hintsOf,
  type PreparedFineTune,
  prepareFineTune,
  runFineTune,
} from "../../../training/fine-tune.ts";
import { measurePlan, planFineTune } from "../../../training/plan.ts";
import { parseFineTuning } from "../../../training/settings/fine-tuning.ts";
import type { JobOutcome, JobPlan } from "../../job-outcome.ts";
import { readingOf, splitRecipe } from "../../job-recipe.ts";
import { HELD_OUT_SHARE, type JobControl, required, taskOf, WORK_DIRECTORY } from "../job-control.ts";
import type { ResolvedSpec } from "../resolved-spec.ts";
import { jobPlanOf, MEASURING_TOOLS, runTrainingJob } from "./training-job.ts";

// The fine-tuning job: its run and its plan.

/** Fine-tunes a model on a task. */
export async function fineTuneJob(resolved: ResolvedSpec, control: JobControl): Promise<JobOutcome> {
  const { hooks } = control;
  const prepared = await prepareFineTune(fineTuneSpec(resolved), (activity) => hooks.activity(activity), openExecutor);
  try {
    const { start, head, resolved: training } = prepared;
    return await runTrainingJob(resolved, control, {
      plan: planFineTune(prepared),
      metric: training.settings.metric,
      run: (options) => runFineTune(prepared, { ...options, openEvaluator: openTaskEvaluator }),
      model: {
        config: start.config,
        heads: [head],
        vocabulary: start.vocabulary,
        maxSequenceLength: training.settings.maxSeqLength,
        ...hintsOf(prepared),
        lineage: lineageOf(prepared, resolved),
      },
    });
  } finally {
    await prepared.close();
  }
}

/** Says what such a job would do, after a few measured steps. */
export async function planFineTuneJob(resolved: ResolvedSpec): Promise<JobPlan> {
  const prepared = await prepareFineTune(fineTuneSpec(resolved), undefined, openExecutor);
  try {
    return jobPlanOf(await measurePlan(planFineTune(prepared), prepared, MEASURING_TOOLS), resolved.spec);
  } finally {
    await prepared.close();
  }
}

/** What a fine-tune's specification says, in the terms of training. */
function fineTuneSpec(resolved: ResolvedSpec): FineTuneSpec {
  const { spec, start, train, eval: evaluation, directory, cache, executor } = resolved;
  const { own, settings } = splitRecipe(spec, "recipe.");
  const { problemType, albertVersion = "v2", labelsFrom } = own;
  const given = parseFineTuning({ ...settings, seed: String(spec.seed) }, "recipe.");
  return {
    data: {
      task: taskOf(spec.task),
      train: required(train, "train"),
      ...(evaluation === undefined ? { holdOut: { share: HELD_OUT_SHARE, seed: spec.seed } } : { eval: evaluation }),
      ...(problemType === undefined ? {} : { problemType }),
      ...readingOf(own),
      ...(labelsFrom === undefined ? {} : { labelsFrom }),
    },
    version: albertVersion,
    start: required(start, "init"),
    given: given.settings,
    givenWarnings: given.warnings,
    executor,
    work: join(directory, WORK_DIRECTORY),
    cache,
  };
}

function lineageOf({ start, data, spec, resolved: training }: PreparedFineTune, { program, jobId }: ResolvedSpec) {
  return {
    ...(start.digest === undefined ? {} : { parent: start.digest }),
    datasets: { train: data.train.digest, ...(data.eval === undefined ? {} : { eval: data.eval.digest }) },
    recipe: { task: spec.data.task, ...training.settings },
    program,
    jobId,
  };
}
