import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeModelDirectory } from "../../model/write-model-directory.ts";
import { planPretraining } from "../../pretraining/plan.ts";
import { type PretrainSpec, preparePretraining, runPretraining } from "../../pretraining/pretrain.ts";
import { parsePretrainingSettings } from "../../pretraining/setting-names.ts";
import { openTaskEvaluator } from "../../training/evaluate.ts";
import { openExecutor } from "../../training/executors/open-executor.ts";
import {
  type FineTuneSpec,
  type PreparedFineTune,
  prepareFineTune,
  type RunOptions,
  runFineTune,
} from "../../training/fine-tune.ts";
import type { TrainingOutcome } from "../../training/loop.ts";
import { planFineTune, type TrainingPlan } from "../../training/plan.ts";
import { ResultFiles } from "../../training/result-files.ts";
import { parseSettings } from "../../training/setting-names.ts";
import { divideRecipe } from "../job-recipe.ts";
import type { WorkOutcome } from "../job-runner.ts";
import type { JobPlan } from "../job-service.ts";
import type { JobSpec } from "../job-spec.ts";
import { HELD_OUT_SHARE, required, stepLimit, stopReason, taskOf, type WorkControl, wallLimit } from "./job-control.ts";
import { MODEL_DIRECTORY, WORK_DIRECTORY, type WorkOrder } from "./resolved-spec.ts";
import { type ResourceNeeds, requireResources } from "./resources.ts";

/** Steps between two reports of a run; the job's log keeps some of them. */
const LOG_EVERY = 1;

/** Fine-tunes a model on a task. */
export async function fineTuneJob(order: WorkOrder, control: WorkControl): Promise<WorkOutcome> {
  const { hooks, signal } = control;
  const spec = fineTuneSpec(order);
  const prepared = await prepareFineTune(spec, (activity) => hooks.activity(activity));
  try {
    hooks.phase("validated");
    const plan = planFineTune(prepared);
    hooks.planned(jobPlanOf(plan, order.spec));
    await requireResources(order.directory, needsOf(plan), LESS);
    hooks.phase("prepared");
    const outcome = await recorded(order, control, prepared.resolved.settings.metric, (options) =>
      runFineTune(prepared, { ...options, openEvaluator: openTaskEvaluator }),
    );
    const stoppedBy = stopReason(order, outcome, signal);
    if (stoppedBy === "stopped") return { kind: "stopped" };
    hooks.phase("trained");
    const { start, head, resolved } = prepared;
    const modelDirectory = await writeModel(order, outcome, {
      config: start.config,
      heads: [head],
      vocabulary: start.vocabulary,
      maxSequenceLength: resolved.settings.maxSeqLength,
      lineage: fineTuneLineage(prepared, order),
    });
    return { kind: "finished", metrics: outcome.metrics, modelDirectory, ...stoppedBy };
  } finally {
    await prepared.close();
  }
}

/** Pretrains a model on text. */
export async function pretrainJob(order: WorkOrder, control: WorkControl): Promise<WorkOutcome> {
  const { hooks, signal } = control;
  const spec = pretrainSpec(order);
  const prepared = await preparePretraining(spec, (activity) => hooks.activity(activity));
  hooks.phase("validated");
  const plan = await planPretraining(prepared, Object.keys(order.spec.recipe));
  hooks.planned(jobPlanOf(plan, order.spec));
  await requireResources(order.directory, needsOf(plan), LESS);
  hooks.phase("prepared");
  const outcome = await recorded(order, control, "loss", (options) => runPretraining(prepared, options));
  const stoppedBy = stopReason(order, outcome, signal);
  if (stoppedBy === "stopped") return { kind: "stopped" };
  hooks.phase("trained");
  const modelDirectory = await writeModel(order, outcome, {
    config: prepared.start.config,
    heads: [...prepared.heads],
    vocabulary: prepared.start.vocabulary,
    maxSequenceLength: spec.settings.maxSeqLength,
    lineage: {
      ...(prepared.start.digest === undefined ? {} : { parent: prepared.start.digest }),
      datasets: { train: prepared.data.digest },
      recipe: { task: "pretraining", ...spec.settings },
      program: order.program,
      jobId: order.jobId,
    },
  });
  return { kind: "finished", metrics: outcome.metrics, modelDirectory, ...stoppedBy };
}

/**
 * Runs training with the limits of its job, writing what it tells into the job's result files and handing it on.
 *
 * @param metric  that chooses the checkpoint to keep
 */
