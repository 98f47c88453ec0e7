import { rm } from "node:fs/promises";
import { join } from "node:path";
import { invalidInput } from "../../../errors.ts";
import { writeModelDirectory } from "../../../model/directory/write-model-directory.ts";
import { whyUnfitted } from "../../../tasks/evaluation/calibrate-head.ts";
import { calibratedContents, fitDecisions } from "../../../tasks/evaluation/fit-decisions.ts";
import { acceptedExamples } from "../../../training/data/rows/dataset-rows.ts";
import type { JobOutcome, JobPlan } from "../../job-outcome.ts";
import { splitRecipe } from "../../job-recipe.ts";
import { appliedSetting, type JobControl, MODEL_DIRECTORY, taskOf } from "../job-control.ts";
import type { ResolvedSpec } from "../resolved-spec.ts";
import { evaluationEngine, openEvaluation, planEvaluateJob } from "./evaluate-job.ts";

// The job that fits what a version decides to held-out data: its run and its plan.

/** Fits a version's temperature or thresholds, through the serving graph, and leaves the version with the fit. */
export async function calibrateJob(
  resolved: ResolvedSpec,
  { hooks, signal, beforeStep }: JobControl,
): Promise<JobOutcome> {
  const { model, tasks, head, dataset } = await openFittable(resolved);
  hooks.phase("validated");
  const output = join(resolved.directory, MODEL_DIRECTORY);
  await rm(output, { recursive: true, force: true }); // left by an attempt that was cut short
  const engine = await evaluationEngine(resolved, model);
  try {
    hooks.phase("prepared");
    hooks.activity("fitting its decisions");
    const task = taskOf(resolved.spec.task);
    const options = { signal, onProgress: (count: number) => void beforeStep(count) };
    const examples = acceptedExamples(dataset);
    const fitted = await fitDecisions({ engine, model: tasks, task, head, examples, options }, fitOf(resolved));
    const { calibrated } = fitted;
    hooks.event({ kind: "eval_result", step: 0, metrics: calibrated.after, best: true, seconds: 0 });
    await writeModelDirectory(output, calibratedContents(model, resolved.spec.model, fitted));
    hooks.phase("trained");
    const metrics = { ...calibrated.after, examples: calibrated.examples };
    return { kind: "finished", metrics, modelDirectory: output };
  } finally {
    await engine.close();
  }
}

/** Says what such a job would take: the data is answered once. */
export async function planCalibrateJob(resolved: ResolvedSpec): Promise<JobPlan> {
  await openFittable(resolved);
  const plan = await planEvaluateJob(resolved);
  const own = appliedSetting("fit", fitOf(resolved), Object.keys(resolved.spec.recipe));
  return { ...plan, settings: [...plan.settings.filter(({ name }) => name !== "fit"), own] };
}

/** The model and data of a calibration. @throws AlbertError invalid-input for a head without anything to fit */
async function openFittable(resolved: ResolvedSpec) {
  const { head, ...opened } = await openEvaluation(resolved);
  const refusal = whyUnfitted(head, fitOf(resolved));
  if (refusal !== undefined) throw invalidInput([refusal]);
  return { ...opened, head };
}

function fitOf({ spec }: ResolvedSpec) {
  return splitRecipe(spec, "recipe.").own.fit ?? "temperature";
}
