import type { ProblemType } from "../../../model/heads.ts";
import type { ChoiceExample, ClassificationExample, QuestionExample } from "../../../tasks/datasets/examples.ts";
import { answerItems } from "../../../tasks/datasets/squad.ts";
import { type RowIssue, rowIssue } from "../issues.ts";
import type { Field, FieldRow } from "./fields.ts";

// Examples made of the rows of a user's own data.

/** An example made of a row, or nothing but issues. */
export interface RowOutcome<E> {
  readonly example?: E;
  readonly issues: readonly RowIssue[];
}

/** A text (or pair) with its label: a name, several names, or a number, by the problem's type. */
export function classificationFromRow(
  row: FieldRow,
  problemType: ProblemType,
  unlabelled = false,
): RowOutcome<ClassificationExample> {
  const issues: RowIssue[] = [];
  const text = stringOf(row, "text", issues);
  const pairField = row.get("text_pair");
  const textPair = pairField === undefined ? undefined : stringOf(row, "text_pair", issues);
  const isBare = unlabelled && (row.get("label")?.value ?? "") === "";
  const label = isBare ? undefined : labelOf(row, problemType, issues);
  if (text === undefined || (label === undefined && !isBare) || (pairField !== undefined && textPair === undefined))
    return { issues };
  return {
    issues,
    example: {
      kind: "classification",
      id: idOf(row),
      text,
      ...(textPair === undefined ? {} : { textPair }),
      ...(label === undefined ? {} : { label }),
      location: row.location,
    },
  };
}

/**
 * A question about a context. No answer means that it is unanswerable, unless the row says itself whether it is. Answers come as a list of `{text, answer_start}`, as one object of two lists, or as the fields
 * `answer` and `answer_start`; a lone answer that occurs once in the context needs no offset.
 */
export function questionFromRow(row: FieldRow): RowOutcome<QuestionExample> {
  const issues: RowIssue[] = [];
  const question = stringOf(row, "question", issues);
  const context = stringOf(row, "context", issues);
  if (question === undefined || context === undefined) return { issues };
  const answers = answersOf(row, context, issues);
  if (answers === undefined) return { issues };
  const said = impossibility(row, issues);
  const isImpossible = said ?? answers.length === 0;
  if (issues.length > 0) return { issues };
  if (!isImpossible && answers.length === 0) {
    const location = row.get("is_impossible")?.location ?? row.location;
    return {
      issues: [rowIssue("no-answer-given", location, "is_impossible is false, and there is no answer", question)],
    };
  }
  return {
    issues,
    example: {
      kind: "question",
      id: idOf(row),
      question,
      context,
      answers: isImpossible ? [] : answers,
      isImpossible,
      document: String(row.get("document")?.value ?? context),
      location: row.location,
    },
  };
}

/** A question with choices: a list in one field, or numbered columns (`choice_1`, ... or A, B, C, ...). */
export function choiceFromRow(row: FieldRow, unlabelled = false): RowOutcome<ChoiceExample> {
  const issues: RowIssue[] = [];
  const question = stringOf(row, "question", issues);
  const contextField = row.get("context");
  const context = contextField === undefined ? "" : stringOf(row, "context", issues);
  const choices = choicesOf(row, issues);
  if (question === undefined || context === undefined || choices === undefined) return { issues };
  const isBare = unlabelled && (row.get("answer")?.value ?? "") === "";
  const answer = isBare ? undefined : rightChoice(row, choices, issues);
  if (answer === undefined && !isBare) return { issues };
  return {
    issues,
    example: {
      kind: "choice",
      id: idOf(row),
      question,
      context,
      choices,
      ...(answer === undefined ? {} : { answer }),
      document: String(row.get("document")?.value ?? context),
      location: row.location,
    },
  };
}

/** What a row says of itself: true, false, or nothing. */
function impossibility(row: FieldRow, issues: RowIssue[]): boolean | undefined {
  const field = row.get("is_impossible");
  const word = String(field?.value ?? "")
    .trim()
    .toLowerCase();
  if (field === undefined || word === "") return undefined;
  if (["true", "1", "yes"].includes(word)) return true;
  if (["false", "0", "no"].includes(word)) return false;
  issues.push(rowIssue("missing-field", field.location, "is_impossible is neither true nor false", word));
  return undefined;
}

/** The name of a row in prediction files: its own, or its place. */
export function idOf(row: FieldRow): string {
  const id = row.get("id")?.value;
  return id === undefined || id === "" ? `row-${row.location.line}` : String(id);
}

function stringOf(
  row: FieldRow,
  name: "text" | "text_pair" | "question" | "context",
  issues: RowIssue[],
): string | undefined {
  const field = row.get(name);
  if (field === undefined) {
    issues.push(rowIssue("missing-field", row.location, `no ${name}`));
    return undefined;
  }
  if (typeof field.value !== "string") {
    const columns =
      typeof field.value === "object"
        ? ': it holds many; write one object for each row (pandas: to_json(orient="records", lines=True))'
        : "";
    const detail = `${name} is not a string${columns}`;
    issues.push(rowIssue("missing-field", field.location, detail, JSON.stringify(field.value)));
    return undefined;
  }
  if (field.value.trim() === "") {
    issues.push(rowIssue("empty-text", field.location, `${name} is empty`));
    return undefined;
  }
  return field.value;
}

