import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { pythonStrip } from "../python-text.ts";
import { folderArticles, tarArticles } from "./article-files.ts";
import { fileSource, notReadable, wholeText } from "./data-source.ts";
import {
  type ChoiceExample,
  type ClassificationExample,
  type Example,
  OWN_TASKS,
  type OwnTaskName,
  type QuestionExample,
  type TaskName,
} from "./examples.ts";
import { GLUE_TASKS, type GlueExample, type GlueSplit, type GlueTaskName, glueExamples } from "./glue.ts";
import { articleQuestions, type RaceFilter, type RaceQuestion, raceQuestions } from "./race.ts";
import type { SquadQuestion } from "./squad.ts";
import { readSquadFile } from "./squad-file.ts";

// Reads a file in the official layout of any task as examples.

/** Tasks whose data comes in an official layout. */
export type OfficialTaskName = Exclude<TaskName, OwnTaskName>;

/** Whether a task's data comes in an official layout. */
export function isOfficialTask(task: TaskName): task is OfficialTaskName {
  return !OWN_TASKS.some((own) => own === task);
}

/**
 * The examples of a file (or, for RACE, folder or tar archive) in a task's official layout, gzip or not, in the official
 * order.
 *
 * @param split  which columns a GLUE file has, and which articles of a RACE folder are meant
 * @throws AlbertError not-found (FILE_NOT_READABLE); invalid-input (DATA_INVALID) with file, line and column
 */
export async function* officialExamples(
  task: OfficialTaskName,
  path: string,
  split: GlueSplit,
): AsyncGenerator<Example> {
  const glue = GLUE_TASKS.get(task as GlueTaskName);
  if (glue !== undefined) {
    for await (const row of glueExamples(fileSource(path, basename(path)), glue, split)) {
      yield splitExample(row, split);
    }
  } else if (task === "race") {
    for (const question of await readRace(path, { split })) yield choiceExample(question);
  } else {
    const name = basename(path);
    for (const question of await readSquadFile(fileSource(path, name))) yield questionExample(question, name);
  }
}

/**
 * The questions of a RACE folder, of a tar archive (gzip or not), or of one file of articles.
 *
 * @throws AlbertError not-found (FILE_NOT_READABLE); invalid-input (DATA_INVALID)
 */
export async function readRace(path: string, filter: RaceFilter): Promise<RaceQuestion[]> {
  const info = await stat(path).catch((cause: unknown) => {
    throw notReadable(basename(path), cause);
  });
  if (info.isDirectory()) return raceQuestions(folderArticles(path), filter, basename(path));
  const source = fileSource(path, basename(path));
  if (/\.(tar|tgz|tar\.gz)$/.test(path)) return raceQuestions(tarArticles(source), filter, source.name);
  return articleQuestions({ path: basename(path), text: await wholeText(source) });
}

/** A GLUE row of a split as an example: test rows have no label to know. */
export function splitExample(row: GlueExample, split: GlueSplit): ClassificationExample {
  return split === "test" ? withoutLabel(row) : classificationExample(row);
}

/** A GLUE row as an example; a label's surrounding white space does not count. */
function classificationExample(row: GlueExample): ClassificationExample {
  const label = typeof row.label === "string" ? pythonStrip(row.label) : row.label;
  return { ...withoutLabel(row), label };
}

/** A SQuAD question as an example. */
export function questionExample(question: SquadQuestion, file: string): QuestionExample {
  const { id, context, answers, isImpossible, document } = question;
  return {
    kind: "question",
    id,
    question: question.question,
    context,
    answers,
    isImpossible,
    document: `${document}:${question.title}`,
    location: { file, line: 1, column: 1 },
  };
}

/** A RACE question as an example. */
export function choiceExample(question: RaceQuestion): ChoiceExample {
  const { id, index, article, options, answer, level, location } = question;
  return {
    kind: "choice",
    id: `${id}-${index}`,
    question: question.question,
    context: article,
    choices: options,
    answer,
    ...(level === undefined ? {} : { level }),
    document: `${level ?? ""}/${id}`,
    location,
  };
}

function withoutLabel({ guid, text, textPair, location }: GlueExample): ClassificationExample {
  return { kind: "classification", id: guid, text, ...(textPair ? { textPair } : {}), location };
}
