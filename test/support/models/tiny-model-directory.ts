import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAlbertConfig } from "../../../src/model/config.ts";
import { writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import type { Head } from "../../../src/model/heads.ts";
import { initialiseParameters } from "../../../src/model/initialise.ts";
import { modelParameters } from "../../../src/model/parameters.ts";
import { BUNDLED_FIXTURES } from "../fixtures.ts";

/** One head of every kind, and a second classification head. */
export const ALL_HEADS: readonly Head[] = [
  { name: "sentiment", kind: "classification", problemType: "single-label", labels: ["negative", "positive"] },
  { name: "topics", kind: "classification", problemType: "multi-label", labels: ["a", "b", "c"], scope: "topics" },
  { name: "rating", kind: "classification", problemType: "regression", labels: ["stars"], scope: "rating" },
  { name: "span", kind: "span", scope: "span" },
  { name: "answer", kind: "span-answerability", scope: "answer" },
  { name: "choice", kind: "multiple-choice", scope: "choice" },
  { name: "words", kind: "masked-lm" },
  { name: "order", kind: "sentence-order" },
];

/** Writes a model of a few kilobytes with random weights and the bundled WordPiece vocabulary. @returns its directory */
export async function writeTinyModel(
  heads: readonly Head[] = ALL_HEADS,
  seed = 1,
  maxLength = 64,
  hiddenSize = 16,
): Promise<string> {
  const bytes = readFileSync(join(BUNDLED_FIXTURES, "tokenizer/vocab.txt"));
  const vocabSize = bytes.toString("utf8").trimEnd().split("\n").length;
  const { config } = parseAlbertConfig({
    vocab_size: vocabSize,
    embedding_size: 8,
    hidden_size: hiddenSize,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 32,
    max_position_embeddings: maxLength,
    initializer_range: 0.2,
  });
  const directory = join(mkdtempSync(join(tmpdir(), "albert-test-")), "model");
  const parameters = initialiseParameters(modelParameters(config, heads), seed);
  const vocabulary = { kind: "wordpiece", lowerCase: true, bytes } as const;
  await writeModelDirectory(directory, { name: "tiny", config, heads, parameters, vocabulary });
  return directory;
}
