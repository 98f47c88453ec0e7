import { invalidInput } from "../../errors.ts";
import type { InstanceSettings } from "../../pretraining/pretraining-data.ts";
import { PRETRAINING_SETTING_NAMES } from "../../pretraining/setting-names.ts";
import { DEFAULT_PRETRAINING_SETTINGS, type PretrainingSettings } from "../../pretraining/settings.ts";
import { parseSettingTable, type SettingDescription } from "../../training/setting-table.ts";

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
