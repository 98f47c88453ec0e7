import { AlbertError } from "../../errors.ts";

/** One question of a SQuAD file. */
export interface SquadQuestion {
  readonly id: string;
  readonly question: string;
  readonly context: string;
  /** As the file holds them: none for an unanswerable question; several in a development set. */
  readonly answers: readonly SquadAnswer[];
  /** Version 2 files only; false in version 1. */
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
 * The questions of a SQuAD v1.1 or v2.0 file, in the order of the file. `plausible_answers` are not read.
 *
 * @param json   the parsed file
 * @param report is told of everything that is not as it must be; such a question (or paragraph) is left out
 */
export function* squadQuestions(json: unknown, report: (problem: SquadProblem) => void): Generator<SquadQuestion> {
  const documents = list(json, ["data"], [], report);
  for (const [d, document] of documents.entries()) {
    const documentPath = ["data", d];
    const title = string(document, "title", documentPath, () => {}) ?? "";
    for (const [p, paragraph] of list(document, ["paragraphs"], documentPath, report).entries()) {
      const paragraphPath = [...documentPath, "paragraphs", p];
      const context = string(paragraph, "context", paragraphPath, report);
      if (context === undefined) continue;
      for (const [q, question] of list(paragraph, ["qas"], paragraphPath, report).entries()) {
        const path = [...paragraphPath, "qas", q];
        const parsed = readQuestion(question, path, report);
        if (parsed !== undefined) yield { ...parsed, context, document: d, paragraph: p, title, path };
      }
    }
  }
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

type Report = (problem: SquadProblem) => void;
type Path = readonly (string | number)[];

function readQuestion(
  value: unknown,
  path: Path,
  report: Report,
): Pick<SquadQuestion, "id" | "question" | "answers" | "isImpossible"> | undefined {
  const id = string(value, "id", path, report);
  const question = string(value, "question", path, report);
  const impossible = (value as { is_impossible?: unknown } | null)?.is_impossible ?? false;
  if (typeof impossible !== "boolean") {
    report({ path: [...path, "is_impossible"], description: `expected true or false, got ${kindOf(impossible)}` });
    return undefined;
  }
  const answers = readAnswers(value, path, report);
  if (id === undefined || question === undefined || answers === undefined) return undefined;
  return { id, question, answers, isImpossible: impossible };
}

/** Answers may be missing altogether: a file to predict need not have them. */
function readAnswers(value: unknown, path: Path, report: Report): SquadAnswer[] | undefined {
  if ((value as { answers?: unknown } | null)?.answers === undefined) return [];
  const answers: SquadAnswer[] = [];
  for (const [a, answer] of list(value, ["answers"], path, report).entries()) {
    const answerPath = [...path, "answers", a];
    const text = string(answer, "text", answerPath, report);
    const start = (answer as { answer_start?: unknown } | null)?.answer_start;
    if (typeof start !== "number" || !Number.isInteger(start)) {
      report({ path: [...answerPath, "answer_start"], description: `expected an integer, got ${kindOf(start)}` });
      return undefined;
    }
    if (text === undefined) return undefined;
    answers.push({ text, answerStart: start });
  }
  return answers;
}

function list(value: unknown, [key]: readonly [string], path: Path, report: Report): unknown[] {
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
