import { AlbertError } from "../../errors.ts";

// SQuAD questions, in the official layout (documents of paragraphs of questions) and in the flat one in which data set
// libraries hand them out (a record for each question).

/** One question of a SQuAD file. */
export interface SquadQuestion {
  readonly id: string;
  readonly question: string;
  readonly context: string;
  /** As the file holds them: none for an unanswerable question; several in a development set. */
  readonly answers: readonly SquadAnswer[];
  /** As `is_impossible` says; where it says nothing, whether there are answers in the file and none for this question. */
  readonly isImpossible: boolean;
  /** Which document and paragraph of the file it belongs to, from 0. */
  readonly document: number;
  readonly paragraph: number;
  /** Title of the document, where the file has one. */
  readonly title: string;
  /** Where it lies in the file: the keys and indexes that lead to it. */
  readonly path: readonly (string | number)[];
}

export interface SquadAnswer {
  readonly text: string;
  /** Code points from the beginning of the context. */
  readonly answerStart: number;
}

/** Something in a SQuAD file that is not as the format wants it. */
export interface SquadProblem {
  readonly path: readonly (string | number)[];
  readonly description: string;
}

/**
 * The questions of a file, in its order. A file is an object whose `data` is a list, or that list itself; each item is a document
 * with `paragraphs`, or a record with `id`, `context`, `question` and `answers`. `plausible_answers` are not read.
 *
 * @param json   the parsed file
 * @param report  receives everything that is wrong; such a question (or paragraph) is left out
 */
export function* squadQuestions(json: unknown, report: Report): Generator<SquadQuestion> {
  const top: Path = Array.isArray(json) ? [] : ["data"];
  const documents = Array.isArray(json) ? (json as unknown[]) : list(json, "data", [], report);
  const flat = flatQuestions(report);
  for (const [d, document] of documents.entries()) {
    const documentPath = [...top, d];
    if (isFlat(document)) {
      const question = flat(document, documentPath);
      if (question !== undefined) yield question;
      continue;
    }
    const title = titleOf(document);
    for (const [p, paragraph] of list(document, "paragraphs", documentPath, report).entries()) {
      const paragraphPath = [...documentPath, "paragraphs", p];
      const context = string(paragraph, "context", paragraphPath, report);
      if (context === undefined) continue;
      for (const [q, question] of list(paragraph, "qas", paragraphPath, report).entries()) {
        const path = [...paragraphPath, "qas", q];
        const parsed = readQuestion(question, path, report);
        if (parsed !== undefined) yield { ...parsed, context, document: d, paragraph: p, title, path };
      }
    }
  }
}

/** Whether an item is a flat record, and not a document of paragraphs. */
export function isFlat(item: unknown): boolean {
  const keys = typeof item === "object" && item !== null ? Object.keys(item) : [];
  return !keys.includes("paragraphs") && (keys.includes("context") || keys.includes("question"));
}

/** Reads flat records one after the other. Those of one title, or where there is none of one context, make a document. */
export function flatQuestions(report: Report): (record: unknown, path: Path) => SquadQuestion | undefined {
  const documents = new Map<string, number>();
  return (record, path) => {
    const context = string(record, "context", path, report);
    const parsed = readQuestion(record, path, report);
    if (context === undefined || parsed === undefined) return undefined;
    const title = titleOf(record);
    const key = title === "" ? `context ${context}` : `title ${title}`;
    const document = documents.get(key) ?? documents.size;
    documents.set(key, document);
    return { ...parsed, context, document, paragraph: 0, title, path };
  };
}

/**
 * All questions of a file that must be sound.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) that names the first thing wrong and counts the rest
 */
export function readSquad(json: unknown, file: string): SquadQuestion[] {
  const problems: SquadProblem[] = [];
  const questions = [...squadQuestions(json, (problem) => problems.push(problem))];
  const [first] = problems;
  if (first === undefined) return questions;
  const others = problems.length > 1 ? ` (and ${problems.length - 1} more like it)` : "";
  throw new AlbertError("invalid-input", `${file}: ${jsonPath(first.path)}: ${first.description}${others}`, {
    reason: "DATA_INVALID",
    metadata: { file, problems: String(problems.length) },
  });
}

/** A path as a person writes it: `data[0].paragraphs[3].qas[1].id`. */
export function jsonPath(path: readonly (string | number)[]): string {
  return (
    path.map((key, i) => (typeof key === "number" ? `[${key}]` : i === 0 ? key : `.${key}`)).join("") || "the file"
  );
}

export type Report = (problem: SquadProblem) => void;
type Path = readonly (string | number)[];

