import { AlbertError } from "../../errors.ts";
import { MAX_ARTICLES_BYTES, tooLarge } from "./data-limits.ts";
import { type DataLocation, dataError } from "./data-source.ts";
import { parseJson } from "./json-text.ts";

// RACE in its official layout: articles, their order and their questions.

/** One file of a RACE folder or archive. */
export interface ArticleFile {
  /** Path below the folder or inside the archive, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** Whether a byte order mark stood before the text. */
  readonly hadByteOrderMark?: boolean;
}

export type RaceSplit = "train" | "dev" | "test";
export type RaceLevel = "middle" | "high";

/** One question about an article. */
export interface RaceQuestion {
  /** The article's id, such as "high1.txt". */
  readonly id: string;
  readonly article: string;
  readonly question: string;
  readonly options: readonly string[];
  /** Index of the right option. */
  readonly answer: number;
  /** From the folder the article lies in; undefined where it lies in neither. */
  readonly level: RaceLevel | undefined;
  /** Which question of its article, from 0. */
  readonly index: number;
  readonly location: DataLocation;
}

/** Which articles to take. */
export interface RaceFilter {
  /** Only files below a folder of this name, where the path has a split's folder at all. */
  readonly split?: RaceSplit;
  /** Only this level. */
  readonly level?: RaceLevel;
}

/**
 * The questions of RACE articles in the official order (see {@link articlesInOrder}).
 *
 * @param name  of the folder or archive, for messages
 * @throws AlbertError invalid-input (DATA_INVALID) with file, line and column
 */
export async function raceQuestions(
  files: AsyncIterable<ArticleFile> | Iterable<ArticleFile>,
  filter: RaceFilter = {},
  name = "the data",
): Promise<RaceQuestion[]> {
  return (await articlesInOrder(files, filter, name)).flatMap((file) => articleQuestions(file));
}

/**
 * The files that the official reader reads, in its order: all middle-school ones, then all high-school ones. Takes `all.txt`
 * (one article a line) as well as one file for each article; where a folder has an `all.txt`, its other files are not read.
 *
 * @throws AlbertError invalid-input (DATA_INVALID) where there is none; (DATA_TOO_LARGE) for more than may be held
 */
export async function articlesInOrder(
  files: AsyncIterable<ArticleFile> | Iterable<ArticleFile>,
  filter: RaceFilter = {},
  name = "the data",
): Promise<ArticleFile[]> {
  const byFolder = new Map<string, ArticleFile[]>();
  const others = new Set<string>();
  let held = 0;
  for await (const file of files) {
    if (!file.path.endsWith(".txt")) continue;
    if (!matches(file.path, filter)) {
      for (const split of splitsOf(file.path)) others.add(split);
      continue;
    }
    held += file.text.length;
    if (held > MAX_ARTICLES_BYTES) {
      const what = `more than ${MAX_ARTICLES_BYTES} characters of articles`;
      throw tooLarge(file.path, what, MAX_ARTICLES_BYTES, "divide the set into several files");
    }
    const folder = file.path.slice(0, file.path.lastIndexOf("/") + 1);
    const siblings = byFolder.get(folder);
    if (siblings === undefined) byFolder.set(folder, [file]);
    else siblings.push(file);
  }
  if (byFolder.size === 0) throw noArticles(name, filter, [...others]);
  const ordered: Record<RaceLevel | "none", ArticleFile[]> = { none: [], middle: [], high: [] };
  for (const folder of byFolder.values()) {
    const all = folder.filter(({ path }) => path.slice(path.lastIndexOf("/") + 1) === "all.txt");
    for (const file of all.length > 0 ? all : folder) ordered[levelOf(file.path) ?? "none"].push(file);
  }
  return [...ordered.none, ...ordered.middle, ...ordered.high];
}

/** The questions of one file: one article a line, or one article over all of its lines. */
export function articleQuestions({ path, text }: ArticleFile): RaceQuestion[] {
  const level = levelOf(path);
  const lines = text.split("\n");
  const perLine =
    lines.length > 1 && lines.filter((line) => line.trim() !== "").every((line) => /^\s*\{.*\}\s*$/.test(line));
  if (!perLine) return readArticle(text, { file: path, line: 1, column: 1 }, level);
  return lines.flatMap((line, i) =>
    line.trim() === "" ? [] : readArticle(line, { file: path, line: i + 1, column: 1 }, level),
  );
}

function readArticle(text: string, location: DataLocation, level: RaceLevel | undefined): RaceQuestion[] {
  const value = parseJson(text, location.file, location.line) as Partial<Record<string, unknown>> | null;
  const refuse = (description: string): never => {
    throw dataError(location, description);
  };
  const { id, article, questions, options, answers } = value ?? {};
  if (typeof article !== "string") refuse("expected a string in article");
  if (!isStrings(questions) || !isStrings(answers) || !Array.isArray(options)) {
    return refuse("expected lists in questions, options and answers");
  }
  if (questions.length !== options.length || questions.length !== answers.length) {
    refuse(`got ${questions.length} questions, ${options.length} lists of options and ${answers.length} answers`);
  }
  return questions.map((question, index) => {
    const choices: unknown = options[index];
    if (!isStrings(choices) || choices.length < 2)
      return refuse(`question ${index}: expected a list of two options or more`);
    const answer = answers[index]!.charCodeAt(0) - 65;
    if (answers[index]!.length !== 1 || answer < 0 || answer >= choices.length) {
      refuse(`question ${index}: expected an answer from A to ${String.fromCharCode(64 + choices.length)}`);
    }
    return {
      id: typeof id === "string" ? id : location.file,
      article: article as string,
      question,
      options: choices,
      answer,
      level,
      index,
      location,
    };
  });
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function levelOf(path: string): RaceLevel | undefined {
  const folders = path.split("/");
  return (["middle", "high"] as const).find((level) => folders.includes(level));
}

/** Why there is nothing to read. */
function noArticles(name: string, { split, level }: RaceFilter, others: readonly string[]): AlbertError {
  const wanted = [split, level].filter((word) => word !== undefined).join(" and ");
  const message =
    others.length > 0 && split !== undefined
      ? `${name}: expected articles below a folder called ${wanted}, found only those of ${others.join(" and ")}: give the data of that split, or (evaluate, predict) say --split ${others[0]}`
      : `${name}: expected articles, one in each .txt file or one on each line of all.txt, found none`;
  return new AlbertError("invalid-input", message, { reason: "DATA_INVALID" });
}

function splitsOf(path: string): string[] {
  return path.split("/").filter((folder) => ["train", "dev", "test"].includes(folder));
}

function matches(path: string, { split, level }: RaceFilter): boolean {
  const splits = splitsOf(path);
  if (split !== undefined && splits.length > 0 && !splits.includes(split)) return false;
  return level === undefined || levelOf(path) === level;
}
