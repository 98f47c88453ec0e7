import { type FieldViolation, invalidInput } from "../../../errors.ts";
import type { DataLocation } from "../../../tasks/datasets/data-source.ts";
import type { RowIssue } from "../issues.ts";

// The fields of a row of a user's own data, and under which names they are found.

/** Fields a row of a user's own data may have. */
export type FieldName =
  | "id"
  | "text"
  | "text_pair"
  | "label"
  | "question"
  | "context"
  | "answers"
  | "answer"
  | "answer_start"
  | "is_impossible"
  | "choices"
  | "document"
  | "anchor"
  | "positive"
  | "negative"
  | "score";

/** A user's own names for fields. Those of the choices may be several, divided by `|`. */
export type ColumnNames = Readonly<Partial<Record<FieldName, string>>>;

/** Names under which a field is looked for, in this order, where the user gave none. */
const ALIASES: Readonly<Record<FieldName, readonly string[]>> = {
  id: ["id", "guid", "index", "example_id"],
  text: ["text", "sentence", "sentence1", "premise", "review", "content"],
  text_pair: ["text_pair", "sentence2", "hypothesis", "text2"],
  label: ["label", "labels", "score", "class", "category", "target"],
  question: ["question", "query", "sent2", "goal"],
  context: ["context", "article", "passage", "document_text", "sent1", "text"],
  answers: ["answers"],
  answer: ["answer", "answer_text", "label", "correct", "correct_answer"],
  answer_start: ["answer_start", "start"],
  is_impossible: ["is_impossible", "unanswerable"],
  choices: ["choices", "options", "endings"],
  document: ["document", "document_id", "title", "group"],
  anchor: ["anchor", "query", "question", "sentence1", "text1", "text", "premise"],
  positive: ["positive", "pos", "answer", "passage", "sentence2", "text2", "text_pair", "hypothesis"],
  negative: ["negative", "negatives", "neg", "hard_negative", "hard_negatives"],
  score: ["score", "similarity", "similarity_score"],
};

/** Words that columns of choices are numbered or lettered behind, such as in `ending0` or `optionA`. */
const CHOICE_STEMS = ["choice", "ending", "option", "answer", "op", "sol", "alternative"];

/** Words that columns of negatives are numbered behind. */
const NEGATIVE_STEMS = ["negative", "neg", "hard_negative"];

/** One value and where it stands. */
export interface Field {
  /** A cell's text, or any JSON value. */
  readonly value: unknown;
  readonly location: RowIssue["location"];
}

/** Values of a row under their columns or keys, in order. */
export type RowValues = readonly (readonly [column: string, value: unknown])[];

/** One row of a user's own data, whatever the file's format. */
export interface FieldRow {
  readonly location: DataLocation;
  get(name: FieldName): Field | undefined;
  /** Values of the columns that hold a choice each, in order; those at the end that are empty are left out. */
  choiceColumns(): readonly Field[];
  /** Values of the columns that hold a negative each (`negative_1`, ...), in order. */
  negativeColumns(): readonly Field[];
  /** The value under any other name. */
  column(name: string): Field | undefined;
  /** Every value under its column or key, in order. */
  values(): RowValues;
  /** What was wrong with the line itself. */
  readonly issues: readonly RowIssue[];
}

/**
 * Reads a user's names for fields: `text=review,label=stars`, for choices in several columns `choices=ending0|ending1|ending2`.
 *
 * @param field  what messages call the whole
 * @throws AlbertError invalid-input with every wrong part
 */
export function parseColumns(text: string, field: string): ColumnNames {
  const columns: Partial<Record<FieldName, string>> = {};
  const violations: FieldViolation[] = [];
  const known = Object.keys(ALIASES) as FieldName[];
  const refuse = (description: string) => violations.push({ field, description });
  for (const pair of text.split(",")) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, at).trim();
    const column = pair.slice(at + 1).trim();
    const fieldName = known.find((candidate) => candidate === name);
    if (at < 1 || column === "") refuse(`expected field=column, got ${JSON.stringify(pair)}`);
    else if (fieldName === undefined)
      refuse(`${JSON.stringify(name)} is no field of data: expected ${known.join(", ")}`);
    else if (columns[fieldName] !== undefined)
      refuse(`${name} is given twice: choices are named choices=first|second|...`);
    else columns[fieldName] = column;
  }
  if (violations.length > 0) throw invalidInput(violations);
  return columns;
}

