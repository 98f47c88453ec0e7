import type { SentenceEncoding } from "../../model/directory/model-directory.ts";
import type { DocumentKind } from "../documents/document.ts";
import type { PassageRule } from "../passages/split-passages.ts";
import type { QuantisedVectors } from "../vectors/quantised.ts";

// What a search index holds. Types, and the layout of its table of passages.

/** The model that made an index's vectors, and must make those of its questions. */
export interface IndexEncoder {
  readonly name: string;
  /** Of the model's version. */
  readonly digest: string;
  readonly pooling: SentenceEncoding["pooling"];
  /** Numbers of a vector. */
  readonly width: number;
  /** Where the model was, seen from the index's folder; a hint only, since the digest decides. */
  readonly directory?: string;
}

/** One file of the indexed folder. */
export interface IndexedFile {
  /** Relative to the folder, with slashes. */
  readonly path: string;
  readonly kind: DocumentKind;
  readonly bytes: number;
  /** Of the file's bytes, hexadecimal. */
  readonly sha256: string;
  /** How many passages, bytes of text and rows of source runs are this file's; each follow those of the file before. */
  readonly passages: number;
  readonly textBytes: number;
  readonly sourceRuns: number;
}

/** Columns of the table of passages. */
export const PASSAGE_COLUMNS = {
  /** Index of its file. */
  file: 0,
  /** Half-open range in the file's text, in UTF-16 units. */
  start: 1,
  end: 2,
  /** Its start in code points. */
  codePointStart: 3,
  /** Half-open range in the file's text, in bytes of UTF-8. */
  byteStart: 4,
  byteEnd: 5,
} as const;

export const PASSAGE_WIDTH = Object.keys(PASSAGE_COLUMNS).length;

/** A whole index. It holds the texts too, so that it answers wherever it is copied to. */
export interface IndexContents {
  readonly encoder: IndexEncoder;
  readonly rule: PassageRule;
  /** In the order of their paths. */
  readonly files: readonly IndexedFile[];
  /** One for each passage, of length 1. */
  readonly vectors: QuantisedVectors;
  /** [N, PASSAGE_WIDTH], file by file */
  readonly passages: Int32Array;
  /** UTF-8 of the texts as they were read, file by file. */
  readonly texts: Uint8Array;
  /** [R, 3], file by file, of those that have any. */
  readonly sourceRuns: Int32Array;
}
