import { nearest } from "../../config/nearest.ts";
import { type RowIssue, rowIssue } from "./issues.ts";

// Labels that look like mistakes: values that stand for "none", the same name written twice, classes of a single row.

/** The rows of one label. */
export interface LabelRows {
  count: number;
  /** Of the first of them. */
  readonly place: RowIssue["location"];
}

/** What table programs and libraries write where there is no value. */
const NO_VALUE = /^(nan|null|none|nil|undefined|n\/?a|<na>|#n\/a|#null!|#value!|\?|-|\.)$/i;

/** Rows below which a class of one row says nothing. */
const FEW_ROWS = 10;

/** Labels of one row for which a similar one is looked for. */
const SUGGESTIONS = 20;

/** Distinct labels from which they may be too many. */
const MANY_LABELS = 20;

/**
 * What is odd about the labels of a user's own classification data, taken together.
 *
 * @param rows  of the whole set
 */
export function labelIssues(labels: ReadonlyMap<string, LabelRows>, rows: number): RowIssue[] {
  return [...missingValues(labels), ...lookAlikes(labels), ...singleRows(labels, rows), ...tooMany(labels, rows)];
}

function missingValues(labels: ReadonlyMap<string, LabelRows>): RowIssue[] {
  const names = [...labels.keys()];
  const values = names.filter((name) => !NO_VALUE.test(name));
  const areNumbers = values.length > 0 && values.every((name) => Number.isFinite(Number(name)));
  const arePlain = values.filter((name) => name !== "-1").every((name) => !name.startsWith("-"));
  return names.flatMap((name) => {
    const { count, place } = labels.get(name)!;
    const detail = `${rowsText(count)} labelled ${JSON.stringify(name)}`;
    if (NO_VALUE.test(name)) {
      const kind = areNumbers ? "label-is-no-value" : "label-looks-missing";
      return [rowIssue(kind, place, areNumbers ? `${detail}, where the other labels are numbers` : detail)];
    }
    return name === "-1" && arePlain && names.length > 1 ? [rowIssue("label-looks-missing", place, detail)] : [];
  });
}

function lookAlikes(labels: ReadonlyMap<string, LabelRows>): RowIssue[] {
  return alike(labels).map((byRows) => {
    const told = byRows.map((name) => `${JSON.stringify(name)} (${rowsText(labels.get(name)!.count)})`);
    return rowIssue("labels-look-alike", labels.get(byRows[0]!)!.place, told.join(" and "));
  });
}

/** Groups of labels that are alike, those of fewer rows first. */
function alike(labels: ReadonlyMap<string, LabelRows>): string[][] {
  const groups = new Map<string, string[]>();
  for (const name of labels.keys()) {
    const key = essenceOf(name);
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  return [...groups.values()]
    .filter((names) => names.length > 1)
    .map((names) => names.sort((a, b) => labels.get(a)!.count - labels.get(b)!.count));
}

/**
 * Labels that look like slips, each with the one that may be meant: the most frequent of those that are alike, and for labels of one
 * row the one that is spelt most like it.
 *
 * @param rows  of the whole set
 */
export function likelyMeant(labels: ReadonlyMap<string, LabelRows>, rows: number): Map<string, string> {
  const meant = new Map(singles(labels, rows).flatMap(({ name, near }) => (near === undefined ? [] : [[name, near]])));
  for (const names of alike(labels)) for (const name of names.slice(0, -1)) meant.set(name, names.at(-1)!);
  return meant;
}

/** What is left of a label without case, forms of characters, characters that are not seen, and what divides its words; of a number its value. */
function essenceOf(label: string): string {
  const plain = label
    .normalize("NFKC")
    .replace(/\p{Cf}/gu, "")
    .trim()
    .toLowerCase();
  if (plain !== "" && Number.isFinite(Number(plain))) return String(Number(plain));
  return plain.replace(/[\s_-]+/gu, " ");
}

function singleRows(labels: ReadonlyMap<string, LabelRows>, rows: number): RowIssue[] {
  return singles(labels, rows).map(({ name, near }) => {
    const meant = near === undefined ? "" : `; is ${JSON.stringify(near)} meant?`;
    return rowIssue("label-of-one-row", labels.get(name)!.place, `1 row labelled ${JSON.stringify(name)}${meant}`);
  });
}

/** Labels of a single row, the first of them with the frequent label that is spelt most like it. */
function singles(
  labels: ReadonlyMap<string, LabelRows>,
  rows: number,
): { readonly name: string; readonly near: string | undefined }[] {
  if (rows < FEW_ROWS || labels.size > rows / 2) return [];
  const frequent = [...labels].filter(([, { count }]) => count > 1).map(([name]) => name);
  return [...labels]
    .filter(([, { count }]) => count === 1)
    .map(([name], i) => ({ name, near: i < SUGGESTIONS ? nearest(name, frequent) : undefined }));
}

function tooMany(labels: ReadonlyMap<string, LabelRows>, rows: number): RowIssue[] {
  const [first] = labels.values();
  if (first === undefined || labels.size < MANY_LABELS || labels.size <= rows / 2) return [];
  const kind = labels.size === rows ? "label-for-each-row" : "too-many-labels";
  return [rowIssue(kind, first.place, `${labels.size} labels in ${rows} rows`)];
}

function rowsText(count: number): string {
  return count === 1 ? "1 row" : `${count} rows`;
}
