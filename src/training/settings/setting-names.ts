import { invalidInput } from "../../errors.ts";
import { parseSettingTable, type SettingDescription, type SettingType } from "./setting-table.ts";
import type { GivenSettings } from "./settings.ts";

const number = (minimum = 0): SettingType => ({ kind: "number", minimum });
const integer = (minimum = 0): SettingType => ({ kind: "number", integer: true, minimum });

/** Every setting of a fine-tune; flags, recipes of jobs and help texts derive from this table. */
export const SETTING_NAMES: readonly SettingDescription<keyof GivenSettings>[] = [
  setting("learning_rate", "learningRate", number(), "nominal learning rate"),
  setting("train_step", "trainStep", integer(1), "optimizer steps of the whole run"),
  setting("num_train_epochs", "numTrainEpochs", number(), "passes over the data, instead of train_step"),
  setting("warmup_step", "warmupStep", integer(), "steps of linear warmup"),
  setting("warmup_proportion", "warmupProportion", number(), "warmup as a share of the steps, instead of warmup_step"),
  setting(
    "schedule",
    "schedule",
    choice("official", "rebased", "cosine", "constant"),
    "course of the learning rate; official is linear warmup and linear decay with Google's quirks",
  ),
  setting("train_batch_size", "trainBatchSize", integer(1), "examples of one optimizer step"),
  setting("max_seq_length", "maxSeqLength", integer(4), "longest sequence in tokens, special tokens included"),
  setting("doc_stride", "docStride", integer(1), "tokens by which the windows of a long context advance"),
  setting("max_query_length", "maxQueryLength", integer(1), "tokens kept of a question"),
  setting("max_answer_length", "maxAnswerLength", integer(1), "tokens of the longest answer"),
  setting("n_best_size", "nBestSize", integer(1), "answers kept for each question"),
  setting("max_qa_length", "maxQaLength", integer(1), "tokens kept of question and option together"),
  setting("optimizer", "optimizer", choice("adamw", "adamw-corrected", "lamb"), "update rule"),
  setting("weight_decay", "weightDecay", number(), "decay of kernels and tables"),
  setting("clip_norm", "clipNorm", number(), "largest global norm of the gradient; 0 turns clipping off"),
  setting("dropout", "dropout", number(), "dropout of hidden states and attention"),
  setting("head_dropout", "headDropout", number(), "dropout before the head"),
  setting("save_checkpoints_steps", "saveCheckpointsSteps", integer(1), "steps between checkpoints and evaluations"),
  setting("keep_checkpoint_max", "keepCheckpointMax", integer(1), "newest checkpoints kept beside the best one"),
  setting("metric", "metric", { kind: "text" }, "metric of the best checkpoint and of early stopping"),
  setting("patience", "patience", integer(), "evaluations without improvement before stopping; 0 runs through"),
  setting("seed", "seed", integer(), "seed of initial weights, data order and dropout"),
  setting("grouping", "grouping", choice("length", "none"), "whether examples of like length share a step"),
  setting("token_budget", "tokenBudget", integer(1), "most tokens of one micro-batch, padding included"),
  setting("ema_decay", "emaDecay", number(), "decay of the moving average of the weights; 0 keeps none"),
  setting("head_only", "headOnly", { kind: "boolean" }, "train the head alone on cached outputs of the trunk"),
  setting("freeze", "freeze", { kind: "list" }, "parameters whose name contains one of these stay as they are"),
  setting(
    "reinitialize",
    "reinitialize",
    { kind: "list" },
    "parameters whose name contains one of these are drawn anew",
  ),
  setting(
    "iterations_per_loop",
    "iterationsPerLoop",
    integer(1),
    "optimizer steps of one run of a graph, of one shape",
  ),
  setting("max_restarts", "maxRestarts", integer(), "restarts at half the rate after a divergence"),
];

/**
 * Reads settings written as text.
 *
 * @param prefix  comes before each name in the report, such as `recipe.`
 * @throws AlbertError invalid-input with every unknown name (and the nearest known one) and every wrong value
 */
export function parseSettings(given: Readonly<Record<string, string>>, prefix = ""): GivenSettings {
  const { values: settings, violations } = parseSettingTable(SETTING_NAMES, given, prefix);
  for (const [one, other] of [
    ["trainStep", "numTrainEpochs"],
    ["warmupStep", "warmupProportion"],
  ] as const) {
    if (one in settings && other in settings) {
      violations.push({ field: `${prefix}${nameOf(one)}`, description: `excludes ${nameOf(other)}: give one of them` });
    }
  }
  if (violations.length > 0) throw invalidInput(violations);
  return settings as GivenSettings; // the table gives each key the type of its setting
}

/** Official spelling of a setting. */
export function nameOf(key: keyof GivenSettings): string {
  return SETTING_NAMES.find((setting) => setting.key === key)?.name ?? key;
}

function setting(
  name: string,
  key: keyof GivenSettings,
  type: SettingType,
  description: string,
): SettingDescription<keyof GivenSettings> {
  return { name, key, type, description };
}

function choice(...choices: readonly string[]): SettingType {
  return { kind: "choice", choices };
}
