// A file's text as search reads it, and the blocks that it consists of. Types only.

/** How a file is read: as it is, as it is with headings and code recognised, or without its tags. */
export type DocumentKind = "text" | "markdown" | "html";

/** A paragraph, list, table, piece of code or heading: what a passage keeps together where it can. */
export interface Block {
  /** Half-open range in the text, in UTF-16 units, without white space at either end. */
  readonly start: number;
  readonly end: number;
  readonly heading: boolean;
}

/** A file's text as it is read. All offsets of passages and answers count its UTF-16 units. */
export interface SearchDocument {
  readonly kind: DocumentKind;
  /** Of text and Markdown: the file's own characters, without a byte order mark. Of HTML: what a reader of the page sees. */
  readonly text: string;
  /** In order, without overlap. */
  readonly blocks: readonly Block[];
  /** Of HTML: where the text's characters stand in the file; see `source-runs.ts`. */
  readonly sourceRuns?: Int32Array;
}
