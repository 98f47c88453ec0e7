import { type FieldViolation, invalidInput } from "../errors.ts";
import type { ProblemType } from "../model/heads.ts";
import type { InstanceSettings } from "../pretraining/pretraining-data.ts";
import { PRETRAINING_SETTING_NAMES } from "../pretraining/setting-names.ts";
import { DEFAULT_PRETRAINING_SETTINGS, type PretrainingSettings } from "../pretraining/settings.ts";
import { type ColumnNames, parseColumns } from "../training/data/fields.ts";
import type { ReadingOptions } from "../training/data/rows.ts";
import { LABEL_SOURCES, type LabelsFrom } from "../training/features/task-data.ts";
import type { AlbertVersion } from "../training/settings/recipes.ts";
import { parseSettingTable, type SettingDescription } from "../training/settings/setting-table.ts";
import type { JobSpec } from "./job-spec.ts";

/** What a job's recipe says besides the settings of its training. */
export interface JobRecipe extends ReadingOptions {
  readonly problemType?: ProblemType;
  readonly albertVersion?: AlbertVersion;
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
    description:
      "of official layouts: drop byte order marks and carriage returns at line ends, which are errors otherwise; own data may have them",
  },
  columns: {
    name: "columns",
    type: { kind: "text" },
    description: "names of a user's own columns, such as text=review,label=stars or choices=ending0|ending1",
  },
  skipInvalid: {
    name: "skip_invalid",
    type: { kind: "number", minimum: 0 },
    description: "go on without rows that cannot be used, if they are at most this share of all, such as 0.01",
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

const READING = ["acceptWindowsText", "columns", "skipInvalid"] as const;

const OWN_KEYS: Readonly<Record<JobSpec["kind"], readonly (keyof JobRecipe)[]>> = {
  "fine-tune": ["randomInit", "vocabulary", "cased", "problemType", "albertVersion", "labelsFrom", ...READING],
  pretrain: ["randomInit", "vocabulary", "cased"],
  evaluate: READING,
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
  const own = values as Omit<JobRecipe, "columns"> & { readonly columns?: string }; // the table gives each key its setting's type
  const share = own.skipInvalid ?? 0;
  const excess =
    share <= 1 ? [] : [{ field: `${prefix}skip_invalid`, description: `expected a share from 0 to 1, got ${share}` }];
  const all = [...violations, ...unknown, ...excess];
  if (all.length > 0) throw invalidInput(all);
  const { columns, ...rest } = own;
  return { own: { ...rest, ...parsedColumns(columns, `${prefix}columns`) }, settings };
}

function parsedColumns(text: string | undefined, field: string): { readonly columns?: ColumnNames } {
  return text === undefined ? {} : { columns: parseColumns(text, field) };
}

/** What a recipe says about how data is read. */
export function readingOf({ columns, acceptWindowsText, skipInvalid }: JobRecipe): ReadingOptions {
  return {
    ...(columns === undefined ? {} : { columns }),
    ...(acceptWindowsText === undefined ? {} : { acceptWindowsText }),
    ...(skipInvalid === undefined ? {} : { skipInvalid }),
  };
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
