import { type FieldViolation, invalidInput } from "../../errors.ts";
import type { AlbertConfig } from "../../model/config.ts";
import { checkSchedule, type ScheduleShape } from "../schedule.ts";
import type { Grouping } from "../step/data-order.ts";
import type { OptimizerOptions } from "../step/training-step.ts";
import { type Recipe, stepsOf, type WarmupLength, warmupStepsOf } from "./recipes.ts";

/** Everything that decides a fine-tuning run, besides the data and what it starts from. Names follow the official flags. */
export interface TrainingSettings {
  readonly learningRate: number;
  readonly trainStep: number;
  readonly warmupStep: number;
  readonly schedule: ScheduleShape;
  readonly trainBatchSize: number;
  readonly maxSeqLength: number;
  /** Tokens by which the windows of a long context advance. */
  readonly docStride: number;
  readonly maxQueryLength: number;
  readonly maxAnswerLength: number;
  readonly nBestSize: number;
  /** Tokens of question and option together. */
  readonly maxQaLength: number;
  readonly optimizer: OptimizerOptions["kind"];
  readonly weightDecay: number;
  readonly clipNorm: number;
  /** Dropout of hidden states and attention. */
  readonly dropout: number;
  readonly headDropout: number;
  readonly saveCheckpointsSteps: number;
  readonly keepCheckpointMax: number;
  /** Metric of the best checkpoint and of early stopping. */
  readonly metric: string;
  /** Evaluations without improvement before stopping; 0 runs through. */
  readonly patience: number;
  readonly seed: number;
  readonly grouping: Grouping;
  /** Most tokens of one micro-batch, padding included: bounds memory, never the result's meaning. */
  readonly tokenBudget: number;
  /** Decay of the moving average of the weights; 0 keeps none. */
  readonly emaDecay: number;
  /** Train the head alone on cached outputs of the frozen trunk. */
  readonly headOnly: boolean;
  /** Parameters whose name contains one of these stay as they are. */
  readonly freeze: readonly string[];
  /** Parameters whose name contains one of these are drawn anew before training. */
  readonly reinitialize: readonly string[];
  /** Optimizer steps of one run of a graph; the numbers do not depend on it. */
  readonly iterationsPerLoop: number;
  /** Restarts at half the rate after a divergence. */
  readonly maxRestarts: number;
}

export type SettingName = keyof TrainingSettings;

/** What a run's length and defaults depend on. */
export interface RunFacts {
  /** Training examples; questions for SQuAD-like data. */
  readonly examples: number;
  readonly config: AlbertConfig;
  /** Whether the trunk starts from random numbers. */
  readonly fromScratch: boolean;
}

export interface ResolvedSettings {
  readonly settings: TrainingSettings;
  /** Why each setting has its value. */
  readonly reasons: Readonly<Record<SettingName, string>>;
  readonly warnings: readonly string[];
}

export interface GivenSettings extends Partial<TrainingSettings> {
  /** Instead of `trainStep`. */
  readonly numTrainEpochs?: number;
  /** Instead of `warmupStep`. */
  readonly warmupProportion?: number;
}

/**
 * Completes what was given from the recipe, and says of every value where it comes from.
 *
 * @throws AlbertError invalid-input with every setting that cannot be
 */
export function resolveSettings(recipe: Recipe, given: GivenSettings, facts: RunFacts): ResolvedSettings {
  const reasons: Partial<Record<SettingName, string>> = {};
  const choose = <K extends SettingName>(name: K, fallback: TrainingSettings[K], why: string): TrainingSettings[K] => {
    const value = given[name] as TrainingSettings[K] | undefined;
    reasons[name] = value === undefined ? why : "given";
    return value ?? fallback;
  };
  const published = `${recipe.task} recipe (${recipe.source})`;
  const scratch = "training from random weights";
  const { fromScratch, config, examples } = facts;

  const trainBatchSize = choose("trainBatchSize", recipe.trainBatchSize, published);
  const length =
    given.numTrainEpochs === undefined
      ? fromScratch
        ? { epochs: 6 }
        : recipe.length
      : { epochs: given.numTrainEpochs };
  const lengthWhy = "epochs" in length ? `${length.epochs} epochs of ${examples} examples` : published;
  const trainStep = choose("trainStep", stepsOf(length, examples, trainBatchSize), lengthWhy);
  const warmup = warmupOf(recipe, given, trainStep, fromScratch);
  const longest = Math.min(recipe.maxSeqLength, config.maxPositionEmbeddings);

  const settings: TrainingSettings = {
    learningRate: fromScratch
      ? choose("learningRate", 1e-3, `${scratch} needs a higher rate than fine-tuning`)
      : choose("learningRate", recipe.learningRate, published),
    trainStep,
    warmupStep: choose("warmupStep", warmupStepsOf(warmup.length, trainStep), warmup.why),
    schedule: choose("schedule", "official", "as the official scripts"),
    trainBatchSize,
    maxSeqLength: choose(
      "maxSeqLength",
      longest,
      longest < recipe.maxSeqLength ? `the model has ${longest} positions` : published,
    ),
    docStride: choose("docStride", 128, "as run_squad"),
    maxQueryLength: choose("maxQueryLength", 64, "as run_squad"),
    maxAnswerLength: choose("maxAnswerLength", 30, "as run_squad"),
    nBestSize: choose("nBestSize", 20, "as run_squad"),
    maxQaLength: choose("maxQaLength", 128, "as run_race"),
    optimizer: fromScratch
      ? choose("optimizer", "adamw-corrected", `${scratch}: bias correction steadies the first steps`)
      : choose("optimizer", recipe.optimizer, published),
    weightDecay: choose("weightDecay", 0.01, "as the official optimizer"),
    clipNorm: choose("clipNorm", 1, "as the official optimizer"),
    dropout: fromScratch ? choose("dropout", 0.1, scratch) : choose("dropout", recipe.dropout, published),
    headDropout: choose("headDropout", recipe.headDropout, published),
    saveCheckpointsSteps: choose(
      "saveCheckpointsSteps",
      Math.max(1, Math.min(recipe.saveCheckpointsSteps, Math.ceil(trainStep / 4))),
      published,
    ),
    keepCheckpointMax: choose("keepCheckpointMax", 5, "as the official scripts; the best one is kept besides"),
    metric: choose("metric", recipe.metric, published),
    patience: choose("patience", 0, "early stopping is off unless asked for"),
    seed: choose("seed", 12345, "fixed, so that a run can be repeated"),
    grouping: choose("grouping", "length", "examples of like length together need little padding"),
    tokenBudget: choose("tokenBudget", 2048, "bounds the memory of one micro-batch"),
    emaDecay: choose("emaDecay", 0, "no moving average unless asked for"),
    headOnly: choose("headOnly", false, "the whole model is trained"),
    freeze: choose("freeze", [], "nothing is frozen"),
    reinitialize: choose("reinitialize", [], "nothing is drawn anew"),
    iterationsPerLoop: choose("iterationsPerLoop", 1, "several pay where the state travels to a device and back"),
    maxRestarts: choose("maxRestarts", 1, "one restart at half the rate after a divergence"),
  };
  check(settings, config);
  return {
    settings,
    reasons: reasons as Record<SettingName, string>, // every name went through `choose` above
    warnings: warningsOf(recipe, settings, facts),
  };
}

