import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { processText } from "../features/process-text.ts";
import {
  type DataLocation,
  type DataSource,
  dataError,
  invalidUtf8At,
  type TextLine,
  textLines,
} from "./data-source.ts";

// The GLUE tasks in their official layout: rows, texts and labels.

export type GlueSplit = "train" | "dev" | "test";

export type GlueTaskName =
  | "cola"
  | "mnli"
  | "mnli-mm"
  | "mrpc"
  | "sst-2"
  | "sts-b"
  | "qqp"
  | "qnli"
  | "rte"
  | "wnli"
  | "ax";

/** Which column holds what, counted from 0; `last` counts from the end. */
interface Columns {
  readonly guid?: number;
  readonly text: number;
  readonly textPair?: number;
  readonly label?: number | "last";
  readonly header: boolean;
}

/** One GLUE task as the official reader lays it out. */
export interface GlueTask {
  readonly name: GlueTaskName;
  /** Folder of the official download. */
  readonly directory: string;
  readonly files: Readonly<Partial<Record<GlueSplit, string>>>;
  /** In the order of label ids; one entry, the name of the value, for a regression. */
  readonly labels: readonly string[];
  readonly isRegression: boolean;
  /** Official metric that selects checkpoints. */
  readonly selectionMetric: "eval_accuracy" | "matthew_corr" | "pearson";
  readonly columns: Readonly<Record<GlueSplit, Columns>>;
  /** Rows that are too short are passed over, as the official reader does. */
  readonly skipsShortRows?: true;
  /** The guid column is taken as it is, not cleaned. */
  readonly rawGuid?: true;
}

/** One row, as it stands in the file. */
export interface GlueExample {
  /** Submission index: the guid column where there is one, else "<split>-<row>" with the header counted. */
  readonly guid: string;
  readonly text: string;
  readonly textPair?: string;
  /** A label's name, or a number for a regression. The official dummy where the split has none. */
  readonly label: string | number;
  readonly location: DataLocation;
}

