import { AlbertError } from "../../errors.ts";
import {
  type DataLocation,
  type DataSource,
  type DecodedText,
  dataError,
  decodedText,
  invalidUtf8At,
  type TextLine,
  textLines,
} from "./data-source.ts";
import { jsonLayout } from "./json-layout.ts";
import { JsonPlaces, locateInJson, parseJson } from "./json-text.ts";
import { flatQuestions, jsonPath, type SquadQuestion, squadQuestions } from "./squad.ts";

// A file of SQuAD questions, as one JSON document or as JSON Lines, item by item with their places.

/** One thing met in a file. Finding a place may cost time, and is put off until it is to be shown. */
export type SquadItem =
  /** The text of a document, before anything in it. */
  | { readonly kind: "text"; readonly text: DecodedText }
  /** A line of JSON Lines, before what is in it. */
  | { readonly kind: "line"; readonly line: TextLine }
  | { readonly kind: "question"; readonly question: SquadQuestion; readonly locate: () => DataLocation }
  | { readonly kind: "problem"; readonly locate: () => DataLocation; readonly description: string }
  /** A line of JSON Lines that is no JSON. */
  | { readonly kind: "no-json"; readonly locate: () => DataLocation; readonly description: string };

/**
 * Everything in a file, in order. JSON Lines are read line by line, a document as a whole.
 *
 * @throws AlbertError as `decodedText`; invalid-input (DATA_INVALID) for a document that is not JSON
 */
export async function* squadItems(source: DataSource): AsyncGenerator<SquadItem> {
  if ((await jsonLayout(source)) === "lines") yield* lineItems(source);
  else yield* documentItems(source);
}

/**
 * All questions of a file that must be sound.
 *
 * @throws AlbertError as {@link squadItems}; invalid-input (DATA_INVALID) that names the first thing wrong and counts the rest
 */
export async function readSquadFile(source: DataSource): Promise<SquadQuestion[]> {
  const questions: SquadQuestion[] = [];
  let first: { readonly location: DataLocation; readonly description: string } | undefined;
  let problems = 0;
  for await (const item of squadItems(source)) {
    if (item.kind === "question") questions.push(item.question);
    if (item.kind === "line" && !item.line.isUtf8) {
      throw dataError(invalidUtf8At(item.line, source.name), "not UTF-8: save the file in that encoding");
    }
    if (item.kind !== "problem" && item.kind !== "no-json") continue;
    problems++;
    first ??= { location: item.locate(), description: item.description };
  }
  if (first === undefined) return questions;
  const others = problems > 1 ? ` (and ${problems - 1} more problems)` : "";
  throw dataError(first.location, `${first.description}${others}`);
}

async function* documentItems(source: DataSource): AsyncGenerator<SquadItem> {
  const text = await decodedText(source);
  yield { kind: "text", text };
  const json = parseJson(text.text, source.name);
  const places = new JsonPlaces(text.text, source.name);
  const problems: SquadItem[] = [];
  const questions = squadQuestions(json, ({ path, description }) => {
    const locate = () => places.locate(path);
    problems.push({ kind: "problem", locate, description: `${jsonPath(path)}: ${description}` });
  });
  for (const question of questions) {
    yield* problems.splice(0);
    yield { kind: "question", question, locate: () => places.locate(question.path) };
  }
  yield* problems;
}

async function* lineItems(source: DataSource): AsyncGenerator<SquadItem> {
  let problems: { readonly path: readonly (string | number)[]; readonly description: string }[] = [];
  const read = flatQuestions((problem) => problems.push(problem));
  for await (const line of textLines(source)) {
    yield { kind: "line", line };
    if (line.text.trim() === "") continue;
    const locate = (path: readonly (string | number)[]) => () => {
      const { column } = locateInJson(line.text, path, source.name);
      return { file: source.name, line: line.line, column };
    };
    let record: unknown;
    try {
      record = parseJson(line.text, source.name, line.line);
    } catch (error) {
      if (!(error instanceof AlbertError)) throw error;
      const column = Number(error.metadata["column"] ?? 1);
      const description = error.reason === "DATA_INVALID" ? "not valid JSON" : error.message;
      yield { kind: "no-json", locate: () => ({ file: source.name, line: line.line, column }), description };
      continue;
    }
    problems = [];
    const question = read(record, []);
    for (const { path, description } of problems) {
      yield { kind: "problem", locate: locate(path), description: `${jsonPath(path)}: ${description}` };
    }
    if (question !== undefined) yield { kind: "question", question, locate: locate([]) };
  }
}
