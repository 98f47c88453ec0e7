import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { deriveSeed, RandomStream } from "../src/model/random.ts";
import { loadTokenizer } from "../src/tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { officialVocabulary } from "../test/support/fixtures.ts";
import { rounded } from "./timing.ts";

const TEXTS = 2_000;
const WORDS_PER_TEXT = 30;
const ROUNDS = 50;

/** Text to pieces with offsets, on one thread: rate, time to load, and growth of memory over 100,000 texts. */
export async function benchTokenizer(): Promise<unknown> {
  const vocabulary = officialVocabulary() ?? bundledVocabulary();
  if (vocabulary === undefined) return { skipped: "no SentencePiece vocabulary is at hand" };
  const bytes = readFileSync(vocabulary);
  const loadedAt = performance.now();
  const tokenizer = loadTokenizer({ bytes, kind: "sentencepiece", lowerCase: true });
  const loadMs = performance.now() - loadedAt;

  const texts = randomTexts(tokenizer);
  const characters = texts.reduce((sum, text) => sum + text.length, 0);
  for (const text of texts) tokenizer.tokenize(text);
  const before = process.memoryUsage().rss;
  const startedAt = performance.now();
  for (let round = 0; round < ROUNDS; round++) for (const text of texts) tokenizer.tokenize(text);
  const seconds = (performance.now() - startedAt) / 1000;
  return {
    vocabSize: tokenizer.vocabSize,
    loadMs: rounded(loadMs),
    textsPerSecond: rounded((TEXTS * ROUNDS) / seconds),
    charactersPerSecond: rounded((characters * ROUNDS) / seconds),
    residentGrowthMiB: rounded((process.memoryUsage().rss - before) / 2 ** 20),
  };
}

/** Words of the vocabulary, frequent ones more often, as the ids of such vocabularies are in order of frequency. */
function randomTexts(tokenizer: Tokenizer): string[] {
  const random = new RandomStream(deriveSeed("bench", "tokenizer"));
  const word = (): string => {
    const rank = Math.floor(tokenizer.vocabSize ** random.float());
    return tokenizer.pieceOf(Math.min(tokenizer.vocabSize - 1, 20 + rank)).replace("\u2581", " ");
  };
  return Array.from({ length: TEXTS }, () => Array.from({ length: WORDS_PER_TEXT }, word).join("").trim());
}

function bundledVocabulary(): string | undefined {
  const models = join(import.meta.dirname, "../models");
  if (!existsSync(models)) return undefined;
  return readdirSync(models, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith("spiece.model"))
    .map((path) => join(models, path))[0];
}
