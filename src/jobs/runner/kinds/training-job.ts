import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeModelDirectory } from "../../../model/directory/write-model-directory.ts";
import { openExecutor } from "../../../training/executors/open-executor.ts";
import type { RunOptions } from "../../../training/fine-tune.ts";
import type { TrainingOutcome } from "../../../training/loop.ts";
import type { TrainingPlan } from "../../../training/plan.ts";
import { ResultFiles } from "../../../training/result-files.ts";
import type { JobOutcome, JobPlan } from "../../job-outcome.ts";
import type { JobSpec } from "../../job-spec.ts";
import {
  type JobControl,
  MODEL_DIRECTORY,
  rungOf,
  stepLimit,
  stopReason,
  WORK_DIRECTORY,
  wallLimit,
} from "../job-control.ts";
import type { ResolvedSpec } from "../resolved-spec.ts";
import { requireResources } from "../resources.ts";

// What fine-tuning and pretraining share: a run within its job's bounds, and the model directory that comes of it.

/** Steps between two reports of a run; the job's log keeps some of them. */
const LOG_EVERY = 1;

/** What measuring a part of a run needs. */
export const MEASURING_TOOLS = {
  openExecutor,
  clock: () => performance.now(),
  residentBytes: () => process.memoryUsage.rss(),
};

/** One training run of a job, prepared and planned. */
export interface TrainingRun<Outcome extends TrainingOutcome> {
  readonly plan: TrainingPlan;
  /** Name of the metric that chooses the checkpoint to keep. */
  readonly metric: string;
  readonly run: (options: Omit<RunOptions, "openEvaluator">) => Promise<Outcome>;
  /** What the model directory says besides weights and metrics. */
  readonly model: (outcome: Outcome) => ModelParts;
}

/**
 * Runs training whose data has been read and checked, from the check of resources to the model directory.
 *
 * @throws AlbertError precondition (DISK_FULL, OUT_OF_MEMORY) before the first step; whatever training throws
 */
export async function runTrainingJob<Outcome extends TrainingOutcome>(
  resolved: ResolvedSpec,
  control: JobControl,
  { plan, metric, run, model }: TrainingRun<Outcome>,
): Promise<JobOutcome> {
  const { hooks } = control;
  hooks.phase("validated");
  hooks.planned(jobPlanOf(plan, resolved.spec));
  const { estimatedMemoryBytes: memoryBytes, diskBytes } = plan;
  await requireResources(resolved.directory, { memoryBytes, diskBytes }, LESS);
  hooks.phase("prepared");
  const outcome = await recorded(resolved, control, metric, (options) =>
    run({ ...options, ...stepLimit(resolved, plan.steps) }),
  );
  const stoppedBy = stopReason(outcome);
  if (stoppedBy === "stopped") return { kind: "stopped" };
  if (rungOf(resolved) < 1) return { kind: "held", metrics: outcome.metrics };
  hooks.phase("trained");
  const modelDirectory = await writeModel(resolved, outcome, model(outcome));
  return { kind: "finished", metrics: outcome.metrics, modelDirectory, ...stoppedBy };
}

/** Runs training with the limits of its job; its events go into the job's result files and to the hooks. */
async function recorded<Outcome extends TrainingOutcome>(
  resolved: ResolvedSpec,
  { hooks, signal, beforeStep }: JobControl,
  metric: string,
  run: TrainingRun<Outcome>["run"],
): Promise<Outcome> {
  const files = await ResultFiles.open(join(resolved.directory, WORK_DIRECTORY), metric);
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
      signal,
      beforeStep,
      ...wallLimit(resolved),
    });
  } finally {
    await files.close();
  }
}

type ModelParts = Omit<Parameters<typeof writeModelDirectory>[1], "name" | "parameters" | "metrics">;

/** Writes the result into the job's directory; a model that an interrupted attempt left there is made again. */
async function writeModel(
  { directory, spec }: ResolvedSpec,
  { parameters, metrics }: TrainingOutcome,
  parts: ModelParts,
): Promise<string> {
  const path = join(directory, MODEL_DIRECTORY);
  await rm(path, { recursive: true, force: true });
  await writeModelDirectory(path, { ...parts, name: spec.model, parameters, metrics });
  return path;
}

/** What a person can do about a run that does not fit. */
const LESS = { memory: "lower token_budget", disk: "keep fewer checkpoints (keep_checkpoint_max)" };

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
