import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { AlbertError } from "../../../errors.ts";
import type { ProblemType } from "../../../model/heads.ts";
import { folderArticles, tarArticles } from "../../../tasks/datasets/article-files.ts";
import {
  type DataSource,
  decodedText,
  fileSource,
  notReadable,
  unpackedBytes,
} from "../../../tasks/datasets/data-source.ts";
import type { Example, TaskName } from "../../../tasks/datasets/examples.ts";
import { GLUE_TASKS, type GlueSplit, type GlueTaskName } from "../../../tasks/datasets/glue.ts";
import { jsonLayout } from "../../../tasks/datasets/json-layout.ts";
import { parseJson } from "../../../tasks/datasets/json-text.ts";
import { isOfficialTask } from "../../../tasks/datasets/official-examples.ts";
import { type ArticleFile, articlesInOrder } from "../../../tasks/datasets/race.ts";
import { isFlat } from "../../../tasks/datasets/squad.ts";
import { exampleIssues } from "../example-checks.ts";
import { rejectsRow } from "../issues.ts";
import { ANY_WINDOWS_TEXT, NO_WINDOWS_TEXT, textMarks, type WindowsText } from "../windows-text.ts";
import type { DatasetRow } from "./dataset-row.ts";
import type { SeparatorName } from "./delimited-format.ts";
import type { ColumnNames, FieldRow } from "./fields.ts";
import { jsonDocumentRows, jsonLineRows } from "./json-rows.ts";
import { glueRows, raceRows, squadRows, unreadable } from "./official-rows.ts";
import type { RequiredFields } from "./required-fields.ts";
import { choiceFromRow, classificationFromRow, questionFromRow, type RowOutcome } from "./row-examples.ts";
import { pairFromRow } from "./row-pairs.ts";
import { delimitedRows, type RowReading, type TabularRow } from "./tabular-rows.ts";

// The rows of data sets of every task and format, each checked on its own.

/** What a user says about how files are to be read. */
export interface ReadingOptions {
  /** Names of the columns or keys of a user's own data, where they are not the usual ones. */
  readonly columns?: ColumnNames;
  /**
   * Whether byte order marks and CRLF line ends are accepted in official layouts, and dropped. False when left out: they are
   * errors. A user's own data may always have them.
   */
  readonly acceptWindowsText?: boolean;
  /** Rows that cannot be used are left out if they are at most this share of all, from 0 to 1; when left out, none may be. */
  readonly skipInvalid?: number;
  /** What divides the cells of CSV and TSV files of a user's own data; found out where it is left out. */
  readonly separator?: SeparatorName;
}

/** Which data, and how it is written. */
export interface DatasetSpec extends ReadingOptions {
  readonly task: TaskName;
  /** Files (for RACE also folders and tar archives), read one after the other. Each may be gzip. */
  readonly paths: readonly string[];
  /** Which columns an official GLUE file has, and which articles of a RACE folder are meant; "train" when left out. */
  readonly split?: GlueSplit;
  /** For the task "classification"; "single-label" when left out. */
  readonly problemType?: ProblemType;
  /** Columns of a user's own data that examples keep besides, such as those by which results are grouped. */
  readonly kept?: readonly string[];
  /** Whether rows of a user's own data may lack their label or answer, as data to be predicted does. False when left out. */
  readonly unlabelled?: boolean;
}

/**
 * Every row of a dataset in order, each checked on its own. Reading is a stream; only SQuAD files are held whole.
 *
 * @throws AlbertError not-found (FILE_NOT_READABLE); invalid-input (FORMAT_UNKNOWN)
 */
export async function* datasetRows(spec: DatasetSpec): AsyncGenerator<DatasetRow> {
  for (const path of spec.paths) {
    for await (const row of fileRows(spec, path)) {
      if (row.kind === "file" || row.example === undefined) {
        yield row;
        continue;
      }
      const found = exampleIssues(row.example, spec.task, row.locate);
      const issues = [...row.issues, ...found];
      const { example: _, ...unread } = row;
      yield found.some(({ kind }) => rejectsRow(kind)) ? { ...unread, issues } : { ...row, issues };
    }
  }
}

/** The usable examples of a dataset, in order: what validation accepts. */
export async function* acceptedExamples(spec: DatasetSpec): AsyncGenerator<Example> {
  for await (const row of datasetRows(spec)) if (row.kind === "row" && row.example !== undefined) yield row.example;
}

async function* fileRows(spec: DatasetSpec, path: string): AsyncGenerator<DatasetRow> {
  const { task, split = "train" } = spec;
  const name = basename(path);
  const source = fileSource(path, name);
  const glue = GLUE_TASKS.get(task as GlueTaskName);
  const windowsText = windowsTextOf(spec);
  if (glue !== undefined) yield* glueRows(source, glue, split, windowsText);
  else if (task === "race") yield* raceRows(await raceArticles(path, source, split), windowsText);
  else if (isOfficialTask(task)) yield* squadRows(source, windowsText);
  else yield* ownRows(spec, source);
}

function windowsTextOf({ acceptWindowsText }: DatasetSpec): WindowsText {
  return acceptWindowsText ? ANY_WINDOWS_TEXT : NO_WINDOWS_TEXT;
}

