import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { AlbertError, invalidInput } from "../../errors.ts";
import { readJsonObject } from "../../platform/json-file.ts";

/** A model's vocabulary file, and how it is to be used. */
export interface Vocabulary {
  readonly kind: "sentencepiece" | "wordpiece";
  /** Whether text is lower-cased before segmentation. */
  readonly lowerCase: boolean;
  readonly bytes: Uint8Array;
}

/** Name of the vocabulary file in a model directory: the names Hugging Face's tokenizers look for. */
export function vocabularyFileName(kind: Vocabulary["kind"]): string {
  return kind === "sentencepiece" ? "spiece.model" : "vocab.txt";
}

export interface VocabularyOptions {
  /** Overrides what `tokenizer_config.json` says. Where neither says, text is lower-cased, as for every published model. */
  readonly lowerCase?: boolean;
  /** Path of a `tokenizer_config.json`. */
  readonly tokenizerConfig?: string | undefined;
}

/**
 * Reads a vocabulary: SentencePiece from a `.model` file, WordPiece from a `.txt` file.
 *
 * @throws AlbertError invalid-input for any other extension; not-found when it cannot be read
 */
export async function readVocabulary(path: string, options: VocabularyOptions = {}): Promise<Vocabulary> {
  const name = basename(path);
  const kind = name.endsWith(".model") ? "sentencepiece" : name.endsWith(".txt") ? "wordpiece" : undefined;
  if (kind === undefined) {
    throw invalidInput([
      { field: "vocabulary", description: `expected a SentencePiece .model or a WordPiece .txt file, got ${name}` },
    ]);
  }
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new AlbertError("not-found", `vocabulary ${name} cannot be read`, { reason: "FILE_NOT_READABLE", cause });
  });
  return { kind, bytes, lowerCase: options.lowerCase ?? (await lowerCaseOf(options.tokenizerConfig)) ?? true };
}

async function lowerCaseOf(path: string | undefined): Promise<boolean | undefined> {
  if (path === undefined) return undefined;
  const { do_lower_case: lowerCase } = (await readJsonObject(path)) as { do_lower_case?: unknown };
  return typeof lowerCase === "boolean" ? lowerCase : undefined;
}
