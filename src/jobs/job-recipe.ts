import { type FieldViolation, invalidInput } from "../errors.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../model/directory/weight-formats.ts";
import type { ProblemType } from "../model/heads.ts";
import { DEFAULT_PRETRAINING_SETTINGS, PRETRAINING, type PretrainingSettings } from "../pretraining/hyperparameters.ts";
import type { InstanceSettings } from "../pretraining/pretraining-data.ts";
import { FITS, type FitKind } from "../tasks/evaluation/calibrate-head.ts";
import type { ReadingOptions } from "../training/data/rows/dataset-rows.ts";
import { SEPARATOR_NAMES } from "../training/data/rows/delimited-format.ts";
import { type ColumnNames, parseColumns } from "../training/data/rows/fields.ts";
import { LABEL_SOURCES, type LabelsFrom } from "../training/features/task-data.ts";
import type { AlbertVersion } from "../training/settings/recipes.ts";
import { nameOf, parseTable, type Row } from "../training/settings/table.ts";
import {
  between,
  choice,
  flag,
  integer,
  type NumberType,
  text,
  type ValueType,
} from "../training/settings/value-type.ts";
import type { JobSpec } from "./job-spec.ts";

// Divides a job's recipe into what the job itself reads and the hyperparameters of its training or of its instances.

/** What a job's recipe says besides the settings of its training. */
export interface JobRecipe extends ReadingOptions {
  readonly problemType?: ProblemType;
  readonly albertVersion?: AlbertVersion;
  readonly labelsFrom?: LabelsFrom;
  readonly cased?: boolean;
  readonly vocabSize?: number;
  readonly randomInit?: string;
  readonly student?: string;
  readonly vocabulary?: string;
  readonly weights?: WeightFormat;
  readonly fit?: FitKind;
  readonly embeddingsApart?: boolean;
  readonly calibrationExamples?: number;
  readonly maxLoss?: number;
}

const TABLE: Readonly<Record<keyof JobRecipe, Row<ValueType, void>>> = {
  problemType: {
    type: choice("single-label", "multi-label", "regression"),
    description: "of a user's own classification data",
  },
  albertVersion: { type: choice("v1", "v2"), description: "whose recipe applies" },
  acceptWindowsText: {
    type: flag,
    description:
      "of official layouts: drop byte order marks and carriage returns at line ends, which are errors otherwise; own data may have them",
  },
  columns: {
    type: text,
    description: "names of a user's own columns, such as text=review,label=stars or choices=ending0|ending1",
  },
  skipInvalid: {
    type: between(0, 1),
    description: "go on without rows that cannot be used, if they are at most this share of all, such as 0.01",
  },
  separator: {
    type: choice(...SEPARATOR_NAMES),
    description: "what divides the cells of CSV and TSV files of a user's own, where it is not found out rightly",
  },
  labelsFrom: {
    type: choice(...LABEL_SOURCES),
    description: "whose labels count where the model's head of the task and the data differ",
  },
  cased: { type: flag, description: "do not lower-case text" },
  // The special pieces, the official user symbols, and one that text can be spelt with.
  vocabSize: { type: integer(14, 10_000_000), description: "pieces of the vocabulary" },
  randomInit: { type: text, description: "architecture of random weights" },
  student: {
    type: text,
    description: "architecture of the student of a teacher, by name or as JSON; it takes over the teacher's vocabulary",
  },
  vocabulary: { type: text, description: "of random weights or instances: the digest of a dataset, or a path" },
  fit: {
    type: choice(...FITS),
    description: "of a calibration: a temperature, or besides, of two labels, the threshold of the second",
  },
  weights: { type: choice(...WEIGHT_FORMATS), description: "how a conversion stores weights" },
  embeddingsApart: {
    type: flag,
    description: "word embeddings in a file of their own, which models of one trunk share",
  },
  calibrationExamples: { type: integer(1, 65_536), description: "examples by which a quantisation finds scales" },
  maxLoss: {
    type: between(0, 1),
    description:
      "most that the task's metric may lose on those examples, such as 0.005, before products stay in float32",
  },
};

const READING = ["acceptWindowsText", "columns", "skipInvalid", "separator"] as const;

