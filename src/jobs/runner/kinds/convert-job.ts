import { rm } from "node:fs/promises";
import { join } from "node:path";
import { convertedContents } from "../../../model/directory/convert-model.ts";
import type { Model } from "../../../model/directory/model-directory.ts";
import { openModelDirectory } from "../../../model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../../model/directory/write-model-directory.ts";
import { lossBetween } from "../../../tasks/evaluation/changed-answers.ts";
import { evaluateDataset } from "../../../tasks/evaluation/evaluate-dataset.ts";
import type { DatasetEvaluation } from "../../../tasks/evaluation/prediction.ts";
import { taskModel } from "../../../tasks/plan.ts";
import { acceptedExamples, type DatasetSpec } from "../../../training/data/rows/dataset-rows.ts";
import type { JobOutcome, JobPlan } from "../../job-outcome.ts";
import { splitRecipe } from "../../job-recipe.ts";
import { appliedSetting, type JobControl, MODEL_DIRECTORY, taskOf, WORK_DIRECTORY } from "../job-control.ts";
import type { ResolvedSpec } from "../resolved-spec.ts";
import { evaluationEngine, openEvaluation, planEvaluateJob } from "./evaluate-job.ts";

// The job that stores a version's weights in fewer bytes: its run and its plan.

/**
 * Writes a model with its weights in another format, and measures both on a data set, through the serving graph. What that changed
 * stands in the new version's manifest.
 */
export async function convertJob(resolved: ResolvedSpec, control: JobControl): Promise<JobOutcome> {
  const { hooks } = control;
  const { model, dataset } = await openEvaluation(resolved);
  hooks.phase("validated");
  const format = formatOf(resolved);
  const name = resolved.spec.model;
  const [trial, output] = [join(WORK_DIRECTORY, "converted"), MODEL_DIRECTORY].map((place) =>
    join(resolved.directory, place),
  ) as [string, string];
  // Left by an attempt that was cut short.
  for (const directory of [trial, output]) await rm(directory, { recursive: true, force: true });
  hooks.phase("prepared");
  hooks.activity("measuring the version as it is");
  const before = await evaluated(resolved, model, dataset, control);
  hooks.activity(`storing its weights as ${format.weights}`);
  await writeModelDirectory(trial, convertedContents(model, name, format));
  hooks.activity("measuring it as it is stored now");
  const after = await evaluated(resolved, await openModelDirectory(trial), dataset, control, before.examples);
  const measured = lossBetween(taskOf(resolved.spec.task), before, after);
  hooks.event({ kind: "eval_result", step: 0, metrics: after.metrics, best: true, seconds: 0 });
  await writeModelDirectory(output, convertedContents(model, name, format, measured));
  await rm(trial, { recursive: true, force: true });
  hooks.phase("trained");
  const metrics = { ...after.metrics, changed_answers: measured.changedAnswers, examples: measured.examples };
  return { kind: "finished", metrics, modelDirectory: output };
}

/** Says what such a job would take: the data is answered twice. */
export async function planConvertJob(resolved: ResolvedSpec): Promise<JobPlan> {
  const plan = await planEvaluateJob(resolved);
  const { weights, embeddingsApart } = formatOf(resolved);
  const given = Object.keys(resolved.spec.recipe);
  const own = [appliedSetting("weights", weights, given), appliedSetting("embeddings_apart", embeddingsApart, given)];
  const others = plan.settings.filter(({ name }) => !own.some((setting) => setting.name === name));
  return { ...plan, tokens: 2 * plan.tokens, etaSeconds: 2 * plan.etaSeconds, settings: [...others, ...own] };
}

function formatOf({ spec }: ResolvedSpec) {
  const { weights = "int8", embeddingsApart = false } = splitRecipe(spec, "recipe.").own;
  return { weights, embeddingsApart };
}

/** @param done  examples that were answered before, for progress */
async function evaluated(
  resolved: ResolvedSpec,
  model: Model,
  dataset: DatasetSpec,
  { signal, beforeStep }: JobControl,
  done = 0,
): Promise<DatasetEvaluation> {
  const engine = await evaluationEngine(resolved, model);
  try {
    return await evaluateDataset(engine, taskModel(model), taskOf(resolved.spec.task), acceptedExamples(dataset), {
      signal,
      onProgress: (count) => void beforeStep(done + count),
    });
  } finally {
    await engine.close();
  }
}
