import type { DataLocation } from "../../tasks/datasets/data-source.ts";
import type { DatasetIssue, IssueKind, IssueOccurrence, IssueSeverity } from "./dataset-report.ts";

// What can be wrong with a row, how severe it is, and the count of each kind.

/** One thing found at one place. Finding the place may cost time, and is put off until it is to be shown. */
export interface RowIssue extends Omit<IssueOccurrence, "location"> {
  readonly kind: IssueKind;
  readonly location: DataLocation | (() => DataLocation);
}

interface IssueRule {
  readonly severity: IssueSeverity;
  readonly fatal?: true;
  readonly hint: string;
}

/** What each kind means for the row and what its owner should do. */
const RULES: Readonly<Record<IssueKind, IssueRule>> = {
  "invalid-utf8": error(
    "save the file as UTF-8; these bytes are of another encoding (then: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW), or damaged",
  ),
  "crlf-line-ends": error(
    "end lines with \\n alone (sed -i 's/\\r$//' FILE), or drop every carriage return at a line's end with --accept-windows-text (in a job's recipe accept_windows_text=true)",
  ),
  "nul-character": error("remove the U+0000 characters; the file may be UTF-16, save it as UTF-8"),
  "bad-quoting": error(
    'in CSV a field with a quote, comma or line break stands in "...", and a quote inside it is doubled',
  ),
  "bad-json": error("every line must be one JSON object (JSON Lines), or the whole file one JSON document"),
  "missing-field": error("fill in the field, or remove the row"),
  "wrong-column-count": error(
    "give every row as many columns as the header; a text with the separator in it must be quoted",
  ),
  "empty-text": error("remove the row, or write the text: there is nothing to read in it"),
  "missing-label": error("label the row, or remove it"),
  "unknown-label": error(
    "correct the label; with your own data --labels-from data trains a new head with the data's labels",
  ),
  "bad-number": error("write a plain decimal number such as 3.5"),
  "answer-not-found": error(
    "answer_start must count code points from the beginning of the context, and the answer stand there",
  ),
  "answer-outside-context": error("answer_start must lie inside of the context"),
  "no-answer-given": error("give an answer and its answer_start; only SQuAD v2 data may hold unanswerable questions"),
  "too-few-choices": error("give at least two choices"),
  "bad-answer": error("give the right choice as its index from 0, its letter, or its exact text"),
  "same-text": error("give a text that is not in the row already: a text says nothing about itself"),
  "byte-order-mark": fatal(
    "save the file without a byte order mark (sed -i '1s/^\\xef\\xbb\\xbf//' FILE), or drop it with --accept-windows-text (in a job's recipe accept_windows_text=true)",
  ),
  "missing-column": fatal(
    "name the column in the header, or say which column it is: --columns field=column,... such as --columns text=review,label=stars (in a job's recipe columns=text=review,label=stars)",
  ),
  "no-usable-rows": fatal("the set holds nothing to train on: see the other issues"),
  "single-class": fatal("add rows of other labels: a head that has seen one label learns nothing"),
  "labels-do-not-fit-head": fatal(
    "go on with the head as it is (--labels-from head), or train a new one with the data's labels (--labels-from data)",
  ),
  "label-is-no-value": fatal(
    "label these rows, or remove them: table programs write such words where a value is missing",
  ),
  "label-for-each-row": fatal(
    "name the column of the labels with --columns label=COLUMN; for numbers to be predicted give --problem-type regression (in a job's recipe columns, problem_type)",
  ),
  "scored-pair": fatal(
    "contrastive training takes pairs that belong together: keep those rows and remove the column; values are learnt by --task classification --problem-type regression",
  ),
  "other-separator": { severity: "warning", hint: "the file is read so; nothing needs to be done" },
  "label-trimmed": { severity: "warning", hint: "white space around labels does not count; remove it from the file" },
  "label-looks-missing": {
    severity: "warning",
    hint: "it is trained as a class of its own; if it stands for a missing label, label these rows or remove them",
  },
  "labels-look-alike": {
    severity: "warning",
    hint: "they are trained as different classes; write them alike if they mean the same",
  },
  "label-of-one-row": {
    severity: "warning",
    hint: "a class cannot be learnt from one row: correct the label, or add rows",
  },
  "too-many-labels": {
    severity: "warning",
    hint: "is this the column of the labels (--columns label=COLUMN), and are they no numbers (--problem-type regression)?",
  },
  "duplicate-id": { severity: "warning", hint: "give every question an id of its own; predictions are keyed by it" },
  "skipped-by-official-reader": {
    severity: "warning",
    hint: "complete the row; the official reader passes it over silently",
  },
  "empty-text-kept": {
    severity: "warning",
    hint: "the official reader keeps rows with an empty text; you may want to remove them",
  },
  "conflicting-labels": { severity: "warning", hint: "the same text has several labels: decide on one" },
  "overlap-with-eval": {
    severity: "warning",
    hint: "remove these rows from either set, or evaluation is too optimistic",
  },
  "label-never-used": { severity: "warning", hint: "the head knows this label, but no row has it" },
  truncated: {
    severity: "warning",
    hint: "raise the sequence length, or shorten the texts: the model does not see their ends",
  },
  "answer-cut-off": {
    severity: "warning",
    hint: "no window holds the whole answer: raise the sequence length or the stride's overlap",
  },
  "duplicate-row": { severity: "note", hint: "the row occurs more than once and weighs accordingly" },
  "byte-order-mark-dropped": { severity: "note", hint: "the byte order mark is not part of the data and was dropped" },
  "carriage-returns-dropped": { severity: "note", hint: "lines end in CRLF; the carriage returns were dropped" },
  "blank-line": { severity: "note", hint: "blank lines are not rows" },
};

