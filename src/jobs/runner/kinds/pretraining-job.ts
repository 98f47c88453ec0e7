import { join } from "node:path";
import { parsePretraining } from "../../../pretraining/hyperparameters.ts";
import { measurePretraining, planPretraining } from "../../../pretraining/plan.ts";
import {
  type PretrainSpec,
  preparePretraining,
  pretrainingLineage,
  runPretraining,
} from "../../../pretraining/pretrain.ts";
import type { JobOutcome, JobPlan } from "../../job-outcome.ts";
import { splitRecipe } from "../../job-recipe.ts";
import { type JobControl, required, WORK_DIRECTORY } from "../job-control.ts";
import { lineageOfJob, type ResolvedSpec } from "../resolved-spec.ts";
import { jobPlanOf, MEASURING_TOOLS, runTrainingJob } from "./training-job.ts";

// The pretraining job: its run and its plan.

/** Pretrains a model on text. */
export async function pretrainingJob(resolved: ResolvedSpec, control: JobControl): Promise<JobOutcome> {
  const spec = pretrainSpec(resolved);
  const prepared = await preparePretraining(spec, (activity) => control.hooks.activity(activity));
  const { start, heads } = prepared;
  return runTrainingJob(resolved, control, {
    plan: await planPretraining(prepared, Object.keys(resolved.spec.recipe)),
    metric: "loss",
    run: (options) => runPretraining(prepared, options),
    model: () => ({
      config: start.config,
      heads: [...heads],
      vocabulary: start.vocabulary,
      maxSequenceLength: spec.settings.maxSeqLength,
      lineage: { ...pretrainingLineage(prepared), ...lineageOfJob(resolved) },
    }),
  });
}

/** Says what such a job would do, after a few measured steps. */
export async function planPretrainingJob(resolved: ResolvedSpec): Promise<JobPlan> {
  const prepared = await preparePretraining(pretrainSpec(resolved));
  const plan = await planPretraining(prepared, Object.keys(resolved.spec.recipe));
  return jobPlanOf(await measurePretraining(plan, prepared, MEASURING_TOOLS), resolved.spec);
}

/** What a pretraining's specification says, in the terms of training. */
function pretrainSpec(resolved: ResolvedSpec): PretrainSpec {
  const { spec, start, teacher, train, eval: evaluation, directory, cache, executor } = resolved;
  const { own, settings } = splitRecipe(spec, "recipe.");
  const given = { ...settings, seed: String(spec.seed) };
  return {
    start: own.student === undefined ? required(start, "init") : { kind: "student", architecture: own.student },
    ...(teacher === undefined ? {} : { teacher }),
    files: [required(train, "train")],
    ...(evaluation === undefined ? {} : { evalFiles: [evaluation] }),
    ...parsePretraining(given, "recipe."),
    executor,
    work: join(directory, WORK_DIRECTORY),
    cache,
  };
}
