import type { Example } from "../../tasks/datasets/examples.ts";
import type { ReportedRow } from "../evaluation-report.ts";
import { plainText } from "../render/plain-text.ts";

// A row with its answer, and the same as a report shows it.

/** One example with its answer, in the terms that all kinds of tasks share. */
export interface JudgedRow {
  readonly example: Example;
  readonly right: string;
  readonly predicted: string;
  /** What the example adds to the measure: 0 to 1, or an absolute error. */
  readonly score: number;
  /** Whether nothing is wrong with the answer. */
  readonly isRight: boolean;
  readonly loss: number;
  /** Probability of what is predicted. */
  readonly confidence?: number;
  /** Distance of the first choice from the second. */
  readonly margin?: number;
  /** Whether questions match exactly. */
  readonly exact?: number;
}

/** The row as a report shows it. */
export function reported({ example, right, predicted, confidence, loss }: JudgedRow): ReportedRow {
  return {
    id: shortened(example.id),
    place: placeOf(example),
    text: shortened(textOf(example)),
    right: shortened(right),
    predicted: shortened(predicted),
    ...(confidence === undefined ? {} : { confidence }),
    loss,
  };
}

/** `file:line` of an example. */
export function placeOf({ location: { file, line } }: Example): string {
  return `${plainText(file)}:${line}`;
}

/** Longest text of a row that a report shows, in UTF-16 units. */
const LONGEST = 280;

/** A text as reports show it: on one line, and not too long. */
export function shortened(text: string): string {
  const flat = plainText(text);
  return flat.length <= LONGEST ? flat : `${flat.slice(0, LONGEST - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** What an example asks. */
export function textOf(example: Example): string {
  switch (example.kind) {
    case "classification":
      return example.textPair === undefined ? example.text : `${example.text} ‖ ${example.textPair}`;
    case "question":
      return `${example.question} ‖ ${example.context}`;
    case "choice":
      return `${example.question} ‖ ${example.choices.join(" | ")}`;
    case "pair":
      return example.anchor;
  }
}
