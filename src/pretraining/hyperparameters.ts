import { type FieldViolation, invalidInput } from "../errors.ts";
import type { AlbertConfig } from "../model/config.ts";
import { checkSchedule, SCHEDULE_SHAPES } from "../training/schedule.ts";
import { OPTIMIZER_CHOICE } from "../training/settings/optimizer-choice.ts";
import { checkTable, completeTable, parseTable, type Row, type ValuesOf } from "../training/settings/table.ts";
import {
  between,
  choice,
  flag,
  integer,
  LARGEST_SEED,
  list,
  share,
  type ValueOf,
  type ValueType,
} from "../training/settings/value-type.ts";
import { SINGLE_SENTENCE } from "./corpus/segments.ts";

// The table of pretraining hyperparameters, and what a run's settings are made of.

/** A row whose default is one value for every run: those of the official scripts, with a batch that one machine can hold. */
function row<const T extends ValueType>(type: T, value: ValueOf<T> | undefined, description: string): Row<T, void> {
  const shown = Array.isArray(value) ? value.join(",") || "none" : value === undefined ? "the configuration's" : value;
  // `undefined` leaves the value out; only rows that may be left out have it.
  return { type, description, otherwise: () => [value as ValueOf<T>, "default"], default: String(shown) };
}

/** Every hyperparameter of a pretraining run. */
export const PRETRAINING = {
  learningRate: row({ kind: "number", above: 0, below: 1 }, 0.00176, "nominal learning rate"),
  numTrainSteps: row(integer(1), 125_000, "optimizer steps of the whole run"),
  numWarmupSteps: row(integer(0), 3125, "steps of linear warmup"),
  startWarmupStep: row(integer(0), 0, "step from which the warmup counts; 0 but in continued runs"),
  polyPower: row({ kind: "number", above: 0, maximum: 100 }, 1, "exponent of the polynomial decay"),
  schedule: row(choice(...SCHEDULE_SHAPES), "official", "course of the learning rate"),
  optimizer: row(
    OPTIMIZER_CHOICE,
    "lamb",
    "update rule: adamw-official and lamb are Google's, without bias correction",
  ),
  weightDecay: row(between(0, 100), 0.01, "decay of kernels and tables"),
  clipNorm: row(between(0, 1_000_000), 1, "largest global norm of the gradient; 0 turns clipping off"),
  trainBatchSize: row(integer(1, 1_048_576), 4096, "instances of one optimizer step"),
  maxSeqLength: row(integer(5, 65_536), 512, "longest instance in tokens, special tokens included"),
  maxPredictionsPerSeq: row(integer(1, 65_536), 20, "most masked tokens of an instance"),
  saveCheckpointsSteps: row(integer(1), 5000, "steps between checkpoints and evaluations"),
  keepCheckpointMax: row(integer(1, 10_000), 5, "newest checkpoints kept besides the best one"),
  evalInstances: row(integer(1), 6400, "instances of one evaluation"),
  seed: row(integer(0, LARGEST_SEED), 12345, "seed of initial weights, instances and dropout"),
  dropout: row(share, undefined, "dropout of hidden states and attention, instead of the configuration's"),
  tokenBudget: row(
    integer(1),
    8192,
    "most tokens of one micro-batch, padding included; bounds memory, changes no meaning",
  ),
  packSegments: row(integer(0, 65_536), 0, "most instances that share a row; 0 pads each by itself"),
  curriculum: row(list, [], "shorter sequences first, as LENGTH:SHARE,... of the steps"),
  shortSeqProb: row(between(0, 1), 0.1, "probability that a document is cut to shorter instances"),
  maskedLmProb: row({ kind: "number", above: 0, below: 1 }, 0.15, "share of tokens to mask"),
  ngram: row(integer(1, 100), 3, "longest run of words masked together"),
  favorShorterNgram: row(flag, true, "short runs are likelier than long ones"),
  doWholeWordMask: row(flag, true, "mask whole words"),
  doPermutation: row(flag, false, "besides masking, let as many tokens change places"),
  randomNextSentence: row(flag, false, "negatives from other documents instead of swapped order"),
  singleSentence: row(choice(...SINGLE_SENTENCE), "random-next", "what happens to a chunk of one sentence"),
  officialQuirks: row(flag, false, "make instances exactly as Google's script, flaws included"),
  heldOut: row({ kind: "number", minimum: 0, below: 0.5 }, 0.005, "share of the documents kept for evaluation"),
  hardWeight: row(between(0, 1_000_000), 0.5, "with a teacher: weight of the loss against the text itself"),
  softWeight: row(
    { kind: "number", above: 0, maximum: 1_000_000 },
    1,
    "with a teacher: weight of the divergence from the words that it expects (Hinton et al. 2015)",
  ),
  temperature: row(
    { kind: "number", minimum: 0.1, maximum: 100 },
    2,
    "with a teacher: temperature at which both expectations are compared",
  ),
  studentStart: row(
    choice("teacher", "random"),
    "teacher",
    "with a teacher: what a student given as an architecture begins with",
  ),
  iterationsPerLoop: row(integer(1, 10_000), 1, "optimizer steps of one run of a graph, of one shape"),
  maxRestarts: row(integer(0, 100), 1, "restarts at half the rate after a divergence"),
} as const;

