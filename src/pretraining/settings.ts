import { type FieldViolation, invalidInput } from "../errors.ts";
import type { AlbertConfig } from "../model/config.ts";
import { checkSchedule, type ScheduleShape } from "../training/schedule.ts";
import type { OptimizerOptions } from "../training/step/training-step.ts";
import type { SingleSentence } from "./corpus/segments.ts";

/** Everything that decides a pretraining run besides text, vocabulary and start. Names follow the official flags. */
export interface PretrainingSettings {
  readonly learningRate: number;
  readonly numTrainSteps: number;
  readonly numWarmupSteps: number;
  /** Step from which the warmup counts; 0 but in continued runs. */
  readonly startWarmupStep: number;
  readonly polyPower: number;
  readonly schedule: ScheduleShape;
  readonly optimizer: OptimizerOptions["kind"];
  readonly weightDecay: number;
  readonly clipNorm: number;
  /** Instances of one optimizer step. */
  readonly trainBatchSize: number;
  readonly maxSeqLength: number;
  readonly maxPredictionsPerSeq: number;
  readonly saveCheckpointsSteps: number;
  readonly keepCheckpointMax: number;
  /** Instances of one evaluation. */
  readonly evalInstances: number;
  readonly seed: number;
  /** Dropout of hidden states and attention; `undefined` takes the configuration's. */
  readonly dropout?: number;
  /** Most tokens of one micro-batch, padding included: bounds memory, never the result's meaning. */
  readonly tokenBudget: number;
  /** Most instances that share a row; 0 gives every instance a padded row of its own. */
  readonly packSegments: number;
  /** Shorter sequences first: each entry's length, and the share of all steps it is used for. */
  readonly curriculum: readonly { readonly sequenceLength: number; readonly share: number }[];
  readonly shortSeqProb: number;
  readonly maskedLmProb: number;
  readonly ngram: number;
  readonly favorShorterNgram: boolean;
  readonly doWholeWordMask: boolean;
  readonly doPermutation: boolean;
  readonly randomNextSentence: boolean;
  readonly singleSentence: SingleSentence;
  /** Restores what the official data code does where it is a flaw. */
  readonly officialQuirks: boolean;
  /** Share of the documents that is kept for evaluation when no evaluation text is given. */
  readonly heldOut: number;
  /** Optimizer steps of one run of a graph; the numbers do not depend on it. */
  readonly iterationsPerLoop: number;
  /** Restarts at half the rate after a divergence. */
  readonly maxRestarts: number;
}

/** The defaults of the official scripts, with a batch that one machine can hold. */
export const DEFAULT_PRETRAINING_SETTINGS: PretrainingSettings = {
  learningRate: 0.00176,
  numTrainSteps: 125_000,
  numWarmupSteps: 3125,
  startWarmupStep: 0,
  polyPower: 1,
  schedule: "official",
  optimizer: "lamb",
  weightDecay: 0.01,
  clipNorm: 1,
  trainBatchSize: 4096,
  maxSeqLength: 512,
  maxPredictionsPerSeq: 20,
  saveCheckpointsSteps: 5000,
  keepCheckpointMax: 5,
  evalInstances: 6400,
  seed: 12345,
  tokenBudget: 8192,
  packSegments: 0,
  curriculum: [],
  shortSeqProb: 0.1,
  maskedLmProb: 0.15,
  ngram: 3,
  favorShorterNgram: true,
  doWholeWordMask: true,
  doPermutation: false,
  randomNextSentence: false,
  singleSentence: "random-next",
  officialQuirks: false,
  heldOut: 0.005,
  iterationsPerLoop: 1,
  maxRestarts: 1,
};

/** @throws AlbertError invalid-input with every setting that cannot be, by its official name */
export function checkPretrainingSettings(settings: PretrainingSettings, config: AlbertConfig): void {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, expected: string, got: unknown) =>
    violations.push({ field, description: `expected ${expected}, got ${JSON.stringify(got)}` });
  const counts = {
    train_batch_size: settings.trainBatchSize,
    max_predictions_per_seq: settings.maxPredictionsPerSeq,
    save_checkpoints_steps: settings.saveCheckpointsSteps,
    keep_checkpoint_max: settings.keepCheckpointMax,
    eval_instances: settings.evalInstances,
    token_budget: settings.tokenBudget,
    ngram: settings.ngram,
  };
  for (const [field, value] of Object.entries(counts)) {
    if (!Number.isInteger(value) || value < 1) refuse(field, "an integer >= 1", value);
  }
  if (settings.iterationsPerLoop > settings.saveCheckpointsSteps) {
    refuse("iterations_per_loop", "at most save_checkpoints_steps", settings.iterationsPerLoop);
  }
  if (!Number.isInteger(settings.packSegments) || settings.packSegments < 0) {
    refuse("pack_segments", "an integer >= 0", settings.packSegments);
  }
  const positions = config.maxPositionEmbeddings;
  const lengths = [settings.maxSeqLength, ...settings.curriculum.map(({ sequenceLength }) => sequenceLength)];
  if (lengths.some((length) => !Number.isInteger(length) || length < 5 || length > positions)) {
    refuse("max_seq_length", `5 to ${positions} (the model's positions)`, Math.max(...lengths));
  }
  const shares = settings.curriculum.map(({ share }) => share);
  if (shares.some((share) => !(share > 0)) || shares.reduce((sum, share) => sum + share, 0) >= 1) {
    refuse("curriculum", "shares above 0 that leave steps for max_seq_length", shares);
  }
  if (!(settings.heldOut >= 0 && settings.heldOut < 0.5)) refuse("held_out", "0 to 0.5", settings.heldOut);
  if (settings.dropout !== undefined && !(settings.dropout >= 0 && settings.dropout < 1)) {
    refuse("dropout", "0 <= value < 1", settings.dropout);
  }
  if (violations.length > 0) throw invalidInput(violations);
  checkSchedule(scheduleOf(settings));
}

/** The course of the learning rate. */
export function scheduleOf(settings: PretrainingSettings) {
  return {
    shape: settings.schedule,
    learningRate: settings.learningRate,
    totalSteps: settings.numTrainSteps,
    warmupSteps: settings.numWarmupSteps,
    power: settings.polyPower,
    warmupStart: settings.startWarmupStep,
  };
}
