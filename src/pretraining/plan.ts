import { modelParameters } from "../model/parameters.ts";
import { sizeOf } from "../model/tensor.ts";
import { executorSettings } from "../training/executors/executor-options.ts";
import {
  type AppliedSetting,
  activationBytes,
  type MeasuringTools,
  measureSteps,
  type TrainingPlan,
  teacherBytes,
} from "../training/plan.ts";
import { nameOf } from "../training/settings/table.ts";
import type { StepData } from "../training/step/step-data.ts";
import { PRETRAINING, type PretrainingSettings, TEACHING } from "./hyperparameters.ts";
import type { PreparedPretraining } from "./pretrain.ts";

// What a pretraining run would do and take, by arithmetic and by measurement.

const TEACHING_NAMES: ReadonlySet<string> = new Set(TEACHING.map(nameOf));

/** Weights and the two moments of the optimizer. */
const SLOTS = 3;

/** A part of a run whose steps are alike, and one of them. */
interface SampledStage {
  readonly steps: number;
  readonly sample: StepData;
}

/**
 * Plans a prepared run by arithmetic, from one step of each stage.
 *
 * @param given  names of the settings that were given
 */
export async function planPretraining(prepared: PreparedPretraining, given: readonly string[]): Promise<TrainingPlan> {
  const { source, start, heads, spec, stepSpec } = prepared;
  const { distillation } = stepSpec;
  const { settings } = spec;
  const stages = await sampledStages(prepared);
  const sum = (count: (data: StepData) => number) =>
    stages.reduce((total, { steps, sample }) => total + steps * count(sample), 0);
  const tokens = sum((data) => data.tokens);
  const parameters = modelParameters(start.config, heads).reduce((total, { shape }) => total + sizeOf(shape), 0);
  const buckets = source.stages.map(({ rows, sequenceLength }) => ({ rows, sequenceLength }));
  return {
    labels: {},
    examples: Math.round(source.stepsPerEpoch * settings.trainBatchSize),
    steps: settings.numTrainSteps,
    epochs: settings.numTrainSteps / source.stepsPerEpoch,
    tokens,
    paddingShare: 1 - tokens / sum((data) => data.computedTokens),
    buckets,
    parameters,
    estimatedMemoryBytes:
      parameters * 4 * (2 * SLOTS + 1) +
      activationBytes(buckets, start.config, 1, false) +
      (distillation === undefined ? 0 : teacherBytes(distillation, buckets, 1)),
    // Recent checkpoints, the best, one being written, and the finished model.
    diskBytes: parameters * 4 * (SLOTS * (settings.keepCheckpointMax + 2) + 1),
    settings: [
      ...appliedSettings(settings, given).filter(({ name }) => distillation !== undefined || !TEACHING_NAMES.has(name)),
      ...executorSettings(spec.executor),
    ],
    warnings: spec.warnings ?? [],
  };
}

/** Adds what only running shows, from one micro-batch of each stage on a copy of the starting weights. */
export async function measurePretraining(
  plan: TrainingPlan,
  prepared: PreparedPretraining,
  tools: MeasuringTools,
): Promise<TrainingPlan> {
  const stages = await sampledStages(prepared);
  const batches = stages.map(({ sample }) => sample.microBatches.slice(0, 1));
  const { milliseconds, peakMemoryBytes } = await measureSteps(prepared, prepared.spec.executor, batches, tools);
  const seconds = stages.reduce(
    (sum, { steps, sample }, i) => sum + (steps * sample.microBatches.length * milliseconds[i]!) / 1000,
    0,
  );
  return { ...plan, peakMemoryBytes, etaSeconds: [seconds, seconds] };
}

async function sampledStages({ source, spec }: PreparedPretraining): Promise<SampledStage[]> {
  const { stages } = source;
  const sampled: SampledStage[] = [];
  for (const [i, { fromStep }] of stages.entries()) {
    const end = Math.min(stages[i + 1]?.fromStep ?? spec.settings.numTrainSteps, spec.settings.numTrainSteps);
    if (end > fromStep) sampled.push({ steps: end - fromStep, sample: await source.step(fromStep, 0) });
  }
  return sampled;
}

function appliedSettings(settings: PretrainingSettings, given: readonly string[]): AppliedSetting[] {
  const keys = Object.keys(PRETRAINING) as (keyof typeof PRETRAINING)[]; // the table's own keys
  return keys
    .filter((key) => settings[key] !== undefined)
    .map((key) => ({
      name: nameOf(key),
      value: key === "curriculum" ? stagesText(settings.curriculum) : String(settings[key]),
      origin: given.includes(nameOf(key)) ? "given" : "default",
    }));
}

function stagesText(curriculum: PretrainingSettings["curriculum"]): string {
  return curriculum.map(({ sequenceLength, share }) => `${sequenceLength}:${share}`).join(",") || "none";
}
