import { type FieldViolation, invalidInput } from "../../errors.ts";
import type { AlbertConfig } from "../../model/config.ts";
import type { FineTuningHints, SentenceEncoding } from "../../model/directory/model-directory.ts";
import type { Answerer } from "../../model/heads.ts";
import { defaultMetric } from "../evaluation/head-metrics.ts";
import { checkSchedule } from "../schedule.ts";
import { unfreezingStages } from "../step/unfreezing.ts";
import {
  CONTRASTIVE_SETTINGS,
  FINE_TUNING,
  type GivenSettings,
  type SettingName,
  type TrainingSettings,
} from "./fine-tuning.ts";
import { type FittingRate, fittingRate } from "./fitting-rate.ts";
import type { Recipe } from "./recipes.ts";
import { type DataSize, passed, recipeSteps, recipeWarmup, stepsPerPass } from "./run-length.ts";
import { checkTable, completeTable, nameOf } from "./table.ts";

// Completes the settings of a run and records where each value comes from.

/** What a run's length and defaults depend on. */
export interface RunFacts extends DataSize {
  readonly config: AlbertConfig;
  /** Whether the trunk starts from random numbers. */
  readonly fromScratch: boolean;
  /** The head that learns, whose problem decides the metric; the recipe's metric applies where it is left out. */
  readonly head?: Answerer;
  /** What the model's maker measured. */
  readonly hints?: FineTuningHints;
  /** How the model's maker turns a text into a vector. */
  readonly encoding?: SentenceEncoding;
  /** Most sequences of an example; 1 when left out. */
  readonly sequences?: number;
  /** What a range test found. */
  readonly tested?: FittingRate;
}

export interface ResolvedSettings {
  readonly settings: TrainingSettings;
  /** Why each setting has its value. */
  readonly reasons: Readonly<Record<SettingName, string>>;
  readonly warnings: readonly string[];
  /** The rate that fits the model, whether it applies or not. */
  readonly fitting: FittingRate;
}

/**
 * Completes what was given from the recipe and the model, and says of every value where it comes from.
 *
 * @throws AlbertError invalid-input with every setting that cannot be
 */
export function resolveSettings(recipe: Recipe, given: GivenSettings, facts: RunFacts): ResolvedSettings {
  const { config, fromScratch, examples } = facts;
  const fitting = facts.tested ?? fittingRate(recipe, { ...facts, headOnly: given.headOnly === true });
  const { values, reasons } = completeTable(FINE_TUNING, given, (soFar) => {
    const trainStep = soFar.trainStep ?? 1;
    const batch = soFar.trainBatchSize ?? recipe.trainBatchSize;
    return {
      recipe,
      published: `${recipe.task} recipe (${recipe.source})`,
      config,
      fromScratch,
      steps: () =>
        given.numTrainEpochs === undefined
          ? recipeSteps(recipe, facts, batch, fromScratch)
          : passed(given.numTrainEpochs, examples, batch),
      warmup: () => recipeWarmup(recipe, given.warmupProportion, trainStep, fromScratch),
      unfreezing: () =>
        given.unfreezeEpochs === undefined
          ? [0, "every layer learns from the first step"]
          : passed(given.unfreezeEpochs, examples, batch),
      tokenBudget: () => tokenBudgetOf(recipe, batch, soFar.maxSeqLength ?? recipe.maxSeqLength, facts.sequences),
      ...(facts.encoding === undefined ? {} : { encoding: facts.encoding }),
      learningRate: [fitting.rate, fitting.why] as const,
      metric: defaultMetric(recipe, facts.head),
      trainStep,
    };
  });
  const settings = values as TrainingSettings; // every row with a default has a value now
  check(settings, given, config);
  refuseForeign(recipe, given);
  return {
    settings,
    reasons: reasons as Record<SettingName, string>, // by the same rows
    warnings: warningsOf(recipe, settings, facts, fitting),
    fitting,
  };
}

function check(settings: TrainingSettings, given: GivenSettings, config: AlbertConfig): void {
  const violations: FieldViolation[] = checkTable(FINE_TUNING, settings).map((violation) =>
    violation.field === "train_step" && given.numTrainEpochs !== undefined
      ? { field: "num_train_epochs", description: `gives ${settings.trainStep} steps: ${violation.description}` }
      : violation,
  );
  if (settings.iterationsPerLoop > settings.saveCheckpointsSteps) {
    const description = `expected at most save_checkpoints_steps (${settings.saveCheckpointsSteps}), got ${settings.iterationsPerLoop}`;
    violations.push({ field: "iterations_per_loop", description });
  }
  const problem = unfreezingProblem(settings, config);
  if (problem !== undefined) {
    const field = given.unfreezeEpochs === undefined ? "unfreeze_step" : "unfreeze_epochs";
    violations.push({ field, description: problem });
  }
  if (settings.maxSeqLength > config.maxPositionEmbeddings) {
    const description = `expected 4 to ${config.maxPositionEmbeddings} (the model's positions), got ${settings.maxSeqLength}`;
    violations.push({ field: "max_seq_length", description });
  }
  if (violations.length > 0) throw invalidInput(violations);
  checkSchedule({
    shape: settings.schedule,
    learningRate: settings.learningRate,
    totalSteps: settings.trainStep,
    warmupSteps: settings.warmupStep,
  });
}

