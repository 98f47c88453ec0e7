import { extname } from "node:path";
import { utf16Of } from "../../platform/file-kind.ts";
import { dataError, decodedText, locationAt, memorySource } from "../../tasks/datasets/data-source.ts";
import type { DocumentKind, SearchDocument } from "./document.ts";
import { htmlText } from "./html-text.ts";
import { markdownBlocks, plainBlocks } from "./text-blocks.ts";

// Which files are read, and a file's bytes as its text. It opens no file.

const KINDS: Readonly<Record<string, DocumentKind>> = {
  ".txt": "text",
  ".text": "text",
  ".rst": "text",
  ".adoc": "text",
  ".md": "markdown",
  ".markdown": "markdown",
  ".html": "html",
  ".htm": "html",
  ".xhtml": "html",
};

/** Endings of the names of files that are read. */
export const READ_ENDINGS: readonly string[] = Object.keys(KINDS);

/** What a file of this name is read as; undefined for a file that is not read. */
export function documentKind(name: string): DocumentKind | undefined {
  const ending = extname(name).toLowerCase();
  return Object.hasOwn(KINDS, ending) ? KINDS[ending] : undefined;
}

/**
 * A file's text and blocks.
 *
 * @param name  for messages
 * @throws AlbertError invalid-input: DATA_INVALID for bytes that are not UTF-8 and for U+0000, FORMAT_UNKNOWN for a file that is
 *   something else whatever its name says, DATA_TOO_LARGE
 */
export async function readDocument(name: string, bytes: Uint8Array, kind: DocumentKind): Promise<SearchDocument> {
  const text = kind === "html" ? decodedPage(name, bytes) : (await decodedText(memorySource(name, bytes))).text;
  const nul = text.indexOf("\0");
  if (nul >= 0)
    throw dataError(locationAt(name, text, nul), "a U+0000 character, which no text has: is this a binary file?");
  switch (kind) {
    case "html":
      return htmlText(text);
    case "markdown":
      return { kind, text, blocks: markdownBlocks(text) };
    case "text":
      return { kind, text, blocks: plainBlocks(text) };
  }
}

/** A page as characters. That a file begins as a page is no fault here, as it is of other texts. */
function decodedPage(name: string, bytes: Uint8Array): string {
  const decode = (fatal: boolean) => new TextDecoder(utf16Of(bytes) ?? "utf-8", { fatal }).decode(bytes);
  try {
    return decode(true);
  } catch (cause) {
    const text = decode(false);
    throw dataError(locationAt(name, text, text.indexOf("\ufffd")), "not UTF-8: save the page in that encoding", cause);
  }
}
