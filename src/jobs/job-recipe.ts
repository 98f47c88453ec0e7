import { type FieldViolation, invalidInput } from "../errors.ts";
import type { ProblemType } from "../model/heads.ts";
import type { InstanceSettings } from "../pretraining/pretraining-data.ts";
import { PRETRAINING_SETTING_NAMES } from "../pretraining/setting-names.ts";
import { DEFAULT_PRETRAINING_SETTINGS, type PretrainingSettings } from "../pretraining/settings.ts";
import type { AlbertVersion } from "../training/recipes.ts";
import { parseSettingTable, type SettingDescription } from "../training/setting-table.ts";
import { LABEL_SOURCES, type LabelsFrom } from "../training/task-data.ts";
import type { JobSpec } from "./job-spec.ts";

/** What a job's recipe says besides the settings of its training. */
export interface JobRecipe {
  readonly problemType?: ProblemType;
  readonly albertVersion?: AlbertVersion;
  readonly acceptWindowsText?: boolean;
  readonly labelsFrom?: LabelsFrom;
  readonly cased?: boolean;
  readonly vocabSize?: number;
  readonly randomInit?: string;
  readonly vocabulary?: string;
}

const TABLE: Readonly<Record<keyof JobRecipe, Omit<SettingDescription<keyof JobRecipe>, "key">>> = {
  problemType: {
    name: "problem_type",
    type: { kind: "choice", choices: ["single-label", "multi-label", "regression"] },
    description: "of a user's own classification data",
  },
  albertVersion: {
    name: "albert_version",
    type: { kind: "choice", choices: ["v1", "v2"] },
    description: "whose recipe applies",
  },
  acceptWindowsText: {
    name: "accept_windows_text",
    type: { kind: "boolean" },
    description: "drop byte order marks and carriage returns at line ends, which are errors otherwise",
  },
  labelsFrom: {
    name: "labels_from",
    type: { kind: "choice", choices: LABEL_SOURCES },
    description: "whose labels count where the model's head of the task and the data differ",
  },
  cased: { name: "cased", type: { kind: "boolean" }, description: "do not lower-case text" },
  vocabSize: {
    name: "vocab_size",
    // The special pieces, the official user symbols, and one that text can be spelt with.
    type: { kind: "number", integer: true, minimum: 14 },
    description: "pieces of the vocabulary",
  },
  randomInit: { name: "random_init", type: { kind: "text" }, description: "architecture of random weights" },
  vocabulary: {
    name: "vocabulary",
    type: { kind: "text" },
    description: "of random weights or instances: the digest of a dataset, or a path",
  },
};

const OWN_KEYS: Readonly<Record<JobSpec["kind"], readonly (keyof JobRecipe)[]>> = {
  "fine-tune": ["randomInit", "vocabulary", "cased", "problemType", "albertVersion", "acceptWindowsText", "labelsFrom"],
  pretrain: ["randomInit", "vocabulary", "cased"],
  evaluate: ["acceptWindowsText"],
  "train-vocabulary": ["vocabSize", "cased"],
  "pretraining-data": ["vocabulary", "cased"],
};

/**
 * Divides a job's recipe into what its kind knows by itself and what is left for the settings of training or of instances.
 *
 * @param prefix  comes before each name in the report, such as `recipe.`
 * @throws AlbertError invalid-input with every wrong value, and for kinds without further settings with every unknown name
 */
export function splitRecipe(
  { kind, recipe }: Pick<JobSpec, "kind" | "recipe">,
  prefix: string,
): { readonly own: JobRecipe; readonly settings: Readonly<Record<string, string>> } {
  const table = OWN_KEYS[kind].map((key) => ({ key, ...TABLE[key] }));
  const isOwn = ([name]: readonly [string, string]) => table.some((known) => known.name === name.replaceAll("-", "_"));
  const entries = Object.entries(recipe);
  const settings = Object.fromEntries(entries.filter((entry) => !isOwn(entry)));
  const { values, violations } = parseSettingTable(table, Object.fromEntries(entries.filter(isOwn)), prefix);
  const hasOthers = kind === "fine-tune" || kind === "pretrain" || kind === "pretraining-data";
  const unknown = hasOthers ? [] : Object.keys(settings).map((name) => unknownName(`${prefix}${name}`, table));
  if (violations.length + unknown.length > 0) throw invalidInput([...violations, ...unknown]);
  return { own: values as JobRecipe, settings }; // the table gives each key the type of its setting
}

function unknownName(field: string, table: readonly { readonly name: string }[]): FieldViolation {
  const names = table.map(({ name }) => name).join(", ");
  return { field, description: `this kind of job knows ${names}` };
}

/** Settings of a job that makes pretraining instances. */
export interface InstanceJobSettings extends InstanceSettings, Pick<PretrainingSettings, "maxSeqLength"> {
  /** How often the text is turned into differently masked instances. */
  readonly dupeFactor: number;
}

const KEYS: ReadonlySet<string> = new Set([
  "maxSeqLength",
  "shortSeqProb",
  "randomNextSentence",
  "singleSentence",
  "maskedLmProb",
  "maxPredictionsPerSeq",
  "ngram",
  "favorShorterNgram",
  "doWholeWordMask",
  "doPermutation",
  "officialQuirks",
] satisfies (keyof InstanceJobSettings)[]);

/** Every setting of such a job. */
export const INSTANCE_SETTING_NAMES: readonly SettingDescription<keyof PretrainingSettings | "dupeFactor">[] = [
  ...PRETRAINING_SETTING_NAMES.filter(({ key }) => KEYS.has(key)),
  {
    name: "dupe_factor",
    key: "dupeFactor",
    type: { kind: "number", integer: true, minimum: 1 },
    description: "how often the text is turned into differently masked instances",
  },
];

/**
 * The settings of a job that makes instances, from its recipe.
 *
 * @throws AlbertError invalid-input with every unknown name and every wrong value
 */
export function parseInstanceSettings(recipe: Readonly<Record<string, string>>, prefix: string): InstanceJobSettings {
  const { values, violations } = parseSettingTable(INSTANCE_SETTING_NAMES, recipe, prefix);
  if (violations.length > 0) throw invalidInput(violations);
  // The table gives each key the type of its setting.
  return { ...DEFAULT_PRETRAINING_SETTINGS, dupeFactor: 10, ...(values as Partial<InstanceJobSettings>) };
}
