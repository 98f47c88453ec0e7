import type { DataLocation, DecodedText, TextLine } from "../../tasks/datasets/data-source.ts";
import type { GlueTask } from "../../tasks/datasets/glue.ts";
import { type RowIssue, rowIssue } from "./issues.ts";

// What Windows programs leave in text: byte order marks and carriage returns.

/**
 * What is accepted of the marks that Windows programs leave in text: a byte order mark at the beginning of a file, carriage
 * returns at the ends of its lines. Where one is accepted it is dropped and noted; elsewhere it is an error, since other
 * programs read it as part of the first name or of the last field.
 */
export interface WindowsText {
  readonly byteOrderMark: boolean;
  readonly carriageReturns: boolean;
}

export const NO_WINDOWS_TEXT: WindowsText = { byteOrderMark: false, carriageReturns: false };
export const ANY_WINDOWS_TEXT: WindowsText = { byteOrderMark: true, carriageReturns: true };

/** In JSON a carriage return is white space like any other. */
export function inJson(accepted: WindowsText): WindowsText {
  return { ...accepted, carriageReturns: true };
}

/** The marks that a task's published file carries itself. */
export function officialWindowsText({ name }: GlueTask): WindowsText {
  return { byteOrderMark: name === "mrpc", carriageReturns: name === "mnli-mm" };
}

/** What the bytes and the end of a line tell. */
export function lineIssues(line: TextLine, file: string, accepted: WindowsText): RowIssue[] {
  const issues: RowIssue[] = [];
  const at = (index: number) => ({ file, line: line.line, column: Math.max(0, index) + 1 });
  if (!line.isUtf8) {
    issues.push(rowIssue("invalid-utf8", at(line.text.indexOf("\ufffd")), "bytes that are not UTF-8", line.text));
  }
  const nul = line.text.indexOf("\0");
  if (nul >= 0) issues.push(rowIssue("nul-character", at(nul), "a U+0000 character", line.text));
  return [...issues, ...lineMarks(line, file, accepted)];
}

/** The marks of one line. */
function lineMarks(line: TextLine, file: string, accepted: WindowsText): RowIssue[] {
  const issues: RowIssue[] = [];
  if (line.hadByteOrderMark) issues.push(byteOrderMark(file, accepted));
  if (line.text.endsWith("\r")) {
    issues.push(carriageReturn({ file, line: line.line, column: line.text.length }, accepted));
  }
  return issues;
}

/** The marks of a text that is read as a whole. */
export function textMarks(
  { text, hadByteOrderMark = false }: Pick<DecodedText, "text"> & Partial<DecodedText>,
  file: string,
  accepted: WindowsText,
): RowIssue[] {
  const issues: RowIssue[] = hadByteOrderMark ? [byteOrderMark(file, accepted)] : [];
  if (!text.includes("\r\n")) return issues;
  for (const [i, line] of text.split("\n").entries()) {
    if (line.endsWith("\r")) issues.push(carriageReturn({ file, line: i + 1, column: line.length }, accepted));
  }
  return issues;
}

function byteOrderMark(file: string, accepted: WindowsText): RowIssue {
  const kind = accepted.byteOrderMark ? "byte-order-mark-dropped" : "byte-order-mark";
  return rowIssue(kind, { file, line: 1, column: 1 }, "the file begins with a byte order mark");
}

function carriageReturn(location: DataLocation, accepted: WindowsText): RowIssue {
  const kind = accepted.carriageReturns ? "carriage-returns-dropped" : "crlf-line-ends";
  return rowIssue(kind, location, "the line ends in CRLF");
}
