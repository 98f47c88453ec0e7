import type { Example } from "../../tasks/datasets/examples.ts";
import type { Measure, Slice, SliceTable } from "../evaluation-report.ts";
import { wilsonInterval, Z_95 } from "../resampling/wilson-interval.ts";
import type { JudgedRow } from "./judged-row.ts";

// Parts of the data by length, label or any other property, and how well each is answered.

/** A property that rows are grouped by. */
export interface Dimension {
  readonly name: string;
  /** Undefined for rows that do not have it. */
  readonly propertyOf: (row: JudgedRow) => string | number | undefined;
}

/** Values that a table names one by one; the rest is one slice. */
const MOST_VALUES = 20;

const OTHERS = "(others)";

/** The tables of all dimensions that divide the rows. */
export function sliceTables(
  rows: readonly JudgedRow[],
  dimensions: readonly Dimension[],
  measure: Measure,
): SliceTable[] {
  return dimensions.flatMap(({ name, propertyOf }) => {
    const groups = grouped(rows, propertyOf);
    if (groups.length < 2) return [];
    return [{ name, measure, slices: groups.map(([value, members]) => sliceOf(value, members, measure)) }];
  });
}

/** Dimensions that every kind of example has: its length, and the columns that were kept of the data. */
export function commonDimensions(rows: readonly JudgedRow[]): Dimension[] {
  const columns = new Set(rows.flatMap(({ example }) => Object.keys(example.columns ?? {})));
  return [
    { name: "words", propertyOf: ({ example }) => lengthBin(wordsOf(example)) },
    ...[...columns].map((name): Dimension => ({ name, propertyOf: ({ example }) => example.columns?.[name] })),
  ];
}

/** "1-8", "9-16", "17-32", ... so that a bin is as wide as all shorter ones together. */
export function lengthBin(words: number): string {
  if (words <= 8) return "0-8";
  const to = 2 ** Math.ceil(Math.log2(words));
  return `${to / 2 + 1}-${to}`;
}

/** Words as white space divides them. */
export function countWords(text: string): number {
  return text.split(/\s+/).filter(Boolean).length;
}

function wordsOf(example: Example): number {
  switch (example.kind) {
    case "classification":
      return countWords(example.text) + countWords(example.textPair ?? "");
    case "question":
      return countWords(example.context);
    case "choice":
      return countWords(example.context) + countWords(example.question);
    case "pair":
      return countWords(example.anchor);
  }
}

function grouped(rows: readonly JudgedRow[], propertyOf: Dimension["propertyOf"]): (readonly [string, JudgedRow[]])[] {
  const values = rows.map(propertyOf);
  const named = quartered(values);
  const groups = new Map<string, JudgedRow[]>();
  rows.forEach((row, i) => {
    const value = named(values[i]);
    if (value === undefined) return;
    const members = groups.get(value);
    if (members === undefined) groups.set(value, [row]);
    else members.push(row);
  });
  const byRows = [...groups].sort(([, a], [, b]) => b.length - a.length);
  const own = byRows.slice(0, MOST_VALUES);
  const others = byRows.slice(own.length).flatMap(([, members]) => members);
  own.sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  return others.length === 0 ? own : [...own, [OTHERS, others]];
}

/** Numbers with more different values than a table has lines are put into quarters. */
function quartered(
  values: readonly (string | number | undefined)[],
): (value: string | number | undefined) => string | undefined {
  const given = values.filter((value) => value !== undefined && value !== "");
  const numbers = given.map(Number);
  if (new Set(given).size <= MOST_VALUES || !numbers.every(Number.isFinite)) {
    return (value) => (value === undefined || value === "" ? undefined : String(value));
  }
  const sorted = numbers.sort((a, b) => a - b);
  const edges = [0, 0.25, 0.5, 0.75, 1].map((share) => sorted[Math.floor(share * (sorted.length - 1))]!);
  return (value) => {
    if (value === undefined || value === "") return undefined;
    const quarter = edges.findIndex((edge, i) => i > 0 && Number(value) <= edge);
    return `${short(edges[quarter - 1]!)} to ${short(edges[quarter]!)}`;
  };
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function sliceOf(value: string, rows: readonly JudgedRow[], measure: Measure): Slice {
  const scores = rows.map(({ score }) => score);
  const score = meanOf(scores);
  const [low, high] = scores.every((one) => one === 0 || one === 1)
    ? wilsonInterval(score, rows.length)
    : normal(scores, score, measure === "absolute error" ? Number.POSITIVE_INFINITY : 1);
  const exacts = rows.flatMap(({ exact }) => (exact === undefined ? [] : [exact]));
  return { value, rows: rows.length, score, low, high, ...(exacts.length === 0 ? {} : { exact: meanOf(exacts) }) };
}

/** The interval of a mean by its standard error, of values from 0 to `most`. */
function normal(values: readonly number[], mean: number, most: number): [number, number] {
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  const half = Z_95 * Math.sqrt(variance / values.length);
  return [Math.max(0, mean - half), Math.min(most, mean + half)];
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
