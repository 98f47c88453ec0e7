import { OffsetConverter, type OffsetUnit } from "../../tasks/offset-units.ts";
import type { PassageAnswers, ReadPassagesRequest } from "../../tasks/question-answering/read-passages.ts";
import { type FoundPassage, placeInFile } from "../index/search-index.ts";
import { fuseAnswers } from "./fuse-answers.ts";

// A question to an index: passages found by their vectors, read for the answer, cited by file and place. Who encodes, finds
// and reads is the caller's.

/** Passages that are read for one question, and answers, unless the caller wants others. */
export const DEFAULT_PASSAGES = 8;
export const MAX_PASSAGES = 100;

/** A place in a file. */
export interface Citation {
  readonly file: string;
  readonly fileSha256: string;
  /** Half-open range in the file's text as it was read, in the unit asked for. */
  readonly start: number;
  readonly end: number;
  /** The same in the file itself, in UTF-16 units: another place only in HTML, where it is that of the markup. */
  readonly sourceStart: number;
  readonly sourceEnd: number;
}

/** A passage as it is given back. */
export interface CitedPassage extends Citation {
  readonly text: string;
  readonly similarity: number;
}

/** One answer. */
export interface CitedAnswer extends Citation {
  /** Exactly the file's text at `start..end`. */
  readonly text: string;
  /** Among all answers that were compared. */
  readonly probability: number;
  /** Index, in the passages, of the one that it is from. */
  readonly passage: number;
}

/** What a question got. */
export interface IndexAnswer {
  readonly passages: readonly CitedPassage[];
  /** Best first. */
  readonly answers: readonly CitedAnswer[];
  readonly answerable: boolean;
}

/** How an answer is chosen and told. */
export interface AskOptions {
  readonly question: string;
  readonly passages: readonly FoundPassage[];
  /** Answers to give at most. */
  readonly best: number;
  readonly unit: OffsetUnit;
}

/** What the reader is asked about some passages, in UTF-16 units; each may have all of the best answers. */
export function readingRequest({ question, passages, best }: Omit<AskOptions, "unit">): ReadPassagesRequest {
  return { question, passages: passages.map(({ text }) => text), nBest: best };
}

/** The best answers of what was read. */
export function indexAnswer(read: PassageAnswers, { passages, best, unit }: Omit<AskOptions, "question">): IndexAnswer {
  const { answers, answerable } = fuseAnswers(
    read,
    passages.map(({ similarity }) => similarity),
    best,
    (passage, { start, end }) => {
      const { file, start: from } = passages[passage]!;
      return `${from + start} ${from + end} ${file}`;
    },
  );
  return {
    passages: passages.map((passage) => citedPassage(passage, unit)),
    answers: answers.map(({ passage, span, probability }) => {
      const range = { start: span.start, end: span.end };
      return { ...cite(passages[passage]!, range, unit), text: span.text, probability, passage };
    }),
    answerable,
  };
}

/** A passage with its place in the unit asked for. */
export function citedPassage(passage: FoundPassage, unit: OffsetUnit): CitedPassage {
  const whole = { start: 0, end: passage.text.length };
  return { ...cite(passage, whole, unit), text: passage.text, similarity: passage.similarity };
}

/** @param range  in the passage, in UTF-16 units */
function cite(
  passage: FoundPassage,
  range: { readonly start: number; readonly end: number },
  unit: OffsetUnit,
): Citation {
  const { file, fileSha256, text, start: from } = passage;
  const base = { "utf-16": from, "code-point": passage.codePointStart, "utf-8": passage.byteStart }[unit];
  const [start, end] = new OffsetConverter(text, unit).convert([range.start, range.end]);
  const source = placeInFile(passage, { start: from + range.start, end: from + range.end });
  return { file, fileSha256, start: base + start!, end: base + end!, sourceStart: source.start, sourceEnd: source.end };
}
