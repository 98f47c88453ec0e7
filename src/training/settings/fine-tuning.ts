import { invalidInput } from "../../errors.ts";
import type { AlbertConfig } from "../../model/config.ts";
import type { SentenceEncoding } from "../../model/directory/model-directory.ts";
import { FITS } from "../../tasks/evaluation/calibrate-head.ts";
import { SCHEDULE_SHAPES } from "../schedule.ts";
import { OPTIMIZER_CHOICE } from "./optimizer-choice.ts";
import type { Recipe } from "./recipes.ts";
import { parseTable, type Row, type ValuesOf } from "./table.ts";
import { between, choice, flag, integer, LARGEST_SEED, list, share, text, type ValueType } from "./value-type.ts";

// The table of fine-tuning hyperparameters, and what a run's settings are made of.

/** What the defaults of a fine-tune may depend on. */
export interface Defaults {
  readonly recipe: Recipe;
  /** Where the recipe's numbers come from, in words. */
  readonly published: string;
  readonly config: AlbertConfig;
  /** Whether the trunk starts from random numbers. */
  readonly fromScratch: boolean;
  /** Sees `trainBatchSize`, which comes before it in the table. */
  readonly steps: () => readonly [steps: number, why: string];
  readonly warmup: () => readonly [steps: number, why: string];
  readonly tokenBudget: () => readonly [tokens: number, why: string];
  /** How the model's maker turns a text into a vector, where the model was made for that. */
  readonly encoding?: SentenceEncoding;
  readonly unfreezing: () => readonly [steps: number, why: string];
  readonly learningRate: readonly [rate: number, why: string];
  readonly metric: readonly [name: string, why: string];
  /** `trainStep` as chosen, for rows after it. */
  readonly trainStep: number;
}

const row = <const T extends ValueType>(
  type: T,
  description: string,
  more: Omit<Row<T, Defaults>, "type" | "description"> = {},
): Row<T, Defaults> => ({ type, description, ...more });

/** A default of contrastive training; other tasks have no such setting. */
const ofContrastive =
  <const V>(value: (defaults: Defaults) => readonly [value: V, why: string]) =>
  (defaults: Defaults): readonly [value: V | undefined, why: string] =>
    defaults.recipe.headKind === "vectors" ? value(defaults) : [undefined, ""];

const SCRATCH = "training from random weights";
const OFFICIAL = "as the official scripts";

