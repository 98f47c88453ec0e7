import { AlbertError } from "../../../errors.ts";
import { type DataSource, textLines } from "../../../tasks/datasets/data-source.ts";
import { type GlueSplit, type GlueTask, readGlueRow } from "../../../tasks/datasets/glue.ts";
import { choiceExample, questionExample, splitExample } from "../../../tasks/datasets/official-examples.ts";
import { type ArticleFile, articleQuestions } from "../../../tasks/datasets/race.ts";
import { squadItems } from "../../../tasks/datasets/squad-file.ts";
import { type RowIssue, rejectsRow, rowIssue } from "../issues.ts";
import { inJson, lineIssues, officialWindowsText, textMarks, type WindowsText } from "../windows-text.ts";
import type { DatasetRow } from "./dataset-row.ts";

// Rows of the official layouts, each with what is wrong with it.

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
      if (isBlank) yield { kind: "file", issues };
      else if (task.columns[split].header && line.line === 1) yield { kind: "file", issues, header: plain(line.text) };
      else {
        const short = rowIssue("skipped-by-official-reader", location, "too few columns", line.text);
        yield { kind: "row", issues: [...issues, short] };
      }
    } else if (row.kind === "problem") {
      const kind = task.isRegression && row.location.column > 1 ? "bad-number" : "wrong-column-count";
      yield { kind: "row", issues: [...issues, rowIssue(kind, row.location, row.description, line.text)] };
    } else if (issues.some((issue) => rejectsRow(issue.kind))) yield { kind: "row", issues };
    else yield { kind: "row", issues, example: splitExample(row.example, split), text: plain(line.text) };
  }
}

function plain(text: string): string {
  return text.replace(/\r$/, "");
}

/** Questions of a SQuAD file. What is wrong is found again in the text, so that it can be named by line and column. */
export async function* squadRows(source: DataSource, windowsText: WindowsText): AsyncGenerator<DatasetRow> {
  const { name } = source;
  const accepted = inJson(windowsText);
  try {
    for await (const item of squadItems(source)) {
      if (item.kind === "text") {
        const marks = textMarks(item.text, name, accepted);
        if (marks.length > 0) yield { kind: "file", issues: marks };
      } else if (item.kind === "line") {
        const issues = lineIssues(item.line, name, accepted);
        const blank = { file: name, line: item.line.line, column: 1 };
        if (item.line.text.trim() === "") issues.push(rowIssue("blank-line", blank, "blank line"));
        if (issues.length > 0) yield { kind: "file", issues };
      } else if (item.kind === "question") {
        yield { kind: "row", issues: [], example: questionExample(item.question, name), locate: item.locate };
      } else {
        const kind = item.kind === "problem" ? "missing-field" : "bad-json";
        yield { kind: "row", issues: [rowIssue(kind, item.locate, item.description)] };
      }
    }
  } catch (error) {
    yield { kind: "row", issues: [unreadable(error, name)] };
  }
}

/** Questions of RACE articles; an article with anything wrong is one rejected row. */
export async function* raceRows(files: Iterable<ArticleFile>, windowsText: WindowsText): AsyncGenerator<DatasetRow> {
  for (const file of files) {
    const marks = textMarks(file, file.path, inJson(windowsText));
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
export function unreadable(error: unknown, file: string): RowIssue {
  if (!(error instanceof AlbertError) || error.reason !== "DATA_INVALID") throw error;
  const { line = "1", column = "1", file: named = file } = error.metadata;
  const location = { file: named, line: Number(line), column: Number(column) };
  const detail = error.message.slice(error.message.indexOf(": ") + 2);
  return rowIssue(detail.startsWith("not UTF-8") ? "invalid-utf8" : "bad-json", location, detail);
}
