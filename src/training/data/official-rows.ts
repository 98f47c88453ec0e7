import { AlbertError } from "../../errors.ts";
import { type DataSource, type DecodedText, decodedText, textLines } from "../../tasks/datasets/data-source.ts";
import { type GlueSplit, type GlueTask, readGlueRow } from "../../tasks/datasets/glue.ts";
import { locateInJson, parseJson } from "../../tasks/datasets/json-text.ts";
import { choiceExample, classificationExample, questionExample } from "../../tasks/datasets/official-examples.ts";
import { type ArticleFile, articleQuestions } from "../../tasks/datasets/race.ts";
import { jsonPath, squadQuestions } from "../../tasks/datasets/squad.ts";
import { type RowIssue, rejectsRow, rowIssue } from "./issues.ts";
import type { DatasetRow } from "./rows.ts";
import { lineIssues } from "./tabular-rows.ts";
import { officialWindowsText, textMarks, type WindowsText } from "./windows-text.ts";

/** Rows of a GLUE file. */
export async function* glueRows(
  source: DataSource,
  task: GlueTask,
  split: GlueSplit,
  windowsText: WindowsText,
): AsyncGenerator<DatasetRow> {
  const own = officialWindowsText(task);
  const accepted = {
    byteOrderMark: windowsText.byteOrderMark || own.byteOrderMark,
    carriageReturns: windowsText.carriageReturns || own.carriageReturns,
  };
  for await (const line of textLines(source)) {
    const issues = lineIssues(line, source.name, accepted);
    const row = readGlueRow(line, source.name, task, split);
    if (row.kind === "skipped") {
      const isBlank = line.text.trim() === "";
      const location = { file: source.name, line: line.line, column: 1 };
      if (isBlank) issues.push(rowIssue("blank-line", location, "blank line"));
      if (isBlank || (task.columns[split].header && line.line === 1)) yield { kind: "file", issues };
      else {
        const short = rowIssue("skipped-by-official-reader", location, "too few columns", line.text);
        yield { kind: "row", issues: [...issues, short] };
      }
    } else if (row.kind === "problem") {
      const kind = task.isRegression && row.location.column > 1 ? "bad-number" : "wrong-column-count";
      yield { kind: "row", issues: [...issues, rowIssue(kind, row.location, row.description, line.text)] };
    } else if (issues.some((issue) => rejectsRow(issue.kind))) yield { kind: "row", issues };
    else yield { kind: "row", issues, example: classificationExample(row.example) };
  }
}

/** Questions of a SQuAD file. What is wrong is found again in the text, so that it can be named by line and column. */
export async function* squadRows(source: DataSource, windowsText: WindowsText): AsyncGenerator<DatasetRow> {
  const { name } = source;
  let decoded: DecodedText;
  let json: unknown;
  try {
    decoded = await decodedText(source);
    json = parseJson(decoded.text, name);
  } catch (error) {
    yield { kind: "row", issues: [unreadable(error, name)] };
    return;
  }
  const marks = textMarks(decoded, name, windowsText);
  if (marks.length > 0) yield { kind: "file", issues: marks };
  const problems: RowIssue[] = [];
  const locate = (path: readonly (string | number)[]) => locateInJson(decoded.text, path, name);
  const questions = squadQuestions(json, ({ path, description }) => {
    problems.push(rowIssue("missing-field", locate(path), `${jsonPath(path)}: ${description}`));
  });
  for (const question of questions) {
    while (problems.length > 0) yield { kind: "row", issues: [problems.shift()!] };
    yield { kind: "row", issues: [], example: questionExample(question, name), locate: () => locate(question.path) };
  }
  while (problems.length > 0) yield { kind: "row", issues: [problems.shift()!] };
}

/** Questions of RACE articles; an article with anything wrong is one rejected row. */
export async function* raceRows(files: Iterable<ArticleFile>, windowsText: WindowsText): AsyncGenerator<DatasetRow> {
  for (const file of files) {
    const marks = textMarks(file, file.path, windowsText);
    if (marks.length > 0) yield { kind: "file", issues: marks };
    try {
      for (const question of articleQuestions(file))
        yield { kind: "row", issues: [], example: choiceExample(question) };
    } catch (error) {
      yield { kind: "row", issues: [unreadable(error, file.path)] };
    }
  }
}

/** A file (or article) that could not be read at all, as one issue; anything but wrong data goes on as an error. */
function unreadable(error: unknown, file: string): RowIssue {
  if (!(error instanceof AlbertError) || error.reason !== "DATA_INVALID") throw error;
  const { line = "1", column = "1", file: named = file } = error.metadata;
  const location = { file: named, line: Number(line), column: Number(column) };
  const detail = error.message.slice(error.message.indexOf(": ") + 2);
  return rowIssue(detail.startsWith("not UTF-8") ? "invalid-utf8" : "bad-json", location, detail);
}
