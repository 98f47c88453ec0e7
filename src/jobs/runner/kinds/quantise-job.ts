import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Model, Quantisation } from "../../../model/directory/model-directory.ts";
import { quantisedContents } from "../../../model/directory/quantised-model.ts";
import { writeModelDirectory } from "../../../model/directory/write-model-directory.ts";
import type { Answerer } from "../../../model/heads.ts";
import { createEngine } from "../../../runtime/packed-engine.ts";
import { lossBetween } from "../../../tasks/evaluation/changed-answers.ts";
import { evaluateDataset } from "../../../tasks/evaluation/evaluate-dataset.ts";
import type { DatasetEvaluation } from "../../../tasks/evaluation/prediction.ts";
import { taskModel } from "../../../tasks/plan.ts";
import { drawnExamples } from "../../../tasks/quantisation/drawn-examples.ts";
import { findScales } from "../../../tasks/quantisation/find-scales.ts";
import { DEFAULT_QUANTISATION } from "../../../tasks/quantisation/settings.ts";
import { acceptedExamples, type DatasetSpec } from "../../../training/data/rows/dataset-rows.ts";
import { digestOf } from "../../../training/data/validate-dataset.ts";
import { checkEvaluationData } from "../../../training/features/task-data.ts";
import type { JobOutcome, JobPlan } from "../../job-outcome.ts";
import { readingOf, splitRecipe } from "../../job-recipe.ts";
import { appliedSetting, type JobControl, MODEL_DIRECTORY, required, taskOf } from "../job-control.ts";
import type { ResolvedSpec } from "../resolved-spec.ts";
import { openEvaluation, planEvaluateJob } from "./evaluate-job.ts";

// The job that finds the scales of a version's static int8: its run and its plan.

/**
 * Finds scales from examples of the training data, and measures fp32 and int8 with them on the evaluation data, through the serving
 * graph. How they were found and what they change stands in the new version's manifest.
 */
export async function quantiseJob(resolved: ResolvedSpec, control: JobControl): Promise<JobOutcome> {
  const { hooks, signal } = control;
  const { model, head, dataset } = await openEvaluation(resolved);
  const observed = await calibrationData(resolved, head);
  hooks.phase("validated");
  const output = join(resolved.directory, MODEL_DIRECTORY);
  await rm(output, { recursive: true, force: true }); // left by an attempt that was cut short
  const { calibrationExamples, maxLoss } = settingsOf(resolved);
  const { model: name, seed } = resolved.spec;
  const task = taskOf(resolved.spec.task);
  const examples = await drawnExamples(acceptedExamples(observed), calibrationExamples, seed);
  hooks.phase("prepared");
  const { threads } = resolved.executor;
  const onActivity = (activity: string) => void hooks.activity(activity);
  const search = { model, task, examples, maxLoss, threads, onActivity, options: { signal } };
  const { scales, products, inFloat32 } = await findScales(search);
  const { scales: _, ...exact } = model;
  hooks.activity("measuring the version in fp32");
  const before = await evaluated(resolved, exact, { dataset, precision: "fp32", done: 0 }, control);
  hooks.activity("measuring it in int8");
  const static8 = { dataset, precision: "int8", done: before.examples } as const;
  const after = await evaluated(resolved, { ...exact, scales }, static8, control);
  const measured = lossBetween(task, before, after);
  hooks.event({ kind: "eval_result", step: 0, metrics: after.metrics, best: true, seconds: 0 });
  const data = await digestOf(observed.paths);
  const how: Omit<Quantisation, "from" | "measured"> = {
    ...{ task, examples: examples.length, seed, data, maxLoss, products, inFloat32 },
  };
  await writeModelDirectory(output, quantisedContents(model, name, scales, how, measured));
  hooks.phase("trained");
  const metrics = { ...after.metrics, changed_answers: measured.changedAnswers, examples: measured.examples };
  return { kind: "finished", metrics, modelDirectory: output };
}

/** Says what such a job would take: besides the examples of the search, the data is answered twice. */
export async function planQuantiseJob(resolved: ResolvedSpec): Promise<JobPlan> {
  const { head } = await openEvaluation(resolved);
  await calibrationData(resolved, head);
  const plan = await planEvaluateJob(resolved);
  const { calibrationExamples, maxLoss } = settingsOf(resolved);
  const given = Object.keys(resolved.spec.recipe);
  const own = [
    appliedSetting("calibration_examples", calibrationExamples, given),
    appliedSetting("max_loss", maxLoss, given),
  ];
  const others = plan.settings.filter(({ name }) => !own.some((setting) => setting.name === name));
  return { ...plan, tokens: 2 * plan.tokens, etaSeconds: 2 * plan.etaSeconds, settings: [...others, ...own] };
}

function settingsOf({ spec }: ResolvedSpec) {
  const { examples, maxLoss: most } = DEFAULT_QUANTISATION;
  const { calibrationExamples = examples, maxLoss = most } = splitRecipe(spec, "recipe.").own;
  return { calibrationExamples, maxLoss };
}

/** The checked rows from which examples are drawn. */
function calibrationData(resolved: ResolvedSpec, head: Answerer): Promise<DatasetSpec> {
  const reading = readingOf(splitRecipe(resolved.spec, "recipe.").own);
  const path = required(resolved.train, "train");
  return checkEvaluationData({ task: taskOf(resolved.spec.task), path, split: "train", ...reading }, head);
}

interface Measuring {
  readonly dataset: DatasetSpec;
  readonly precision: "fp32" | "int8";
  /** Examples that were answered before, for progress. */
  readonly done: number;
}

async function evaluated(
  { spec, executor: { threads } }: ResolvedSpec,
  model: Model,
  { dataset, precision, done }: Measuring,
  { signal, beforeStep }: JobControl,
): Promise<DatasetEvaluation> {
  const own = threads === undefined ? {} : { threads };
  const engine = await createEngine(model, { device: "cpu", precision, calibrationMs: 0, ...own });
  try {
    return await evaluateDataset(engine, taskModel(model), taskOf(spec.task), acceptedExamples(dataset), {
      signal,
      onProgress: (count) => void beforeStep(done + count),
    });
  } finally {
    await engine.close();
  }
}