/** How official headers call the column that is never text. */
const LABEL_HEADER = /^(label|labels|gold_label|is_duplicate|score|quality|index|id|qid\d|#\d id)$/i;

const BINARY = ["0", "1"] as const;
const ENTAILMENT = ["entailment", "not_entailment"] as const;
const THREE_WAY = ["contradiction", "entailment", "neutral"] as const;

const TASKS: readonly GlueTask[] = [
  mnli("mnli", "matched"),
  mnli("mnli-mm", "mismatched"),
  task("mrpc", "MRPC", BINARY, { text: 3, textPair: 4, label: 0, header: true }, { guid: 0 }),
  {
    ...task("cola", "CoLA", BINARY, { text: 3, label: 1, header: false }, { guid: 0, text: 1, header: true }),
    selectionMetric: "matthew_corr",
  },
  task("sst-2", "SST-2", BINARY, { text: 0, label: 1, header: true }, { guid: 0, text: 1 }),
  {
    ...task("sts-b", "STS-B", ["score"], { guid: 0, text: 7, textPair: 8, label: "last", header: true }),
    isRegression: true,
    selectionMetric: "pearson",
  },
  {
    ...task("qqp", "QQP", BINARY, { guid: 0, text: 3, textPair: 4, label: 5, header: true }, { text: 1, textPair: 2 }),
    skipsShortRows: true,
    rawGuid: true,
  },
  task("qnli", "QNLI", ENTAILMENT, { guid: 0, text: 1, textPair: 2, label: "last", header: true }),
  task("rte", "RTE", ENTAILMENT, { guid: 0, text: 1, textPair: 2, label: "last", header: true }),
  task("wnli", "WNLI", BINARY, { guid: 0, text: 1, textPair: 2, label: "last", header: true }),
  {
    ...task("ax", "diagnostic", THREE_WAY, { guid: 0, text: 1, textPair: 2, header: true }),
    files: { test: "diagnostic.tsv" },
  },
];

/** Every task, in the official order. */
export const GLUE_TASKS: ReadonlyMap<GlueTaskName, GlueTask> = new Map(TASKS.map((entry) => [entry.name, entry]));

/** What one line of a GLUE file is. */
export type GlueRow =
  | { readonly kind: "example"; readonly example: GlueExample }
  /** The header, a blank line, or a row that the official reader passes over. */
  | { readonly kind: "skipped" }
  | { readonly kind: "problem"; readonly location: DataLocation; readonly description: string };

/**
 * The rows of a GLUE file. Fields are raw: a tab separates, nothing quotes. CRLF and a byte order mark are accepted; blank
 * lines are passed over but counted.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) with file, line and column
 */
export async function* glueExamples(
  source: DataSource,
  glueTask: GlueTask,
  split: GlueSplit,
): AsyncGenerator<GlueExample> {
  for await (const line of textLines(source)) {
    if (!line.isUtf8) throw dataError(invalidUtf8At(line, source.name), "not UTF-8: save the file in that encoding");
    const row = readGlueRow(line, source.name, glueTask, split);
    if (row.kind === "problem") throw dataError(row.location, row.description);
    if (row.kind === "example") yield row.example;
  }
}

/** Reads one line of a GLUE file. */
export function readGlueRow(line: TextLine, file: string, glueTask: GlueTask, split: GlueSplit): GlueRow {
  const columns = glueTask.columns[split];
  const row = line.line - 1;
  const text = line.text.endsWith("\r") ? line.text.slice(0, -1) : line.text;
  const fields = text.split("\t");
  const location: DataLocation = { file, line: line.line, column: 1 };
  if (columns.header && row === 0) {
    const description = `this header is of another split: ${glueTask.name} ${split} rows hold their text in column ${columns.text + 1}`;
    return LABEL_HEADER.test(fields[columns.text] ?? "")
      ? { kind: "problem", location, description }
      : { kind: "skipped" };
  }
  if (text === "") return { kind: "skipped" };
  const needed = 1 + Math.max(columns.guid ?? 0, columns.text, columns.textPair ?? 0, numericColumn(columns.label));
  if (fields.length < needed) {
    if (glueTask.skipsShortRows) return { kind: "skipped" };
    const expected = `${glueTask.name} ${split} rows have at least ${needed} columns separated by tabs`;
    return { kind: "problem", location, description: `${expected}, this one has ${fields.length}` };
  }
  const label = readLabel(glueTask, columns, fields);
  if (Number.isNaN(label)) {
    const before = fields.slice(0, -1).join("\t").length + 1;
    const description = "expected a number in the last column";
    return { kind: "problem", location: { ...location, column: before + 1 }, description };
  }
  return {
    kind: "example",
    example: {
      guid: columns.guid === undefined ? `${split}-${row}` : fields[columns.guid]!,
      text: fields[columns.text]!,
      ...(columns.textPair === undefined ? {} : { textPair: fields[columns.textPair]! }),
      label,
      location,
    },
  };
}

/** An example with its texts, label and guid cleaned as the official reader cleans them. */
export function processGlueExample(example: GlueExample, glueTask: GlueTask, tokenizer: Tokenizer): GlueExample {
  const { guid, text, textPair, label } = example;
  return {
    ...example,
    guid: glueTask.rawGuid ? guid : processText(tokenizer, guid),
    text: processText(tokenizer, text),
    ...(textPair === undefined ? {} : { textPair: processText(tokenizer, textPair) }),
    label: typeof label === "string" ? processText(tokenizer, label) : label,
  };
}

/**
 * The id of a processed example's label, or the value of a regression.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) for a label that the task does not have
 */
export function glueLabelId(example: GlueExample, { labels, name }: Pick<GlueTask, "labels" | "name">): number {
  if (typeof example.label === "number") return example.label;
  const id = labels.indexOf(example.label);
  if (id < 0) throw dataError(example.location, `label is not one of ${name}'s: ${labels.join(", ")}`);
  return id;
}

/** @returns NaN for a regression's label that is no number */
function readLabel(glueTask: GlueTask, columns: Columns, fields: readonly string[]): string | number {
  if (columns.label === undefined) return glueTask.isRegression ? 0 : glueTask.labels[0]!;
  const label = columns.label === "last" ? fields.at(-1)! : fields[columns.label]!;
  if (!glueTask.isRegression) return label;
  return label.trim() !== "" && Number.isFinite(Number(label)) ? Number(label) : Number.NaN;
}

function numericColumn(column: number | "last" | undefined): number {
  return typeof column === "number" ? column : 0;
}

function task(
  name: GlueTaskName,
  directory: string,
  labels: readonly string[],
  columns: Columns,
  testColumns: Partial<Columns> = {},
): GlueTask {
  const { label: _, ...withoutLabel } = columns;
  return {
    name,
    directory,
    files: { train: "train.tsv", dev: "dev.tsv", test: "test.tsv" },
    labels,
    isRegression: false,
    selectionMetric: "eval_accuracy",
    columns: { train: columns, dev: columns, test: { ...withoutLabel, ...testColumns } },
  };
}

function mnli(name: "mnli" | "mnli-mm", half: string): GlueTask {
  return {
    ...task(name, "MNLI", THREE_WAY, { guid: 0, text: 8, textPair: 9, label: "last", header: true }),
    files: { train: "train.tsv", dev: `dev_${half}.tsv`, test: `test_${half}.tsv` },
  };
}