/** Every hyperparameter of a fine-tune. */
export const FINE_TUNING = {
  learningRate: row({ kind: "number", above: 0, below: 1 }, "nominal learning rate", {
    otherwise: ({ learningRate }) => learningRate,
    default: "the recipe's for published sizes; else the model's own, or one that fits its size",
  }),
  trainBatchSize: row(integer(1, 65_536), "examples of one optimizer step", {
    otherwise: ({ recipe, published }) => [recipe.trainBatchSize, published],
    default: "the recipe's",
  }),
  trainStep: row(integer(1), "optimizer steps of the whole run", {
    otherwise: ({ steps }) => steps(),
    default: "the recipe's steps or passes",
    excludes: ["numTrainEpochs"],
  }),
  numTrainEpochs: row({ kind: "number", above: 0, maximum: 100_000 }, "passes over the data, instead of train_step"),
  warmupStep: row(integer(0), "steps of linear warmup", {
    otherwise: ({ warmup }) => warmup(),
    default: "the recipe's share of the steps",
    excludes: ["warmupProportion"],
  }),
  warmupProportion: row(share, "warmup as a share of the steps, instead of warmup_step"),
  schedule: row(
    choice(...SCHEDULE_SHAPES),
    "course of the learning rate; official is linear warmup and linear decay with Google's quirks",
    { otherwise: () => ["official", OFFICIAL], default: "official" },
  ),
  maxSeqLength: row(integer(4, 65_536), "longest sequence in tokens, special tokens included", {
    otherwise: ({ recipe, config, published }) => {
      const longest = Math.min(recipe.maxSeqLength, config.maxPositionEmbeddings);
      return [longest, longest < recipe.maxSeqLength ? `the model has ${longest} positions` : published];
    },
    default: "the recipe's, and no more than the model's positions",
  }),
  docStride: row(integer(1, 65_536), "tokens by which the windows of a long context advance", {
    otherwise: () => [128, "as run_squad"],
    default: "128",
  }),
  maxQueryLength: row(integer(1, 65_536), "tokens kept of a question", {
    otherwise: () => [64, "as run_squad"],
    default: "64",
  }),
  maxAnswerLength: row(integer(1, 65_536), "tokens of the longest answer", {
    otherwise: () => [30, "as run_squad"],
    default: "30",
  }),
  nBestSize: row(integer(1, 10_000), "answers kept for each question", {
    otherwise: () => [20, "as run_squad"],
    default: "20",
  }),
  maxQaLength: row(integer(1, 65_536), "tokens kept of question and option together", {
    otherwise: () => [128, "as run_race"],
    default: "128",
  }),
  optimizer: row(OPTIMIZER_CHOICE, "update rule: adamw-official and lamb are Google's, without bias correction", {
    otherwise: ({ fromScratch, recipe, published }) =>
      fromScratch
        ? ["adamw-corrected", `${SCRATCH}: bias correction steadies the first steps`]
        : [recipe.optimizer, published],
    default: "the recipe's; adamw-corrected from random weights",
  }),
  weightDecay: row(between(0, 100), "decay of kernels and tables", {
    otherwise: () => [0.01, "as the official optimizer"],
    default: "0.01",
  }),
  clipNorm: row(between(0, 1_000_000), "largest global norm of the gradient; 0 turns clipping off", {
    otherwise: () => [1, "as the official optimizer"],
    default: "1",
  }),
  dropout: row(share, "dropout of hidden states and attention", {
    otherwise: ({ fromScratch, recipe, published }) => (fromScratch ? [0.1, SCRATCH] : [recipe.dropout, published]),
    default: "the recipe's; 0.1 from random weights",
  }),
  headDropout: row(share, "dropout before the head", {
    otherwise: ({ recipe, published }) => [recipe.headDropout, published],
    default: "the recipe's",
  }),
  layerDecay: row(
    { kind: "number", above: 0, maximum: 1 },
    "factor of the learning rate from each group of layers to the one below it, from 1 at the head",
    { otherwise: () => [1, "every layer has the same rate"], default: "1" },
  ),
  labelSmoothing: row(share, "share of a classification's target that is spread over all labels", {
    otherwise: () => [0, "targets are exact"],
    default: "0",
  }),
  focalGamma: row(between(0, 10), "exponent of the focal loss of a classification; 0 is cross-entropy", {
    otherwise: () => [0, "every example counts alike"],
    default: "0",
    excludes: ["labelSmoothing"],
  }),
  contrastiveLoss: row(
    choice("ranking", "triplet"),
    "of contrastive training: ranking is cross-entropy against all other texts of the batch, triplet keeps them a margin away",
    {
      otherwise: ofContrastive(() => ["ranking", "learns from every other text of the batch at once"]),
      default: "ranking",
    },
  ),
  similarityScale: row(
    { kind: "number", above: 0, maximum: 1000 },
    "factor of cosines in the ranking loss of contrastive training: 1 / temperature",
    { otherwise: ofContrastive(() => [20, "a temperature of 0.05"]), default: "20" },
  ),
  tripletMargin: row(
    { kind: "number", above: 0, maximum: 2 },
    "cosine by which the triplet loss of contrastive training keeps wrong texts further away than right ones",
    { otherwise: ofContrastive(() => [0.2, "a tenth of the range of cosines"]), default: "0.2" },
  ),
  pooling: row(choice("mean", "cls"), "how a text becomes a vector in contrastive training", {
    otherwise: ofContrastive(({ encoding }) =>
      encoding === undefined
        ? ["mean", "the model does not say how, and the mean needs the least training"]
        : [encoding.pooling, "as the model's maker does it"],
    ),
    default: "the model's own; mean where it has none",
  }),
  classWeights: row(list, "balanced, or label=weight for labels whose examples count more or less than 1", {
    otherwise: () => [[], "every label counts alike"],
    default: "none",
  }),
  saveCheckpointsSteps: row(integer(1), "steps between checkpoints and evaluations", {
    otherwise: ({ recipe, published, trainStep }) => [
      Math.max(1, Math.min(recipe.saveCheckpointsSteps, Math.ceil(trainStep / 4))),
      published,
    ],
    default: "the recipe's, and at least four in a run",
  }),
  keepCheckpointMax: row(integer(1, 10_000), "newest checkpoints kept besides the best one", {
    otherwise: () => [5, `${OFFICIAL}; the best one is kept besides`],
    default: "5",
  }),
  metric: row(text, "metric of the best checkpoint and of early stopping", {
    otherwise: ({ metric }) => metric,
    default: "the recipe's; pearson where values are learnt",
  }),
  patience: row(integer(0, 1_000_000), "evaluations without improvement before stopping; 0 runs through", {
    otherwise: () => [0, "early stopping is off unless asked for"],
    default: "0",
  }),
  seed: row(integer(0, LARGEST_SEED), "seed of initial weights, data order and dropout", {
    otherwise: () => [12345, "fixed, so that a run can be repeated"],
    default: "12345",
  }),
  seeds: row(integer(1, 100), "runs, each with the next seed; their mean and its interval are reported, one is kept", {
    otherwise: () => [1, "one run"],
    default: "1",
    excludes: ["folds"],
  }),
  folds: row(
    { kind: "number", minimum: 2, maximum: 100, integer: true },
    "parts of the training data, each of which one run holds out; their mean and its interval are reported, one run is kept",
  ),
  publish: row(choice("best", "median"), "which of several runs is kept, by the metric on what they hold out", {
    otherwise: () => ["best", "the best of several runs"],
    default: "best",
  }),
  grouping: row(choice("length", "none"), "whether examples of like length share a step", {
    otherwise: () => ["length", "examples of like length together need little padding"],
    default: "length",
  }),
  tokenBudget: row(
    integer(1),
    "most tokens of one micro-batch, padding included; bounds memory, and changes no meaning but in contrastive training, where texts of one micro-batch are each other's wrong ones",
    {
      otherwise: ({ tokenBudget }) => tokenBudget(),
      default: "2048; for contrastive training what a whole step needs",
    },
  ),
  emaDecay: row(share, "decay of the moving average of the weights; 0 keeps none", {
    otherwise: () => [0, "no moving average unless asked for"],
    default: "0",
  }),
  headOnly: row(flag, "train the head alone on cached outputs of the trunk", {
    otherwise: () => [false, "the whole model is trained"],
    default: "false",
  }),
  freeze: row(list, "parameters whose name contains one of these stay as they are", {
    otherwise: () => [[], "nothing is frozen"],
    default: "none",
  }),
  unfreezeStep: row(
    integer(0),
    "steps after which each next group of layers begins to learn, from the head downwards; 0 trains all from the first step",
    {
      otherwise: ({ unfreezing }) => unfreezing(),
      default: "0",
      excludes: ["unfreezeEpochs"],
    },
  ),
  unfreezeEpochs: row(
    { kind: "number", above: 0, maximum: 100_000 },
    "passes after which each next group of layers begins to learn, instead of unfreeze_step",
  ),
  reinitialize: row(list, "parameters whose name contains one of these are drawn anew", {
    otherwise: () => [[], "nothing is drawn anew"],
    default: "none",
  }),
  calibrate: row(
    choice("none", ...FITS),
    "what of the result is fitted to the evaluation data: the temperature, or besides, of two labels, the threshold of the second; thresholds of any number of labels by either",
    { otherwise: () => ["none", "probabilities are those of the loss unless asked for"], default: "none" },
  ),
  iterationsPerLoop: row(integer(1, 10_000), "optimizer steps of one run of a graph, of one shape", {
    otherwise: () => [1, "several pay where the state travels to a device and back"],
    default: "1",
  }),
  maxRestarts: row(integer(0, 100), "restarts at half the rate after a divergence", {
    otherwise: () => [1, "one restart at half the rate after a divergence"],
    default: "1",
  }),
} as const;