const OWN_KEYS: Readonly<Record<JobSpec["kind"], readonly (keyof JobRecipe)[]>> = {
  "fine-tune": ["randomInit", "vocabulary", "cased", "problemType", "albertVersion", "labelsFrom", ...READING],
  sweep: ["randomInit", "vocabulary", "cased", "problemType", "albertVersion", "labelsFrom", ...READING],
  distil: ["student", "problemType", "albertVersion", ...READING],
  pretrain: ["randomInit", "student", "vocabulary", "cased"],
  evaluate: READING,
  convert: ["weights", "embeddingsApart", ...READING],
  calibrate: ["fit", ...READING],
  quantise: ["calibrationExamples", "maxLoss", ...READING],
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
  const keys = OWN_KEYS[kind];
  const isOwn = ([name]: readonly [string, string]) => keys.some((key) => nameOf(key) === name.replaceAll("-", "_"));
  const entries = Object.entries(recipe);
  const settings = Object.fromEntries(entries.filter((entry) => !isOwn(entry)));
  const { values, violations } = parseTable(TABLE, Object.fromEntries(entries.filter(isOwn)), prefix);
  const hasOthers = ["fine-tune", "sweep", "distil", "pretrain", "pretraining-data"].includes(kind);
  const unknown = hasOthers ? [] : Object.keys(settings).map((name) => unknownName(`${prefix}${name}`, keys));
  const own = values as Omit<JobRecipe, "columns"> & { readonly columns?: string }; // the table gives each key its setting's type
  if (violations.length + unknown.length > 0) throw invalidInput([...violations, ...unknown]);
  const { columns, ...rest } = own;
  return { own: { ...rest, ...parsedColumns(columns, `${prefix}columns`) }, settings };
}

function parsedColumns(text: string | undefined, field: string): { readonly columns?: ColumnNames } {
  return text === undefined ? {} : { columns: parseColumns(text, field) };
}

/** What a recipe says about how data is read. */
export function readingOf({ columns, acceptWindowsText, skipInvalid, separator }: JobRecipe): ReadingOptions {
  return {
    ...(columns === undefined ? {} : { columns }),
    ...(acceptWindowsText === undefined ? {} : { acceptWindowsText }),
    ...(skipInvalid === undefined ? {} : { skipInvalid }),
    ...(separator === undefined ? {} : { separator }),
  };
}

function unknownName(field: string, keys: readonly string[]): FieldViolation {
  return { field, description: `this kind of job knows ${keys.map(nameOf).join(", ")}` };
}

/** Settings of a job that makes pretraining instances. */
export interface InstanceJobSettings extends InstanceSettings, Pick<PretrainingSettings, "maxSeqLength"> {
  /** How often the text is turned into differently masked instances. */
  readonly dupeFactor: number;
}

const { maxSeqLength, shortSeqProb, randomNextSentence, singleSentence, maskedLmProb } = PRETRAINING;
const { maxPredictionsPerSeq, ngram, favorShorterNgram, doWholeWordMask, doPermutation, officialQuirks } = PRETRAINING;
const dupeFactor: Row<NumberType, void> = {
  type: integer(1, 100_000),
  description: "how often the text is turned into differently masked instances",
};

/** Every setting of such a job: the rows of pretraining that decide instances, and one more. */
export const INSTANCES = {
  maxSeqLength,
  shortSeqProb,
  randomNextSentence,
  singleSentence,
  maskedLmProb,
  maxPredictionsPerSeq,
  ngram,
  favorShorterNgram,
  doWholeWordMask,
  doPermutation,
  officialQuirks,
  dupeFactor,
} as const;

/**
 * The settings of a job that makes instances, from its recipe.
 *
 * @throws AlbertError invalid-input with every unknown name and every wrong value
 */
export function parseInstanceSettings(recipe: Readonly<Record<string, string>>, prefix: string): InstanceJobSettings {
  const { values, violations } = parseTable(INSTANCES, recipe, prefix);
  if (violations.length > 0) throw invalidInput(violations);
  return { ...DEFAULT_PRETRAINING_SETTINGS, dupeFactor: 10, ...values };
}