const OF_HEADS = ["headOnly", "unfreezeStep", "unfreezeEpochs", "headDropout"] as const;

/** @throws AlbertError invalid-input for settings of contrastive training elsewhere, and for those of a head where none learns */
function refuseForeign({ headKind }: Recipe, given: GivenSettings): void {
  const vectors = headKind === "vectors";
  const foreign = (vectors ? OF_HEADS : CONTRASTIVE_SETTINGS).filter(
    (key) => given[key] !== undefined && given[key] !== false,
  );
  const lost = given.contrastiveLoss === "triplet" ? "similarityScale" : vectors ? "tripletMargin" : undefined;
  const why = vectors ? "is about a head, which contrastive training has none of" : "belongs to the task contrastive";
  const violations = foreign.map((key) => ({ field: nameOf(key), description: `${why}: leave it out` }));
  if (lost !== undefined && given[lost] !== undefined) {
    const description = `belongs to the other contrastive_loss: leave it out, or choose ${lost === "tripletMargin" ? "triplet" : "ranking"}`;
    violations.push({ field: nameOf(lost), description });
  }
  if (violations.length > 0) throw invalidInput(violations);
}

/** Tokens of a micro-batch: of contrastive training a whole step's, whose texts are to meet. */
function tokenBudgetOf({ headKind }: Recipe, batch: number, length: number, sequences = 2): readonly [number, string] {
  if (headKind !== "vectors") return [2048, "bounds the memory of one micro-batch"];
  return [batch * length * sequences, "a whole step in one: its texts are each other's wrong ones"];
}

/** Why a run cannot unfreeze its layers one after the other as asked. */
function unfreezingProblem({ unfreezeStep, headOnly, trainStep }: TrainingSettings, config: AlbertConfig) {
  if (unfreezeStep === 0) return undefined;
  if (headOnly) return "unfreezes layers, which head_only never trains: give one of them";
  const stages = unfreezingStages(config);
  const last = (stages - 1) * unfreezeStep;
  return last < trainStep
    ? undefined
    : `the last of ${stages} groups (head, ${config.numHiddenGroups} of layers, embeddings) would begin after ${last} steps, of ${trainStep} that the run has: expected at most ${Math.floor((trainStep - 1) / (stages - 1))} steps`;
}

function warningsOf(
  recipe: Recipe,
  { learningRate, trainBatchSize, trainStep, headOnly, unfreezeStep }: TrainingSettings,
  { examples, config, fromScratch }: RunFacts,
  fitting: FittingRate,
): string[] {
  const warnings: string[] = [];
  const ratio = learningRate / fitting.rate;
  if (ratio > 5 || ratio < 0.2) {
    warnings.push(
      `learning rate ${learningRate} is far from ${fitting.rate} (${fitting.why}): training often fails to converge outside a factor of 5`,
    );
  } else if (!fromScratch && !headOnly && config.hiddenSize >= 2048 && learningRate > 1e-5) {
    warnings.push(`models this wide (hidden size ${config.hiddenSize}) often need a learning rate of 5e-6 to 1e-5`);
  }
  if (unfreezeStep > 0 && config.numHiddenGroups < config.numHiddenLayers) {
    const { numHiddenLayers: layers, numHiddenGroups: groups } = config;
    const which = groups === 1 ? "begin to learn together" : `begin to learn in ${groups} groups`;
    warnings.push(`the model's ${layers} layers share weights: they ${which}`);
  }
  const batchRatio = trainBatchSize / recipe.trainBatchSize;
  if (batchRatio > 4 || batchRatio < 0.25) {
    warnings.push(
      `train batch size ${trainBatchSize} is far from the recipe's ${recipe.trainBatchSize}: scale the learning rate with its square root`,
    );
  }
  const passes = trainStep / stepsPerPass(examples, trainBatchSize);
  if (passes > 40) {
    warnings.push(
      `${trainStep} steps are ${Math.round(passes)} passes over ${examples} examples; choose --num-train-epochs for data of this size`,
    );
  }
  return warnings;
}