async function recorded(
  order: WorkOrder,
  { hooks, signal, beforeStep }: WorkControl,
  metric: string,
  run: (options: Omit<RunOptions, "openEvaluator">) => Promise<TrainingOutcome>,
): Promise<TrainingOutcome> {
  const files = await ResultFiles.open(join(order.directory, WORK_DIRECTORY), metric);
  try {
    return await run({
      openExecutor,
      resume: true,
      onEvent: (event) => {
        files.add(event);
        hooks.event(event);
      },
      clock: () => performance.now(),
      logEvery: LOG_EVERY,
      ...stepLimit(order, beforeStep, signal),
      ...wallLimit(order),
    });
  } finally {
    await files.close();
  }
}

/** What a pretraining's order says, in the terms of training. */
export function pretrainSpec(order: WorkOrder): PretrainSpec {
  const { spec, start, train, eval: evaluation, directory, cache, executor } = order;
  const given = { ...divideRecipe(spec, "recipe.").settings, seed: String(spec.seed) };
  return {
    start: required(start, "init"),
    files: [required(train, "train")],
    ...(evaluation === undefined ? {} : { evalFiles: [evaluation] }),
    settings: parsePretrainingSettings(given, "recipe."),
    executor,
    work: join(directory, WORK_DIRECTORY),
    cache,
  };
}

/** What a fine-tune's order says, in the terms of training. */
export function fineTuneSpec(order: WorkOrder): FineTuneSpec {
  const { spec, start, train, eval: evaluation, directory, cache, executor } = order;
  const { own, settings } = divideRecipe(spec, "recipe.");
  const { problemType, albertVersion = "v2", acceptWindowsText, labelsFrom } = own;
  return {
    data: {
      task: taskOf(spec.task),
      train: required(train, "train"),
      ...(evaluation === undefined ? { holdOut: { share: HELD_OUT_SHARE, seed: spec.seed } } : { eval: evaluation }),
      ...(problemType === undefined ? {} : { problemType }),
      ...(acceptWindowsText === undefined ? {} : { acceptWindowsText }),
      ...(labelsFrom === undefined ? {} : { labelsFrom }),
    },
    version: albertVersion,
    start: required(start, "init"),
    given: parseSettings({ ...settings, seed: String(spec.seed) }, "recipe."),
    executor,
    work: join(directory, WORK_DIRECTORY),
    cache,
  };
}

type ModelParts = Omit<Parameters<typeof writeModelDirectory>[1], "name" | "parameters" | "metrics">;

/** Writes the result into the job's directory; a model that an interrupted attempt left there is made again. */
async function writeModel(
  { directory, spec }: WorkOrder,
  { parameters, metrics }: TrainingOutcome,
  parts: ModelParts,
): Promise<string> {
  const path = join(directory, MODEL_DIRECTORY);
  await rm(path, { recursive: true, force: true });
  await writeModelDirectory(path, { ...parts, name: spec.model, parameters, metrics });
  return path;
}

function fineTuneLineage({ start, data, spec, resolved }: PreparedFineTune, order: WorkOrder) {
  return {
    ...(start.digest === undefined ? {} : { parent: start.digest }),
    datasets: { train: data.train.digest, ...(data.eval === undefined ? {} : { eval: data.eval.digest }) },
    recipe: { task: spec.data.task, ...resolved.settings },
    program: order.program,
    jobId: order.jobId,
  };
}

/** What a person can do about a run that does not fit. */
const LESS = { memory: "lower token_budget", disk: "keep fewer checkpoints (keep_checkpoint_max)" };

function needsOf({ estimatedMemoryBytes: memoryBytes, diskBytes }: TrainingPlan): ResourceNeeds {
  return { memoryBytes, diskBytes };
}

/** A run's plan as that of its job, which may end it early. */
export function jobPlanOf(plan: TrainingPlan, { maxSteps }: Pick<JobSpec, "maxSteps">): JobPlan {
  const [low, high] = plan.etaSeconds ?? [0, 0];
  const steps = maxSteps > 0 ? Math.min(maxSteps, plan.steps) : plan.steps;
  const share = steps / plan.steps;
  return {
    problems: plan.warnings.map((what) => ({ where: "spec", what, hint: "" })),
    steps,
    tokens: Math.round(share * plan.tokens),
    paddingShare: plan.paddingShare,
    peakMemoryBytes: plan.peakMemoryBytes ?? plan.estimatedMemoryBytes,
    diskBytes: plan.diskBytes,
    etaSeconds: (share * (low + high)) / 2,
    settings: plan.settings,
  };
}
