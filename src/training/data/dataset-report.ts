import type { DataLocation } from "../../tasks/datasets/data-source.ts";

// What a pass over a data set found. Types only.

/**
 * What can be wrong with data.
 *
 * Rows with an error are left out; `fatal` kinds make the whole set unusable. Warnings and notes keep the row.
 */
export type IssueKind =
  /** Errors of one row. */
  | "invalid-utf8"
  | "crlf-line-ends"
  | "nul-character"
  | "bad-quoting"
  | "bad-json"
  | "missing-field"
  | "wrong-column-count"
  | "empty-text"
  | "missing-label"
  | "unknown-label"
  | "bad-number"
  | "answer-not-found"
  | "answer-outside-context"
  | "no-answer-given"
  | "too-few-choices"
  | "bad-answer"
  | "same-text"
  /** Errors of the whole set. */
  | "byte-order-mark"
  | "missing-column"
  | "no-usable-rows"
  | "single-class"
  | "labels-do-not-fit-head"
  | "label-is-no-value"
  | "label-for-each-row"
  | "scored-pair"
  /** Warnings. */
  | "duplicate-id"
  | "skipped-by-official-reader"
  | "empty-text-kept"
  | "conflicting-labels"
  | "overlap-with-eval"
  | "label-never-used"
  | "truncated"
  | "answer-cut-off"
  | "other-separator"
  | "label-trimmed"
  | "label-looks-missing"
  | "labels-look-alike"
  | "label-of-one-row"
  | "too-many-labels"
  /** Notes. */
  | "duplicate-row"
  | "byte-order-mark-dropped"
  | "carriage-returns-dropped"
  | "blank-line";

export type IssueSeverity = "error" | "warning" | "note";

/** A place where an issue was met, with some of the text around it. */
export interface IssueOccurrence {
  readonly location: DataLocation;
  /** What exactly: never more than a line. */
  readonly detail: string;
  /** The beginning of the offending text, made printable; may be empty. */
  readonly excerpt: string;
}

/** All occurrences of one kind of issue. */
export interface DatasetIssue {
  readonly kind: IssueKind;
  readonly severity: IssueSeverity;
  /** Whether it makes the whole set unusable. */
  readonly fatal: boolean;
  readonly count: number;
  /** The first of them. */
  readonly occurrences: readonly IssueOccurrence[];
  /** What to do about it. */
  readonly hint: string;
}

/** Tokens of the accepted rows' sequences, special tokens included, before anything is cut. */
export interface LengthStatistics {
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
  readonly longest: number;
  /** Rows that are longer than the sequence length; their windows, where the task cuts windows. */
  readonly truncatedRows: number;
  readonly maxSequenceLength: number;
}

/** Rows of similar length: from so many words to so many, both included. */
export interface LengthBin {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

/** What a full pass over a dataset found. `accepted + rejected === read`. */
export interface DatasetReport {
  readonly files: readonly string[];
  /** sha256 (hex) of the bytes as stored, file by file. */
  readonly digest: string;
  readonly read: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Accepted rows by label; for QA "answerable" and "impossible"; for multiple choice by number of choices, for pairs by number of negatives. */
  readonly labels: Readonly<Record<string, number>>;
  /** Of a user's own classification data: labels that look like slips, and which may be meant. */
  readonly meant: ReadonlyMap<string, string>;
  /** Errors first, then warnings, then notes; the most frequent first. */
  readonly issues: readonly DatasetIssue[];
  /** Accepted rows by their words, where that was asked for. */
  readonly words?: readonly LengthBin[];
  /** Present where a tokenizer was given. */
  readonly lengths?: LengthStatistics;
  /** Rows rejected for an error; what the official readers pass over is rejected without being one. */
  readonly erroneous: number;
  /** Share of rows that may be left out, where one was given. */
  readonly skipped?: number;
  /** Whether training may start: nothing fatal, and no more erroneous rows than may be left out. */
  readonly usable: boolean;
}