async function raceArticles(path: string, source: DataSource, split: GlueSplit): Promise<ArticleFile[]> {
  const info = await stat(path).catch((cause: unknown) => {
    throw notReadable(source.name, cause);
  });
  if (info.isDirectory()) return articlesInOrder(folderArticles(path), { split }, source.name);
  if (/\.(tar|tgz|tar\.gz)$/.test(path)) return articlesInOrder(tarArticles(source), { split }, source.name);
  return [{ path: source.name, ...(await decodedText(source)) }];
}

/**
 * Rows of a file of a user's own data under the file's own columns, whatever task they are for: nothing is looked for in them.
 *
 * @throws AlbertError as `datasetRows`
 */
export async function* plainRows(path: string, { separator }: ReadingOptions = {}): AsyncGenerator<TabularRow> {
  const reading: RowReading = {
    ...{ columns: {}, required: [], windowsText: ANY_WINDOWS_TEXT },
    ...(separator === undefined ? {} : { separator }),
  };
  const source = fileSource(path, basename(path));
  const ending = await endingOf(source);
  if (ending === "csv" || ending === "tsv") yield* delimitedRows(source, ending, reading);
  else if ((await jsonLayout(source)) === "lines") yield* jsonLineRows(source, reading);
  else {
    const text = await decodedText(source);
    yield* jsonDocumentRows(text, parseJson(text.text, source.name), source.name, reading);
  }
}

/** What the ending of a file's name says of its format. @throws AlbertError invalid-input (FORMAT_UNKNOWN) */
async function endingOf(source: DataSource): Promise<string> {
  const ending = /\.(csv|tsv|jsonl|ndjson|json)(\.gz)?$/i.exec(source.name)?.[1]?.toLowerCase();
  if (ending !== undefined) return ending;
  // Says what the file is where it is no text, or cannot be read.
  for await (const _ of unpackedBytes(source)) break;
  const message = `${source.name}: expected a name ending in .csv, .tsv, .jsonl or .json (also .gz)`;
  throw new AlbertError("invalid-input", message, { reason: "FORMAT_UNKNOWN" });
}

/** Rows of a user's own data, in the format that the file's name tells, and its first line. */
async function* ownRows(spec: DatasetSpec, source: DataSource): AsyncGenerator<DatasetRow> {
  const ending = await endingOf(source);
  const reading: RowReading = {
    ...{ columns: spec.columns ?? {}, required: requiredFields(spec), windowsText: ANY_WINDOWS_TEXT },
    ...(spec.separator === undefined ? {} : { separator: spec.separator }),
  };
  if (ending === "csv" || ending === "tsv") {
    for await (const row of delimitedRows(source, ending, reading)) yield ownRow(row, spec);
  } else if ((await jsonLayout(source)) === "lines") {
    for await (const row of jsonLineRows(source, reading)) yield ownRow(row, spec);
  } else yield* ownDocumentRows(spec, source, reading);
}

/** A JSON document: for questions also in SQuAD's own layout. */
async function* ownDocumentRows(
  spec: DatasetSpec,
  source: DataSource,
  reading: RowReading,
): AsyncGenerator<DatasetRow> {
  try {
    const text = await decodedText(source);
    const json = parseJson(text.text, source.name);
    const [first] = Array.isArray(json)
      ? json
      : [((json as { data?: unknown } | null)?.data as unknown[] | undefined)?.[0]];
    if (spec.task === "qa" && !isFlat(first)) {
      yield* squadRows(source, ANY_WINDOWS_TEXT);
      return;
    }
    const marks = textMarks(text, source.name, ANY_WINDOWS_TEXT);
    if (marks.length > 0) yield { kind: "file", issues: marks };
    for (const row of jsonDocumentRows(text, json, source.name, reading)) yield ownRow(row, spec);
  } catch (error) {
    yield { kind: "row", issues: [unreadable(error, source.name)] };
  }
}

function ownRow(row: TabularRow, spec: DatasetSpec): DatasetRow {
  if (row.kind === "file") return row;
  if (row.kind === "rejected") return { ...row, kind: "row" };
  const { text } = row;
  const values = () => row.row.values();
  const outcome: RowOutcome<Example> =
    spec.task === "qa"
      ? questionFromRow(row.row)
      : spec.task === "multiple-choice"
        ? choiceFromRow(row.row, spec.unlabelled)
        : spec.task === "contrastive"
          ? pairFromRow(row.row)
          : classificationFromRow(row.row, spec.problemType ?? "single-label", spec.unlabelled);
  const example = outcome.example === undefined ? {} : { example: { ...outcome.example, ...columnsOf(row.row, spec) } };
  return { kind: "row", text, values, ...example, issues: [...row.row.issues, ...outcome.issues] };
}

function columnsOf(row: FieldRow, { kept = [] }: DatasetSpec): { readonly columns?: Record<string, string> } {
  if (kept.length === 0) return {};
  const found = kept.flatMap((name) => {
    const value = row.column(name)?.value;
    if (value === undefined) return [];
    return [[name, typeof value === "string" ? value.trim() : JSON.stringify(value)] as const];
  });
  return { columns: Object.fromEntries(found) };
}

function requiredFields({ task, unlabelled }: DatasetSpec): RequiredFields {
  if (task === "contrastive") return [["anchor"], ["positive"]];
  const asked: RequiredFields =
    task === "qa" ? [["question"], ["context"]] : task === "multiple-choice" ? [["question"], ["choices"]] : [["text"]];
  if (unlabelled) return asked;
  return [
    ...asked,
    task === "qa" ? ["answers", "answer", "is_impossible"] : task === "multiple-choice" ? ["answer"] : ["label"],
  ];
}
