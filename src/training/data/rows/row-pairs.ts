import type { PairExample } from "../../../tasks/datasets/examples.ts";
import { type RowIssue, rowIssue } from "../issues.ts";
import type { Field, FieldRow } from "./fields.ts";
import { idOf, type RowOutcome, safeJson } from "./row-examples.ts";

/**
 * An anchor with what belongs to it (one text, or a list of texts that each do), what does not (a list, one text, or numbered
 * columns `negative_1`, ...), and, of pairs for evaluation, a score. An empty negative is none.
 */
export function pairFromRow(row: FieldRow): RowOutcome<PairExample> {
  const issues: RowIssue[] = [];
  const [anchor, ...more] = textsOf(row.get("anchor"), "anchor", row, issues);
  const positives = textsOf(row.get("positive"), "positive", row, issues);
  const negatives = negativesOf(row, issues);
  const score = scoreOf(row, issues);
  if (more.length > 0) issues.push(rowIssue("missing-field", row.location, "anchor is a list: give each its own row"));
  if (score !== undefined && (positives.length > 1 || negatives.length > 0)) {
    const detail = "a score belongs to one pair: the row has other texts besides";
    issues.push(rowIssue("bad-number", row.get("score")?.location ?? row.location, detail));
  }
  if (anchor === undefined || positives.length === 0 || issues.length > 0) return { issues };
  const location = row.location;
  const scored = score === undefined ? {} : { score };
  return { issues, example: { kind: "pair", id: idOf(row), anchor, positives, negatives, ...scored, location } };
}

/** One text or several, none of them empty; nothing, with an issue, where there is none. */
function textsOf(
  field: Field | undefined,
  name: "anchor" | "positive" | "negative",
  row: FieldRow,
  issues: RowIssue[],
): readonly string[] {
  if (field === undefined) {
    issues.push(rowIssue("missing-field", row.location, `no ${name}`));
    return [];
  }
  const listed = listOf(field.value);
  if (listed === undefined) {
    const detail = `${name} is neither a string nor a list of strings`;
    issues.push(rowIssue("missing-field", field.location, detail, JSON.stringify(field.value)));
    return [];
  }
  if (listed.length > 0 && listed.every((text) => text.trim() !== "")) return listed;
  issues.push(rowIssue("empty-text", field.location, `${name} is empty`));
  return [];
}

function negativesOf(row: FieldRow, issues: RowIssue[]): readonly string[] {
  const named = row.get("negative");
  const fields = named === undefined ? row.negativeColumns() : [named];
  return fields
    .filter(({ value }) => !(typeof value === "string" && value.trim() === "") && !isEmptyList(value))
    .flatMap((field) => textsOf(field, "negative", row, issues));
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** A text as a list of one; a list, or one written as JSON, as it stands; undefined for anything else. */
function listOf(value: unknown): readonly string[] | undefined {
  const written = typeof value === "string" && value.trimStart().startsWith("[") ? safeJson(value) : undefined;
  const list = Array.isArray(value) ? value : Array.isArray(written) ? written : [value];
  return list.every((text) => typeof text === "string") ? list : typeof value === "string" ? [value] : undefined;
}

function scoreOf(row: FieldRow, issues: RowIssue[]): number | undefined {
  const field = row.get("score");
  if (field === undefined || field.value === "") return undefined;
  const score = typeof field.value === "number" ? field.value : Number(field.value);
  if (Number.isFinite(score)) return score;
  issues.push(rowIssue("bad-number", field.location, "the score is not a number", String(field.value)));
  return undefined;
}