/** The recipe's own warmup for a run of the recipe's own length, else the same share of the steps. */
function warmupOf(
  recipe: Recipe,
  { warmupProportion }: GivenSettings,
  trainStep: number,
  fromScratch: boolean,
): { readonly length: WarmupLength; readonly why: string } {
  const { length, warmup, task, source } = recipe;
  const own = `${task} recipe (${source})`;
  const share = (proportion: number, why: string) => ({
    length: { proportion },
    why: `${proportion * 100} % of ${trainStep} steps, ${why}`,
  });
  if (warmupProportion !== undefined) return share(warmupProportion, "given");
  if (fromScratch) return share(0.1, "training from random weights");
  if ("proportion" in warmup) return share(warmup.proportion, own);
  if (!("steps" in length) || length.steps === trainStep) return { length: warmup, why: own };
  return share(Number((warmup.steps / length.steps).toFixed(3)), `as in the ${own}`);
}

function check(settings: TrainingSettings, config: AlbertConfig): void {
  const violations: FieldViolation[] = [];
  const positive = { train_batch_size: settings.trainBatchSize, save_checkpoints_steps: settings.saveCheckpointsSteps };
  for (const [field, value] of Object.entries(positive)) {
    if (!Number.isInteger(value) || value < 1) {
      violations.push({ field, description: `expected an integer >= 1, got ${value}` });
    }
  }
  if (settings.iterationsPerLoop > settings.saveCheckpointsSteps) {
    const description = `expected at most save_checkpoints_steps (${settings.saveCheckpointsSteps}), got ${settings.iterationsPerLoop}`;
    violations.push({ field: "iterations_per_loop", description });
  }
  const probabilities = { dropout: settings.dropout, head_dropout: settings.headDropout, ema_decay: settings.emaDecay };
  for (const [field, value] of Object.entries(probabilities)) {
    if (!(value >= 0 && value < 1)) violations.push({ field, description: `expected 0 <= value < 1, got ${value}` });
  }
  if (settings.maxSeqLength > config.maxPositionEmbeddings || settings.maxSeqLength < 4) {
    violations.push({
      field: "max_seq_length",
      description: `expected 4 to ${config.maxPositionEmbeddings} (the model's positions), got ${settings.maxSeqLength}`,
    });
  }
  if (violations.length > 0) throw invalidInput(violations);
  checkSchedule({
    shape: settings.schedule,
    learningRate: settings.learningRate,
    totalSteps: settings.trainStep,
    warmupSteps: settings.warmupStep,
  });
}

function warningsOf(recipe: Recipe, settings: TrainingSettings, { examples, config, fromScratch }: RunFacts): string[] {
  const warnings: string[] = [];
  const { learningRate, trainBatchSize, trainStep, headOnly } = settings;
  const ratio = learningRate / recipe.learningRate;
  if (!fromScratch && !headOnly && (ratio > 5 || ratio < 0.2)) {
    warnings.push(
      `learning rate ${learningRate} is far from the ${recipe.task} recipe's ${recipe.learningRate}: fine-tuning often fails to converge outside a factor of 5`,
    );
  }
  const batchRatio = trainBatchSize / recipe.trainBatchSize;
  if (batchRatio > 4 || batchRatio < 0.25) {
    warnings.push(
      `train batch size ${trainBatchSize} is far from the recipe's ${recipe.trainBatchSize}: scale the learning rate with its square root`,
    );
  }
  if (!fromScratch && config.hiddenSize >= 2048 && learningRate > 1e-5) {
    warnings.push(`models this wide (hidden size ${config.hiddenSize}) often need a learning rate of 5e-6 to 1e-5`);
  }
  const epochs = (trainStep * trainBatchSize) / Math.max(examples, 1);
  if (epochs > 40) {
    warnings.push(
      `${trainStep} steps are ${Math.round(epochs)} passes over ${examples} examples; choose --num-train-epochs for data of this size`,
    );
  }
  return warnings;
}
