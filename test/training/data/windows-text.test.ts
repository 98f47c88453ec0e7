import { describe, expect, it } from "vitest";
import type { RowIssue } from "../../../src/training/data/issues.ts";
import {
  ANY_WINDOWS_TEXT,
  lineIssues,
  NO_WINDOWS_TEXT,
  textMarks,
  type WindowsText,
} from "../../../src/training/data/windows-text.ts";

const placeOf = ({ kind, location }: RowIssue) => {
  const { line, column } = typeof location === "function" ? location() : location;
  return [kind, line, column];
};
const ofLine = (text: string, accepted: WindowsText, changes: object = {}) =>
  lineIssues({ text, line: 3, isUtf8: true, hadByteOrderMark: false, ...changes }, "f.tsv", accepted).map(placeOf);

describe("what Windows programs leave in text", () => {
  it("is an error where it is not accepted, and noted where it is", () => {
    expect(ofLine("a\tb\r", NO_WINDOWS_TEXT)).toEqual([["crlf-line-ends", 3, 4]]);
    expect(ofLine("a\tb\r", ANY_WINDOWS_TEXT)).toEqual([["carriage-returns-dropped", 3, 4]]);
    expect(ofLine("a\rb", NO_WINDOWS_TEXT)).toEqual([]);
    expect(ofLine("a", NO_WINDOWS_TEXT, { hadByteOrderMark: true })).toEqual([["byte-order-mark", 1, 1]]);
    expect(ofLine("a", ANY_WINDOWS_TEXT, { hadByteOrderMark: true })).toEqual([["byte-order-mark-dropped", 1, 1]]);
  });

  it("is told beside bytes that are not UTF-8 and characters that nothing can read, each at its place", () => {
    expect(ofLine("ab\ufffd\0\r", NO_WINDOWS_TEXT, { isUtf8: false })).toEqual([
      ["invalid-utf8", 3, 3],
      ["nul-character", 3, 4],
      ["crlf-line-ends", 3, 5],
    ]);
  });

  it("is told of every line of a text that is read as a whole", () => {
    const marks = textMarks({ text: "a\r\nb\nccc\r\n", hadByteOrderMark: true }, "f.json", NO_WINDOWS_TEXT);
    expect(marks.map(placeOf)).toEqual([
      ["byte-order-mark", 1, 1],
      ["crlf-line-ends", 1, 2],
      ["crlf-line-ends", 3, 4],
    ]);
    expect(textMarks({ text: "a\rb\n" }, "f.json", NO_WINDOWS_TEXT)).toEqual([]);
  });
});