function labelOf(
  row: FieldRow,
  problemType: ProblemType,
  issues: RowIssue[],
): string | readonly string[] | number | undefined {
  const field = row.get("label");
  const value = field?.value;
  if (problemType === "multi-label" && Array.isArray(value)) return value.map(String);
  if (field === undefined || (typeof value === "string" && value.trim() === "" && problemType !== "multi-label")) {
    issues.push(rowIssue("missing-label", field?.location ?? row.location, "no label"));
    return undefined;
  }
  if (problemType === "regression") {
    const number = typeof value === "number" ? value : Number(value);
    if (Number.isFinite(number)) return number;
    issues.push(rowIssue("bad-number", field.location, "the label is not a number", String(value)));
    return undefined;
  }
  if (typeof value === "object") {
    issues.push(rowIssue("missing-label", field.location, "the label is not a name", JSON.stringify(value)));
    return undefined;
  }
  const text = String(value).trim();
  if (problemType === "single-label") {
    if (text !== value && typeof value === "string") {
      issues.push(rowIssue("label-trimmed", field.location, `read as ${JSON.stringify(text)}`, JSON.stringify(value)));
    }
    return text;
  }
  return text === "" ? [] : text.split("|").map((name) => name.trim());
}

type Answers = { readonly text: string; readonly answerStart: number }[];

function answersOf(row: FieldRow, context: string, issues: RowIssue[]): Answers | undefined {
  const list = row.get("answers");
  if (list !== undefined) return listedAnswers(list, issues);
  const answer = row.get("answer");
  if (answer === undefined || answer.value === "") return [];
  const text = String(answer.value);
  const start = row.get("answer_start");
  if (start !== undefined && start.value !== "") {
    const answerStart = Number(start.value);
    if (Number.isInteger(answerStart)) return [{ text, answerStart }];
    issues.push(rowIssue("bad-number", start.location, "answer_start is not an integer", String(start.value)));
    return undefined;
  }
  const first = context.indexOf(text);
  const isUnique = first >= 0 && context.indexOf(text, first + 1) < 0;
  if (isUnique) return [{ text, answerStart: Array.from(context.slice(0, first)).length }];
  const detail =
    first < 0 ? "the answer is not in the context" : "the answer occurs more than once: give its answer_start";
  issues.push(rowIssue("answer-not-found", answer.location, detail, text));
  return undefined;
}

function listedAnswers(field: Field, issues: RowIssue[]): Answers | undefined {
  const { value, location } = field;
  if (value === "") return [];
  const given = typeof value === "string" ? safeJson(value) : value;
  const items = answerItems(given);
  const problem = (detail: string) => {
    issues.push(rowIssue("missing-field", location, `answers: ${detail}`, JSON.stringify(value)));
    return undefined;
  };
  if (typeof items === "string") return problem(`expected a list of {text, answer_start}: ${items}`);
  const answers: { text: string; answerStart: number }[] = [];
  for (const { text, answerStart } of items) {
    if (typeof text !== "string") return problem(`expected a string in text, got ${JSON.stringify(text)}`);
    if (!Number.isInteger(answerStart)) {
      return problem(`expected an integer in answer_start, got ${JSON.stringify(answerStart)}`);
    }
    answers.push({ text, answerStart: answerStart as number }); // an integer
  }
  return answers;
}

function choicesOf(row: FieldRow, issues: RowIssue[]): string[] | undefined {
  const field = row.get("choices");
  const listed = typeof field?.value === "string" ? safeJson(field.value) : field?.value;
  const columns = field === undefined ? row.choiceColumns() : [];
  for (const [i, { value, location: place }] of columns.entries()) {
    if (typeof value !== "string" || value.trim() !== "") continue;
    issues.push(rowIssue("empty-text", place, `choice ${i + 1} of ${columns.length} is empty`));
    return undefined;
  }
  const choices: unknown = field === undefined ? columns.map(({ value }) => value) : listed;
  const location = field?.location ?? row.location;
  if (!Array.isArray(choices) || !choices.every((choice) => typeof choice === "string")) {
    issues.push(
      rowIssue("missing-field", location, "choices is not a list of strings", JSON.stringify(field?.value ?? "")),
    );
    return undefined;
  }
  if (choices.length < 2) {
    issues.push(rowIssue("too-few-choices", location, `${choices.length} choices`, choices.join(" ")));
    return undefined;
  }
  return choices;
}

/** The right choice by its exact text, its index from 0, or its letter from A. */
function rightChoice(row: FieldRow, choices: readonly string[], issues: RowIssue[]): number | undefined {
  const field = row.get("answer");
  if (field === undefined || field.value === "") {
    issues.push(rowIssue("missing-label", field?.location ?? row.location, "no answer"));
    return undefined;
  }
  const text = String(field.value).trim();
  const byText = typeof field.value === "string" ? choices.indexOf(field.value) : -1;
  const byLetter = /^[A-Za-z]$/.test(text) ? text.toUpperCase().charCodeAt(0) - 65 : -1;
  const byIndex = /^\d+$/.test(text) ? Number(text) : -1;
  const answer = [byText, byIndex, byLetter].find((index) => index >= 0 && index < choices.length);
  if (answer === undefined) {
    const counted = text === String(choices.length) ? ", which are counted from 0" : "";
    issues.push(rowIssue("bad-answer", field.location, `not one of the ${choices.length} choices${counted}`, text));
  }
  return answer;
}

/** The value that a text holds as JSON; undefined where it is none. */
export function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
