import type { DataLocation } from "../../tasks/datasets/data-source.ts";
import type { RowIssue } from "./issues.ts";

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
  | "document";

/** A user's own names for fields. */
export type ColumnNames = Readonly<Partial<Record<FieldName, string>>>;

/** Names under which a field is looked for, in this order, where the user gave none. */
const ALIASES: Readonly<Record<FieldName, readonly string[]>> = {
  id: ["id", "guid", "index", "example_id"],
  text: ["text", "sentence", "sentence1", "premise", "review", "content"],
  text_pair: ["text_pair", "sentence2", "hypothesis", "text2"],
  label: ["label", "labels", "score", "class", "category", "target"],
  question: ["question", "query"],
  context: ["context", "article", "passage", "document_text", "text"],
  answers: ["answers"],
  answer: ["answer", "answer_text", "label", "correct"],
  answer_start: ["answer_start", "start"],
  is_impossible: ["is_impossible", "unanswerable"],
  choices: ["choices", "options", "endings"],
  document: ["document", "document_id", "title", "group"],
};

/** One value and where it stands. */
export interface Field {
  /** A cell's text, or any JSON value. */
  readonly value: unknown;
  readonly location: DataLocation;
}

/** One row of a user's own data, whatever the file's format. */
export interface FieldRow {
  readonly location: DataLocation;
  get(name: FieldName): Field | undefined;
  /** Values of numbered columns such as choice_1, choice_2, ... or of A, B, C, ..., in order. */
  numbered(stem: string): readonly Field[];
  /** What was wrong with the line itself. */
  readonly issues: readonly RowIssue[];
}

/** The key that holds a field: the user's own name for it, else the first alias that is there. */
export function fieldKey(name: FieldName, keys: readonly string[], columns: ColumnNames): string | undefined {
  const own = columns[name];
  if (own !== undefined) return keys.includes(own) ? own : undefined;
  const lower = new Map(keys.map((key) => [key.trim().toLowerCase(), key]));
  return ALIASES[name].map((alias) => lower.get(alias)).find((key) => key !== undefined);
}

/** How a missing field is called in messages. */
export function fieldNames(name: FieldName, columns: ColumnNames): string {
  return columns[name] ?? ALIASES[name].slice(0, 3).join(", ");
}

/** Keys of numbered columns in order: `choice_1`, `choice 2`, `choice3`, ... or single letters from A. */
export function numberedKeys(keys: readonly string[], stem: string): string[] {
  const pattern = new RegExp(`^${stem}[_ ]?(\\d+)$`, "i");
  const numbered = keys
    .map((key) => ({ key, number: pattern.exec(key.trim())?.[1] }))
    .filter(({ number }) => number !== undefined)
    .sort((a, b) => Number(a.number) - Number(b.number))
    .map(({ key }) => key);
  if (numbered.length > 0) return numbered;
  const letters: string[] = [];
  for (let code = 65; ; code++) {
    const letter = keys.find((key) => key.trim().toUpperCase() === String.fromCharCode(code));
    if (letter === undefined) return letters;
    letters.push(letter);
  }
}
