import type { DataLocation } from "../../tasks/datasets/data-source.ts";
import {
  type Example,
  officialLabels,
  type PairExample,
  type QuestionExample,
  type TaskName,
} from "../../tasks/datasets/examples.ts";
import { isOfficialTask } from "../../tasks/datasets/official-examples.ts";
import { type RowIssue, rowIssue } from "./issues.ts";

/**
 * What is wrong with an example taken by itself.
 *
 * @param locate  finds its place, for formats where that is not known from reading
 */
export function exampleIssues(example: Example, task: TaskName, locate?: () => DataLocation): RowIssue[] {
  const place = locate ?? example.location;
  const issues: RowIssue[] = [];
  const nonEmpty = (text: string, name: string) => {
    if (text.trim() === "") issues.push(rowIssue("empty-text", place, `${name} is empty`));
    const nul = text.indexOf("\0");
    if (nul >= 0) issues.push(rowIssue("nul-character", place, `U+0000 in ${name}`, text));
  };
  switch (example.kind) {
    case "classification": {
      // Official files hold a few empty texts, and the official scripts train on them.
      if (isOfficialTask(task)) {
        if (example.text.trim() === "") issues.push(rowIssue("empty-text-kept", place, "text is empty"));
      } else nonEmpty(example.text, "text");
      const labels = typeof example.label === "string" ? officialLabels(task) : undefined;
      if (labels !== undefined && !labels.includes(example.label as string)) {
        issues.push(rowIssue("unknown-label", place, `not one of ${labels.join(", ")}`, String(example.label)));
      }
      return issues;
    }
    case "question":
      nonEmpty(example.question, "question");
      nonEmpty(example.context, "context");
      return [...issues, ...answerIssues(example, task, place)];
    case "choice":
      nonEmpty(example.question, "question");
      if (example.choices.length < 2) {
        issues.push(rowIssue("too-few-choices", place, `${example.choices.length} choices`));
      }
      if (example.answer !== undefined && example.answer >= example.choices.length) {
        issues.push(rowIssue("bad-answer", place, `answer ${example.answer} of ${example.choices.length} choices`));
      }
      return issues;
    case "pair":
      nonEmpty(example.anchor, "anchor");
      for (const text of example.positives) nonEmpty(text, "positive");
      for (const text of example.negatives) nonEmpty(text, "negative");
      return [...issues, ...pairIssues(example, place)];
  }
}

/** A pair of one text says nothing; a scored one may well be of the same text, and a negative may not be a right one. */
function pairIssues({ anchor, positives, negatives, score }: PairExample, place: RowIssue["location"]): RowIssue[] {
  const issues: RowIssue[] = [];
  if (score === undefined && positives.includes(anchor)) {
    issues.push(rowIssue("same-text", place, "anchor and positive are the same text", anchor));
  }
  const wrong = negatives.find((text) => text === anchor || positives.includes(text));
  if (wrong !== undefined) {
    issues.push(rowIssue("same-text", place, "a negative is the anchor or a positive of its own row", wrong));
  }
  return issues;
}

function answerIssues(example: QuestionExample, task: TaskName, place: RowIssue["location"]): RowIssue[] {
  const { answers, context, isImpossible } = example;
  if (isImpossible) {
    const allowed = task !== "squad-v1";
    return allowed ? [] : [rowIssue("no-answer-given", place, "unanswerable in SQuAD v1 data", example.question)];
  }
  if (answers.length === 0) return [rowIssue("no-answer-given", place, "no answer", example.question)];
  let characters: string[] | undefined;
  return answers.flatMap(({ text, answerStart }) => {
    if (text === "") return [rowIssue("no-answer-given", place, "an empty answer", example.question)];
    // While all before it is ASCII or at least the slice agrees, code points need not be counted.
    characters ??= isPlain(context) ? undefined : Array.from(context);
    const length = characters?.length ?? context.length;
    const size = characters === undefined ? text.length : Array.from(text).length;
    if (answerStart < 0 || answerStart + size > length) {
      return [rowIssue("answer-outside-context", place, `answer_start ${answerStart} in ${length} characters`, text)];
    }
    const there =
      characters?.slice(answerStart, answerStart + size).join("") ?? context.slice(answerStart, answerStart + size);
    return there === text ? [] : [rowIssue("answer-not-found", place, misplaced(context, text, answerStart), text)];
  });
}

/** What the offset seems to count, or where the answer really is. */
function misplaced(context: string, text: string, answerStart: number): string {
  if (context.startsWith(text, answerStart)) return `answer_start ${answerStart} counts UTF-16 units, not code points`;
  if (Buffer.from(context).subarray(answerStart).toString("utf8").startsWith(text)) {
    return `answer_start ${answerStart} counts UTF-8 bytes, not code points`;
  }
  const first = context.indexOf(text);
  if (first < 0) return `the answer is not in the context at all`;
  const codePoint = Array.from(context.slice(0, first)).length;
  return `not at answer_start ${answerStart}; it first occurs at ${codePoint}`;
}

/** Whether UTF-16 units are code points. */
function isPlain(text: string): boolean {
  return !/[\ud800-\udfff]/.test(text);
}