/** The rows that count only where a run has a teacher. */
export const TEACHING = ["hardWeight", "softWeight", "temperature", "studentStart"] as const;

type Values = ValuesOf<typeof PRETRAINING>;

/** A stage of a curriculum: its length in tokens, and the share of all steps it is used for. */
export interface CurriculumStage {
  readonly sequenceLength: number;
  readonly share: number;
}

/** Everything that decides a pretraining run besides text, vocabulary and start. Names follow the official flags. */
export interface PretrainingSettings extends Omit<Values, "dropout" | "curriculum"> {
  /** `undefined` takes the configuration's. */
  readonly dropout?: number;
  /** Shorter sequences first. */
  readonly curriculum: readonly CurriculumStage[];
}

/** What applies where nothing is given. */
export const DEFAULT_PRETRAINING_SETTINGS: PretrainingSettings = settingsOf({});

/**
 * Settings written as text over the defaults.
 *
 * @param prefix  comes before each name in the report, such as `recipe.`
 * @returns the settings, and sentences about old names
 * @throws AlbertError invalid-input with every unknown name (and the nearest known one) and every wrong value
 */
export function parsePretraining(
  given: Readonly<Record<string, string>>,
  prefix = "",
): { readonly settings: PretrainingSettings; readonly warnings: readonly string[] } {
  const { values, violations, warnings } = parseTable(PRETRAINING, given, prefix);
  for (const entry of values.curriculum ?? []) {
    if (stageOf(entry) !== undefined) continue;
    const description = `expected entries such as 128:0.9, got ${JSON.stringify(entry)}`;
    violations.push({ field: `${prefix}curriculum`, description });
  }
  if (violations.length > 0) throw invalidInput(violations);
  return { settings: settingsOf(values), warnings };
}

function settingsOf(given: Partial<Values>): PretrainingSettings {
  const { curriculum = [], ...rest } = completeTable(PRETRAINING, given, () => {}).values;
  // Every row but `dropout` has a default.
  return {
    ...(rest as Omit<PretrainingSettings, "curriculum">),
    curriculum: curriculum.flatMap((entry) => stageOf(entry) ?? []),
  };
}

function stageOf(entry: string): CurriculumStage | undefined {
  const [, length, part] = /^(\d{1,9}):(0?\.\d+)$/.exec(entry) ?? [];
  return length === undefined ? undefined : { sequenceLength: Number(length), share: Number(part) };
}

/** @throws AlbertError invalid-input with every setting that cannot be, by its official name */
export function checkPretrainingSettings(settings: PretrainingSettings, config: AlbertConfig): void {
  const { curriculum, ...plain } = settings;
  const violations: FieldViolation[] = checkTable(PRETRAINING, plain);
  const refuse = (field: string, expected: string, got: unknown) =>
    violations.push({ field, description: `expected ${expected}, got ${JSON.stringify(got)}` });
  if (settings.iterationsPerLoop > settings.saveCheckpointsSteps) {
    refuse("iterations_per_loop", "at most save_checkpoints_steps", settings.iterationsPerLoop);
  }
  const positions = config.maxPositionEmbeddings;
  const lengths = [settings.maxSeqLength, ...curriculum.map(({ sequenceLength }) => sequenceLength)];
  if (lengths.some((length) => !Number.isInteger(length) || length < 5 || length > positions)) {
    refuse("max_seq_length", `5 to ${positions} (the model's positions)`, Math.max(...lengths));
  }
  const shares = curriculum.map(({ share: part }) => part);
  if (shares.some((part) => !(part > 0)) || shares.reduce((sum, part) => sum + part, 0) >= 1) {
    refuse("curriculum", "shares above 0 that leave steps for max_seq_length", shares);
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
