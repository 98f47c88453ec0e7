import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AlbertError, invalidInput } from "../../errors.ts";
import { isSystemFault } from "../../platform/disk-space.ts";
import { readJsonObject } from "../../platform/json-file.ts";
import { loadTokenizer } from "../../tokenizer/load-tokenizer.ts";
import type { VocabularyKind } from "../../tokenizer/tokenizer.ts";
import { wordPieceAsTokenizerJson } from "./wordpiece-as-tokenizer-json.ts";

// The vocabulary file of a model directory: its kinds, its name, and how it is read.

/** A model's vocabulary file, and how it is to be used. */
export interface Vocabulary {
  readonly kind: VocabularyKind;
  /** Whether text is lower-cased before segmentation. */
  readonly lowerCase: boolean;
  readonly bytes: Uint8Array;
}

const FILE_NAMES: Readonly<Record<VocabularyKind, string>> = {
  sentencepiece: "spiece.model",
  wordpiece: "vocab.txt",
  "tokenizer-json": "tokenizer.json",
};

/** Whether a value names a kind of vocabulary. */
export function isVocabularyKind(kind: unknown): kind is VocabularyKind {
  return typeof kind === "string" && Object.hasOwn(FILE_NAMES, kind);
}

/** Name of the vocabulary file in a model directory: the names Hugging Face's tokenizers look for. */
export function vocabularyFileName(kind: Vocabulary["kind"]): string {
  return FILE_NAMES[kind];
}

export interface VocabularyOptions {
  /** Overrides what `tokenizer_config.json` says of the case, else a `tokenizer.json` beside a `vocab.txt`. Where none says, text is lower-cased, as for every published model. */
  readonly lowerCase?: boolean;
  /** Path of a `tokenizer_config.json`. */
  readonly tokenizerConfig?: string | undefined;
}

/**
 * Reads a vocabulary: SentencePiece from a `.model` file, WordPiece from a `.txt` file, either from a `tokenizer.json`, which
 * says itself whether it lower-cases. A WordPiece file whose `tokenizer_config.json` treats accents or ideographs in another
 * way than Google's code becomes the `tokenizer.json` that does so.
 *
 * @throws AlbertError invalid-input for any other extension; not-found when it cannot be read
 */
export async function readVocabulary(path: string, options: VocabularyOptions = {}): Promise<Vocabulary> {
  const name = basename(path);
  const kind = kindOfFile(name);
  if (kind === undefined) {
    throw invalidInput([
      {
        field: "vocabulary",
        description: `expected a SentencePiece .model, a WordPiece .txt or a tokenizer.json file, got ${name}`,
      },
    ]);
  }
  const bytes = await readFile(path).catch((cause: unknown) => {
    if (isSystemFault(cause)) throw cause;
    throw new AlbertError("not-found", `vocabulary ${name} cannot be read`, { reason: "FILE_NOT_READABLE", cause });
  });
  if (kind === "tokenizer-json") {
    const { lowerCase } = loadTokenizer({ kind, bytes, lowerCase: true });
    if (options.lowerCase === undefined || options.lowerCase === lowerCase) return { kind, bytes, lowerCase };
    const description = `${name} ${lowerCase ? "lower-cases text" : "keeps the case of text"} by its own normalizer; leave the choice to it`;
    throw invalidInput([{ field: "cased", description }]);
  }
  const config = options.tokenizerConfig === undefined ? {} : await readJsonObject(options.tokenizerConfig);
  const said = booleanOf(config, "do_lower_case");
  const beside = said === undefined && kind === "wordpiece" ? await normalizerBeside(path) : {};
  const lowerCase = options.lowerCase ?? said ?? booleanOf(beside, "lowercase") ?? true;
  const stripAccents = booleanOf(config, "strip_accents") ?? booleanOf(beside, "strip_accents") ?? lowerCase;
  const splitIdeographs =
    booleanOf(config, "tokenize_chinese_chars") ?? booleanOf(beside, "handle_chinese_chars") ?? true;
  if (kind === "sentencepiece" || (stripAccents === lowerCase && splitIdeographs)) return { kind, bytes, lowerCase };
  const json = wordPieceAsTokenizerJson(bytes, { lowerCase, stripAccents, splitIdeographs });
  return { kind: "tokenizer-json", bytes: json, lowerCase };
}

function kindOfFile(name: string): VocabularyKind | undefined {
  if (name.endsWith(".model")) return "sentencepiece";
  if (name.endsWith(".txt")) return "wordpiece";
  return name.endsWith(".json") ? "tokenizer-json" : undefined;
}

/** BERT's normalizer of the `tokenizer.json` next to a `vocab.txt`; empty where there is none. */
async function normalizerBeside(path: string): Promise<Readonly<Record<string, unknown>>> {
  const file = join(dirname(path), FILE_NAMES["tokenizer-json"]);
  if (!(await stat(file).catch(() => undefined))?.isFile()) return {};
  const { normalizer } = await readJsonObject(file);
  const { type } = (normalizer ?? {}) as { type?: unknown };
  return type === "BertNormalizer" ? (normalizer as Record<string, unknown>) : {};
}

function booleanOf(config: Readonly<Record<string, unknown>>, key: string): boolean | undefined {
  const { [key]: value } = config;
  return typeof value === "boolean" ? value : undefined;
}
