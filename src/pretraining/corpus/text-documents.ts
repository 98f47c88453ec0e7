import { basename } from "node:path";
import { preprocessText } from "../../tokenizer/sentencepiece/preprocess.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { continuesWord, type PackedTokens, packTokens } from "./packed-token.ts";
import { readTextLines } from "./text-lines.ts";

// Reads text files as tokenised documents: one sentence a line, a blank line between documents.

export interface DocumentOptions {
  /**
   * The official behaviour where it is a flaw: the last document of a file goes on in the next file unless a blank line
   * separates them, and a sentence keeps its length whatever it is. Off: a file ends its document, and sentences of
   * more than {@link MAX_SENTENCE_TOKENS} tokens are cut into several at word starts.
   */
  readonly officialQuirks: boolean;
}

/** Longer than any sentence of ordinary text; keeps a text without line breaks from being lost to truncation. */
export const MAX_SENTENCE_TOKENS = 256;

/** What was seen on the way; complete once the documents have been read to their end. */
export interface TextReport {
  files: number;
  lines: number;
  documents: number;
  sentences: number;
  tokens: number;
  /** Lines that were not UTF-8; the offending bytes became U+FFFD. */
  invalidUtf8Lines: number;
  /** The first of them, as `file:line`. */
  firstInvalidUtf8Line?: string;
  /** Pieces of lines beyond the limit of `readTextLines`, each but the last of its line. */
  cutLines: number;
  /** Documents of a single sentence: no order can be asked of them. */
  oneSentenceDocuments: number;
}

export function emptyTextReport(): TextReport {
  return {
    files: 0,
    lines: 0,
    documents: 0,
    sentences: 0,
    tokens: 0,
    invalidUtf8Lines: 0,
    cutLines: 0,
    oneSentenceDocuments: 0,
  };
}

/** What a text is made of, in reading order. */
export type TextPart = { readonly kind: "sentence"; readonly tokens: PackedTokens } | { readonly kind: "document-end" };

/**
 * Tokenises text files: one sentence per line, a blank line between documents, plain or gzipped. Memory is that of one
 * line. A line without any piece is left out; documents are never empty.
 *
 * @param report counts, updated as the text is read
 * @throws AlbertError not-found or corrupt, see {@link readTextLines}
 */
export async function* readDocuments(
  files: Iterable<string>,
  tokenizer: Tokenizer,
  { officialQuirks }: DocumentOptions,
  report: TextReport = emptyTextReport(),
): AsyncGenerator<TextPart> {
  let sentences = 0; // of the document being read

  function* endDocument(): Generator<TextPart> {
    if (sentences === 0) return;
    report.documents++;
    if (sentences === 1) report.oneSentenceDocuments++;
    sentences = 0;
    yield { kind: "document-end" };
  }

  for (const file of files) {
    report.files++;
    let lineNumber = 1;
    let continued = false; // whether this piece goes on with the line of the one before
    for await (const line of readTextLines(file)) {
      report.lines++;
      if (line.invalidUtf8) {
        report.invalidUtf8Lines++;
        report.firstInvalidUtf8Line ??= `${basename(file)}:${lineNumber}`;
      }
      if (line.cut) report.cutLines++;
      else lineNumber++;
      const isWhole = !line.cut && !continued;
      continued = line.cut;
      const tokens = packTokens(tokenizer.tokenize(line.text), tokenizer.pieceStyle);
      if (tokens.length === 0) {
        // A line separates documents when nothing is left of it once cleaned, not when its characters are unknown.
        if (isWhole && preprocessText(line.text, { lowerCase: tokenizer.lowerCase }) === "") yield* endDocument();
        continue;
      }
      for (const sentence of officialQuirks ? [tokens] : cutSentence(tokens)) {
        sentences++;
        report.sentences++;
        report.tokens += sentence.length;
        yield { kind: "sentence", tokens: sentence };
      }
    }
    if (!officialQuirks) yield* endDocument();
  }
  yield* endDocument();
}

/** Collects everything that {@link readDocuments} yields. For texts that fit into memory. */
export async function collectDocuments(parts: AsyncIterable<TextPart>): Promise<PackedTokens[][]> {
  const documents: PackedTokens[][] = [];
  let sentences: PackedTokens[] = [];
  for await (const part of parts) {
    if (part.kind === "sentence") {
      sentences.push(part.tokens);
    } else {
      documents.push(sentences);
      sentences = [];
    }
  }
  return documents;
}

function cutSentence(tokens: PackedTokens): PackedTokens[] {
  const parts: PackedTokens[] = [];
  let start = 0;
  while (tokens.length - start > MAX_SENTENCE_TOKENS) {
    let end = start + MAX_SENTENCE_TOKENS;
    while (end > start + 1 && continuesWord(tokens[end]!)) end--;
    if (end === start + 1) end = start + MAX_SENTENCE_TOKENS; // one endless word
    parts.push(tokens.subarray(start, end));
    start = end;
  }
  parts.push(start === 0 ? tokens : tokens.subarray(start));
  return parts;
}
