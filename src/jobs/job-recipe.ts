import { type FieldViolation, invalidInput } from "../errors.ts";
import type { ProblemType } from "../model/heads.ts";
import type { AlbertVersion } from "../training/recipes.ts";
import { parseSettingTable, type SettingDescription } from "../training/setting-table.ts";
import { LABEL_SOURCES, type LabelsFrom } from "../training/task-data.ts";
import type { JobSpec } from "./job-spec.ts";

/** What a job's recipe says besides the settings of its training. */
export interface OwnRecipe {
  readonly problemType?: ProblemType;
  readonly albertVersion?: AlbertVersion;
  readonly acceptWindowsText?: boolean;
  readonly labelsFrom?: LabelsFrom;
  readonly cased?: boolean;
  readonly vocabSize?: number;
  readonly randomInit?: string;
  readonly vocabulary?: string;
}

const TABLE: Readonly<Record<keyof OwnRecipe, Omit<SettingDescription<keyof OwnRecipe>, "key">>> = {
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

const OWN_KEYS: Readonly<Record<JobSpec["kind"], readonly (keyof OwnRecipe)[]>> = {
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
export function divideRecipe(
  { kind, recipe }: Pick<JobSpec, "kind" | "recipe">,
  prefix: string,
): { readonly own: OwnRecipe; readonly settings: Readonly<Record<string, string>> } {
  const table = OWN_KEYS[kind].map((key) => ({ key, ...TABLE[key] }));
  const isOwn = ([name]: readonly [string, string]) => table.some((known) => known.name === name.replaceAll("-", "_"));
  const entries = Object.entries(recipe);
  const settings = Object.fromEntries(entries.filter((entry) => !isOwn(entry)));
  const { values, violations } = parseSettingTable(table, Object.fromEntries(entries.filter(isOwn)), prefix);
  const hasOthers = kind === "fine-tune" || kind === "pretrain" || kind === "pretraining-data";
  const unknown = hasOthers ? [] : Object.keys(settings).map((name) => unknownName(`${prefix}${name}`, table));
  if (violations.length + unknown.length > 0) throw invalidInput([...violations, ...unknown]);
  return { own: values as OwnRecipe, settings }; // the table gives each key the type of its setting
}

function unknownName(field: string, table: readonly { readonly name: string }[]): FieldViolation {
  const names = table.map(({ name }) => name).join(", ");
  return { field, description: `this kind of job knows ${names}` };
}
