import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { readSentencePieceModel } from "../../../src/tokenizer/sentencepiece/sentencepiece-model.ts";
import type { Tokenizer } from "../../../src/tokenizer/tokenizer.ts";

/** One string, and what the library `tokenizers` made of it. Offsets are in UTF-16 units. */
export interface TokenizerJsonCase {
  readonly tokenizer: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly pieces: readonly string[];
  readonly offsets: readonly (readonly [number, number])[];
}

/** Reads what scripts/goldens/tokenizer-json.py wrote. */
export function readTokenizerJsonGoldens(path: string) {
  const [head, ...lines] = gunzipSync(readFileSync(path)).toString("utf8").trimEnd().split("\n");
  const { pieces, precompiledCharsmap } = readSentencePieceModel(
    readFileSync(new URL("../../support/models/pieces-8k.model", import.meta.url)),
  );
  const { definitions, words } = JSON.parse(head!) as { definitions: Record<string, unknown>; words: unknown };
  const vocabulary = pieces.map(({ text, score }) => [text, score]);
  const fill = (value: unknown): unknown => {
    if (value === "$words") return words;
    if (value === "$pieces") return vocabulary;
    if (value === "$charsmap") return Buffer.from(precompiledCharsmap).toString("base64");
    if (Array.isArray(value)) return value.map(fill);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner)]));
  };
  const files = new Map(
    Object.entries(definitions).map(([name, definition]) => [name, Buffer.from(JSON.stringify(fill(definition)))]),
  );
  const tokenizers = new Map<string, Tokenizer>(
    [...files].map(([name, bytes]) => [name, loadTokenizer({ bytes, kind: "tokenizer-json", lowerCase: true })]),
  );
  const cases = lines.map((line): TokenizerJsonCase => {
    const [tokenizer, text, ids, tokens, offsets] = JSON.parse(line) as [
      string,
      string,
      number[],
      string[],
      [number, number][],
    ];
    return { tokenizer, text, ids, pieces: tokens, offsets };
  });
  return { files, tokenizers, cases };
}
