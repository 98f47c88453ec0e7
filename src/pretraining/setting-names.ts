import { invalidInput } from "../errors.ts";
import { parseSettingTable, type SettingDescription, type SettingType } from "../training/settings/setting-table.ts";
import { DEFAULT_PRETRAINING_SETTINGS, type PretrainingSettings } from "./settings.ts";

const number: SettingType = { kind: "number", minimum: 0 };
const integer: SettingType = { kind: "number", integer: true, minimum: 0 };
const count: SettingType = { kind: "number", integer: true, minimum: 1 };
const flag: SettingType = { kind: "boolean" };
const choice = (...choices: string[]): SettingType => ({ kind: "choice", choices });

/** Every setting of a pretraining run; flags, recipes of jobs and help texts derive from this table. */
export const PRETRAINING_SETTING_NAMES: readonly SettingDescription<keyof PretrainingSettings>[] = [
  setting("learning_rate", "learningRate", number, "nominal learning rate"),
  setting("num_train_steps", "numTrainSteps", count, "optimizer steps of the whole run"),
  setting("num_warmup_steps", "numWarmupSteps", integer, "steps of linear warmup"),
  setting("start_warmup_step", "startWarmupStep", integer, "step from which the warmup counts"),
  setting("poly_power", "polyPower", number, "exponent of the polynomial decay"),
  setting("schedule", "schedule", choice("official", "rebased", "cosine", "constant"), "course of the learning rate"),
  setting("optimizer", "optimizer", choice("lamb", "adamw", "adamw-corrected"), "update rule"),
  setting("weight_decay", "weightDecay", number, "decay of kernels and tables"),
  setting("clip_norm", "clipNorm", number, "largest global norm of the gradient; 0 turns clipping off"),
  setting("train_batch_size", "trainBatchSize", count, "instances of one optimizer step"),
  setting("max_seq_length", "maxSeqLength", count, "longest instance in tokens, special tokens included"),
  setting("max_predictions_per_seq", "maxPredictionsPerSeq", count, "most masked tokens of an instance"),
  setting("save_checkpoints_steps", "saveCheckpointsSteps", count, "steps between checkpoints and evaluations"),
  setting("keep_checkpoint_max", "keepCheckpointMax", count, "newest checkpoints kept beside the best one"),
  setting("eval_instances", "evalInstances", count, "instances of one evaluation"),
  setting("seed", "seed", integer, "seed of initial weights, instances and dropout"),
  setting("dropout", "dropout", number, "dropout of hidden states and attention, instead of the configuration's"),
  setting("token_budget", "tokenBudget", count, "most tokens of one micro-batch, padding included"),
  setting("pack_segments", "packSegments", integer, "most instances that share a row; 0 pads each by itself"),
  setting("curriculum", "curriculum", { kind: "list" }, "shorter sequences first, as LENGTH:SHARE,... of the steps"),
  setting("short_seq_prob", "shortSeqProb", number, "probability that a document is cut to shorter instances"),
  setting("masked_lm_prob", "maskedLmProb", number, "share of tokens to mask"),
  setting("ngram", "ngram", count, "longest run of words masked together"),
  setting("favor_shorter_ngram", "favorShorterNgram", flag, "short runs are likelier than long ones"),
  setting("do_whole_word_mask", "doWholeWordMask", flag, "mask whole words"),
  setting("do_permutation", "doPermutation", flag, "besides masking, let as many tokens change places"),
  setting(
    "random_next_sentence",
    "randomNextSentence",
    flag,
    "negatives from other documents instead of swapped order",
  ),
  setting(
    "single_sentence",
    "singleSentence",
    choice("random-next", "split", "drop"),
    "what becomes of a chunk of one sentence",
  ),
  setting("official_quirks", "officialQuirks", flag, "make instances exactly as Google's script, flaws included"),
  setting("held_out", "heldOut", number, "share of the documents kept for evaluation"),
  setting("iterations_per_loop", "iterationsPerLoop", count, "optimizer steps of one run of a graph, of one shape"),
  setting("max_restarts", "maxRestarts", integer, "restarts at half the rate after a divergence"),
];

/**
 * Settings written as text over the defaults.
 *
 * @throws AlbertError invalid-input with every unknown name (and the nearest known one) and every wrong value
 */
export function parsePretrainingSettings(given: Readonly<Record<string, string>>, prefix = ""): PretrainingSettings {
  const { values, violations } = parseSettingTable(PRETRAINING_SETTING_NAMES, given, prefix);
  const { curriculum: written, ...rest } = values;
  const stages = ((written ?? []) as string[]).map((entry) => {
    const [, length, share] = /^(\d+):(0?\.\d+)$/.exec(entry) ?? [];
    if (length === undefined) {
      const description = `expected entries such as 128:0.9, got ${JSON.stringify(entry)}`;
      violations.push({ field: `${prefix}curriculum`, description });
    }
    return { sequenceLength: Number(length), share: Number(share) };
  });
  if (violations.length > 0) throw invalidInput(violations);
  // The table gives each key the type of its setting.
  return { ...DEFAULT_PRETRAINING_SETTINGS, ...(rest as Partial<PretrainingSettings>), curriculum: stages };
}

function setting(
  name: string,
  key: keyof PretrainingSettings,
  type: SettingType,
  description: string,
): SettingDescription<keyof PretrainingSettings> {
  return { name, key, type, description };
}
