import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { AlbertError } from "../errors.ts";
import { SentencePieceTokenizer } from "./sentencepiece/sentencepiece-tokenizer.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { readTokenizerJson } from "./tokenizer-json/read-tokenizer-json.ts";
import { TokenizerJsonTokenizer } from "./tokenizer-json/tokenizer-json-tokenizer.ts";
import { WordPieceTokenizer } from "./wordpiece/wordpiece-tokenizer.ts";
import { readWordPieceVocabulary } from "./wordpiece/wordpiece-vocabulary.ts";

// Builds the tokenizer of a vocabulary file of any kind.

export interface TokenizerSource {
  /** The vocabulary: a SentencePiece `.model`, a WordPiece `vocab.txt`, or a `tokenizer.json`. */
  readonly bytes: Uint8Array;
  readonly kind: Tokenizer["kind"];
  /** A `tokenizer.json` decides that itself. */
  readonly lowerCase: boolean;
  /**
   * SentencePiece only. `true` (default) splits pieces such as "2000," exactly as Google's code, `false` as Hugging Face's
   * tokenizer; they differ only inside words.
   */
  readonly officialCommaHandling?: boolean;
}

/**
 * Builds a tokenizer. Loading the official 30,000 pieces takes some tens of milliseconds; the result holds a few
 * megabytes and never grows.
 *
 * @throws AlbertError corrupt when the bytes are not such a vocabulary, precondition when it lacks a special piece,
 *   unimplemented for a SentencePiece model that is not a unigram model, or a `tokenizer.json` that asks for what is not
 *   done here
 */
export function loadTokenizer(source: TokenizerSource): Tokenizer {
  const { bytes, kind, lowerCase, officialCommaHandling = true } = source;
  const digest = tokenizerDigest(source);
  switch (kind) {
    case "sentencepiece":
      return new SentencePieceTokenizer(bytes, { lowerCase, officialCommaHandling, digest });
    case "wordpiece":
      return new WordPieceTokenizer(readWordPieceVocabulary(bytes), { lowerCase, digest });
    case "tokenizer-json":
      return new TokenizerJsonTokenizer(readTokenizerJson(bytes), digest);
  }
}

/** What a tokenizer's `digest` will be, without building it. */
export function tokenizerDigest({ bytes, kind, lowerCase, officialCommaHandling = true }: TokenizerSource): string {
  const options = kind === "sentencepiece" ? { kind, lowerCase, officialCommaHandling } : { kind, lowerCase };
  return createHash("sha256").update(JSON.stringify(options)).update("\n").update(bytes).digest("hex");
}

/** {@link loadTokenizer} from a file of the vocabulary. */
export function loadTokenizerFile(file: string, options: Omit<TokenizerSource, "bytes">): Tokenizer {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new AlbertError("not-found", "the vocabulary file cannot be read", {
      reason: "VOCABULARY_UNREADABLE",
      cause,
    });
  }
  return loadTokenizer({ ...options, bytes });
}