/** Characters of an excerpt. */
const EXCERPT_LENGTH = 80;

/** What a kind of issue means. */
export function severityOf(kind: IssueKind): IssueSeverity {
  return RULES[kind].severity;
}

/** What to do about an issue of this kind. */
export function hintOf(kind: IssueKind): string {
  return RULES[kind].hint;
}

/** Whether an issue of this kind costs its row. */
export function rejectsRow(kind: IssueKind): boolean {
  return RULES[kind].severity === "error" && RULES[kind].fatal !== true;
}

/** The beginning of a text on one printable line. */
function excerptOf(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, "\ufffd");
  return line.length <= EXCERPT_LENGTH ? line : `${line.slice(0, EXCERPT_LENGTH - 1)}\u2026`;
}

/** An issue at a place. */
export function rowIssue(kind: IssueKind, location: RowIssue["location"], detail: string, text = ""): RowIssue {
  return { kind, location, detail, excerpt: excerptOf(text) };
}

/** Counts issues by kind and keeps the first few of each. */
export class IssueTally {
  readonly #kept: number;
  readonly #found = new Map<IssueKind, { count: number; readonly occurrences: IssueOccurrence[] }>();

  readonly #onIssue: ((issue: RowIssue) => void) | undefined;

  /** @param onIssue  receives each one */
  constructor(kept: number, onIssue?: (issue: RowIssue) => void) {
    this.#kept = kept;
    this.#onIssue = onIssue;
  }

  add(issue: RowIssue): void {
    const { kind, location, detail, excerpt } = issue;
    this.#onIssue?.(issue);
    const entry = this.#found.get(kind) ?? { count: 0, occurrences: [] };
    entry.count++;
    if (entry.occurrences.length < this.#kept) {
      entry.occurrences.push({ location: typeof location === "function" ? location() : location, detail, excerpt });
    }
    this.#found.set(kind, entry);
  }

  /** Errors first, then warnings, then notes; the most frequent first. */
  issues(): DatasetIssue[] {
    const rank: Record<IssueSeverity, number> = { error: 0, warning: 1, note: 2 };
    return Array.from(this.#found, ([kind, { count, occurrences }]): DatasetIssue => {
      const { severity, hint, fatal: isFatal } = RULES[kind];
      return { kind, severity, fatal: isFatal === true, count, occurrences, hint };
    }).sort((a, b) => Number(b.fatal) - Number(a.fatal) || rank[a.severity] - rank[b.severity] || b.count - a.count);
  }
}

function error(hint: string): IssueRule {
  return { severity: "error", hint };
}

function fatal(hint: string): IssueRule {
  return { severity: "error", fatal: true, hint };
}
