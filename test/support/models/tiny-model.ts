import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { type AlbertConfig, parseAlbertConfig } from "../../../src/model/config.ts";
import type { Vocabulary } from "../../../src/model/directory/vocabulary.ts";
import type { Head } from "../../../src/model/heads.ts";
import { initialiseParameters } from "../../../src/model/initialise.ts";
import { modelParameters } from "../../../src/model/parameters.ts";

/** A WordPiece vocabulary of nine pieces. */
export const tinyVocabulary: Vocabulary = {
  kind: "wordpiece",
  lowerCase: true,
  bytes: Buffer.from("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##b\nc\n"),
};

/** A configuration of a few hundred weights, with two groups of two inner blocks. */
export function tinyConfig(overrides: Record<string, unknown> = {}): AlbertConfig {
  return parseAlbertConfig({
    vocab_size: 9,
    embedding_size: 4,
    hidden_size: 6,
    num_hidden_layers: 2,
    num_hidden_groups: 2,
    inner_group_num: 2,
    num_attention_heads: 2,
    intermediate_size: 5,
    max_position_embeddings: 8,
    ...overrides,
  }).config;
}

export const pretrainingHeads: readonly Head[] = [
  { kind: "masked-lm", name: "masked-lm" },
  { kind: "sentence-order", name: "sentence-order" },
];

/** Everything a model directory needs, with random weights. */
export function tinyModel(heads: readonly Head[] = pretrainingHeads, overrides: Record<string, unknown> = {}) {
  const config = tinyConfig(overrides);
  const parameters = initialiseParameters(modelParameters(config, heads), 1);
  return { name: "tiny", config, heads, parameters, vocabulary: tinyVocabulary };
}

/** A directory that is removed when the test file ends. */
export function scratchDirectory(): (name: string) => string {
  const root = mkdtempSync(join(tmpdir(), "albert-model-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  return (name) => join(root, name);
}