/** The key that holds a field: the user's own name for it, else the first alias that is there. */
export function fieldKey(name: FieldName, keys: readonly string[], columns: ColumnNames): string | undefined {
  const own = columns[name];
  if (own !== undefined) return keys.includes(own) ? own : keys.find((key) => key.trim() === own);
  const lower = new Map(keys.map((key) => [key.trim().toLowerCase(), key]));
  return ALIASES[name].map((alias) => lower.get(alias)).find((key) => key !== undefined);
}

/** The column or key of each field that is found among these. */
export function fieldColumns(keys: readonly string[], columns: ColumnNames): Partial<Record<FieldName, string>> {
  const found = (Object.keys(ALIASES) as FieldName[]).flatMap((name) => {
    const key = fieldKey(name, keys, columns);
    return key === undefined ? [] : [[name, key] as const];
  });
  return Object.fromEntries(found);
}

/** How a missing field is called in messages. */
export function fieldNames(name: FieldName, columns: ColumnNames): string {
  return columns[name] ?? ALIASES[name].slice(0, 3).join(", ");
}

/** The columns that a user names one by one for the choices; undefined where they are not so named. */
export function namedChoices(keys: readonly string[], { choices }: ColumnNames): string[] | undefined {
  if (choices === undefined || keys.includes(choices) || !choices.includes("|")) return undefined;
  return choices.split("|").map((name) => keys.find((key) => key.trim() === name.trim()) ?? name.trim());
}

/**
 * Keys of the columns that hold a choice each, in order: those the user names, else numbered ones (`choice_1`, `ending0`,
 * `optionA`, ...), else single letters from A.
 */
export function choiceKeys(keys: readonly string[], columns: ColumnNames): string[] {
  const named = namedChoices(keys, columns);
  if (named !== undefined) return named.filter((name) => keys.includes(name));
  if (columns.choices !== undefined) return [];
  const numbered = numberedKeys(keys, CHOICE_STEMS, 2);
  if (numbered.length > 0) return numbered;
  const letters: string[] = [];
  for (let code = 65; ; code++) {
    const letter = keys.find((key) => key.trim().toUpperCase() === String.fromCharCode(code));
    if (letter === undefined) return letters;
    letters.push(letter);
  }
}

/** Keys of the columns that hold a negative each, in order: numbered ones, such as `negative_1`. */
export function negativeKeys(keys: readonly string[]): string[] {
  return numberedKeys(keys, NEGATIVE_STEMS, 1);
}

/** Keys that are numbered or lettered behind the first of the words that so many are, in order. */
function numberedKeys(keys: readonly string[], stems: readonly string[], fewest: number): string[] {
  for (const stem of stems) {
    const pattern = new RegExp(`^${stem}[_ ]?(\\d+|[a-z])$`, "i");
    const numbered = keys
      .map((key) => ({ key, number: pattern.exec(key.trim())?.[1]?.toLowerCase() }))
      .flatMap(({ key, number }) => (number === undefined ? [] : [{ key, rank: rankOf(number) }]))
      .sort((a, b) => a.rank - b.rank)
      .map(({ key }) => key);
    if (numbered.length >= fewest) return numbered;
  }
  return [];
}

/** Place of a number or of a letter from a. */
function rankOf(number: string): number {
  return /^\d/.test(number) ? Number(number) : number.charCodeAt(0) - 97;
}

/** Choices up to the last one that is not empty. */
export function withoutEmptyEnd(choices: readonly Field[]): readonly Field[] {
  const last = choices.findLastIndex(({ value }) => value !== "");
  return choices.slice(0, last + 1);
}