function readQuestion(
  value: unknown,
  path: Path,
  report: Report,
): Pick<SquadQuestion, "id" | "question" | "answers" | "isImpossible"> | undefined {
  const id = identifier(value, path, report);
  const question = string(value, "question", path, report);
  const { is_impossible: impossible, answers: given } = (value ?? {}) as { is_impossible?: unknown; answers?: unknown };
  if (typeof (impossible ?? false) !== "boolean") {
    report({ path: [...path, "is_impossible"], description: `expected true or false, got ${kindOf(impossible)}` });
    return undefined;
  }
  const answers = readAnswers(given, [...path, "answers"], report);
  if (id === undefined || question === undefined || answers === undefined) return undefined;
  const isAnswered = given === undefined || given === null || answers.length > 0;
  return { id, question, answers, isImpossible: (impossible as boolean | undefined | null) ?? !isAnswered };
}

/** Answers may be missing altogether: a file to predict need not have them. */
function readAnswers(given: unknown, path: Path, report: Report): SquadAnswer[] | undefined {
  if (given === undefined || given === null) return [];
  const items = answerItems(given);
  if (typeof items === "string") {
    report({ path, description: items });
    return undefined;
  }
  const answers: SquadAnswer[] = [];
  for (const [a, { text, answerStart }] of items.entries()) {
    const answerPath = Array.isArray(given) ? [...path, a] : path;
    if (typeof answerStart !== "number" || !Number.isInteger(answerStart)) {
      const description = `expected an integer, got ${kindOf(answerStart)}`;
      report({ path: [...answerPath, "answer_start"], description });
      return undefined;
    }
    if (typeof text !== "string") {
      report({ path: [...answerPath, "text"], description: `expected a string, got ${kindOf(text)}` });
      return undefined;
    }
    answers.push({ text, answerStart });
  }
  return answers;
}

/**
 * The answers of a question one by one, not checked yet: from a list of `{text, answer_start}`, from one such object, or from one
 * object that has a list under each of both names.
 *
 * @returns what is wrong, where it is none of these
 */
export function answerItems(given: unknown): { readonly text: unknown; readonly answerStart: unknown }[] | string {
  const item = (value: unknown) => {
    const { text, answer_start: answerStart } = (value ?? {}) as { text?: unknown; answer_start?: unknown };
    return { text, answerStart };
  };
  if (Array.isArray(given)) return given.map(item);
  if (typeof given !== "object" || given === null) return `expected a list, got ${kindOf(given)}`;
  const { text, answerStart } = item(given);
  if (!Array.isArray(text) && !Array.isArray(answerStart)) return [{ text, answerStart }];
  if (!Array.isArray(text) || !Array.isArray(answerStart)) {
    return `expected lists in text and answer_start, got ${kindOf(text)} and ${kindOf(answerStart)}`;
  }
  if (text.length !== answerStart.length) {
    return `expected as many texts as answer_starts, got ${text.length} and ${answerStart.length}`;
  }
  return text.map((entry: unknown, i) => ({ text: entry, answerStart: answerStart[i] as unknown }));
}

/** Ids are text, or whole numbers as far as every reader of JSON has the same ones; they are keys of prediction files. */
function identifier(value: unknown, path: Path, report: Report): string | undefined {
  const found = (value as Record<string, unknown> | null | undefined)?.["id"];
  if (typeof found === "string") return found;
  if (Number.isSafeInteger(found)) return String(found);
  const description =
    typeof found === "number" && Number.isInteger(found)
      ? "expected a string or a whole number below 2^53, got a larger one, which JSON readers round: write it as a string"
      : `expected a string or a whole number, got ${kindOf(found)}`;
  report({ path: [...path, "id"], description });
  return undefined;
}

function titleOf(value: unknown): string {
  const title = (value as { title?: unknown } | null)?.title;
  return typeof title === "string" || typeof title === "number" ? String(title) : "";
}

function list(value: unknown, key: string, path: Path, report: Report): unknown[] {
  const found = (value as Record<string, unknown> | null | undefined)?.[key];
  if (Array.isArray(found)) return found;
  report({ path: [...path, key], description: `expected a list, got ${kindOf(found)}` });
  return [];
}

function string(value: unknown, key: string, path: Path, report: Report): string | undefined {
  const found = (value as Record<string, unknown> | null | undefined)?.[key];
  if (typeof found === "string") return found;
  report({ path: [...path, key], description: `expected a string, got ${kindOf(found)}` });
  return undefined;
}

function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  return Array.isArray(value)
    ? "a list"
    : typeof value === "object"
      ? "an object"
      : `${typeof value} ${value}`.slice(0, 40);
}