/** Everything that may be given. */
export type GivenSettings = Partial<ValuesOf<typeof FINE_TUNING>>;
/** Everything that decides a fine-tuning run, besides the data and what it starts from. */
export type TrainingSettings = Omit<
  ValuesOf<typeof FINE_TUNING>,
  "numTrainEpochs" | "warmupProportion" | "unfreezeEpochs" | "folds" | ContrastiveSetting
> &
  Partial<Pick<ValuesOf<typeof FINE_TUNING>, ContrastiveSetting>>;
/** What contrastive training alone has. */
export const CONTRASTIVE_SETTINGS = ["contrastiveLoss", "similarityScale", "tripletMargin", "pooling"] as const;
type ContrastiveSetting = (typeof CONTRASTIVE_SETTINGS)[number];
export type SettingName = keyof TrainingSettings;

/**
 * Reads settings written as text.
 *
 * @param prefix  comes before each name in the report, such as `recipe.`
 * @returns the settings, and sentences about old names
 * @throws AlbertError invalid-input with every unknown name (and the nearest known one) and every wrong value
 */
export function parseFineTuning(
  given: Readonly<Record<string, string>>,
  prefix = "",
): { readonly settings: GivenSettings; readonly warnings: readonly string[] } {
  const { values, violations, warnings } = parseTable(FINE_TUNING, given, prefix);
  if (violations.length > 0) throw invalidInput(violations);
  return { settings: values, warnings };
}
