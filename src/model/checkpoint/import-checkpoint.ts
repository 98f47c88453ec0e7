import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError, invalidInput } from "../../errors.ts";
import { loadTokenizer } from "../../tokenizer/load-tokenizer.ts";
import type { AlbertConfig } from "../config.ts";
import { MANIFEST_FILE } from "../directory/manifest.ts";
import type { Lineage } from "../directory/model-directory.ts";
import { loadFittingTokenizer } from "../directory/open-model-directory.ts";
import { readVocabulary } from "../directory/vocabulary.ts";
import { type WrittenModel, writeModelDirectory } from "../directory/write-model-directory.ts";
import type { Head } from "../heads.ts";
import { initialiseParameters } from "../initialise.ts";
import { modelParameters } from "../parameters.ts";
import { PUBLISHED_CONFIG_NAMES, publishedConfig } from "../published-configs.ts";
import { type Checkpoint, type CheckpointOptions, openCheckpoint } from "./open-checkpoint.ts";

// Makes a model directory from a foreign checkpoint, or one with random starting values.

/** What the model directory that an import makes says of itself. */
export interface ImportedIdentity {
  readonly name: string;
  readonly description?: string;
  readonly lineage?: Lineage;
}

export interface ImportResult extends WrittenModel {
  /** What was read, what was left, and what a person should see. */
  readonly checkpoint: Checkpoint;
}

/**
 * Makes a model directory from Google's or Hugging Face's checkpoint.
 *
 * @throws AlbertError as `openCheckpoint` and `writeModelDirectory` do; not-found when there is no vocabulary
 */
export async function importCheckpoint(
  source: string,
  directory: string,
  identity: ImportedIdentity,
  options: CheckpointOptions = {},
): Promise<ImportResult> {
  if ((await lstat(join(source, MANIFEST_FILE)).catch(() => undefined)) !== undefined) {
    throw new AlbertError("precondition", "the source is a model directory already; copy it as it is", {
      reason: "ALREADY_A_MODEL_DIRECTORY",
    });
  }
  const checkpoint = await openCheckpoint(source, options);
  const { config, heads, parameters, vocabulary, encoding, maxSequenceLength } = checkpoint;
  if (vocabulary === undefined) {
    throw new AlbertError(
      "not-found",
      "no vocabulary (spiece.model, 30k-clean.model, vocab.txt or tokenizer.json) lies next to the weights; name it with --vocab",
      { reason: "VOCABULARY_NOT_FOUND" },
    );
  }
  loadFittingTokenizer(vocabulary, config);
  const written = await writeModelDirectory(directory, {
    ...identity,
    ...{ config, heads, parameters, vocabulary, maxSequenceLength },
    ...(encoding === undefined ? {} : { encoding }),
  });
  return { ...written, checkpoint };
}

export interface RandomModelOptions {
  /** One of `PUBLISHED_CONFIG_NAMES`. */
  readonly architecture: string;
  readonly heads: readonly Head[];
  readonly seed: number;
  /** Path of the vocabulary; its size is the model's. */
  readonly vocabulary: string;
  readonly lowerCase?: boolean;
}

/** Makes a model directory with the official starting values: the beginning of a pretraining, or a model to measure. */
export async function createRandomModel(
  directory: string,
  identity: ImportedIdentity,
  options: RandomModelOptions,
): Promise<WrittenModel & { readonly config: AlbertConfig }> {
  const { heads, seed, lowerCase } = options;
  const vocabulary = await readVocabulary(options.vocabulary, lowerCase === undefined ? {} : { lowerCase });
  const config = publishedConfig(options.architecture, loadTokenizer(vocabulary).vocabSize);
  if (config === undefined) {
    const description = `${options.architecture} is not one of ${PUBLISHED_CONFIG_NAMES.join(", ")}`;
    throw invalidInput([{ field: "random-init", description }]);
  }
  const parameters = initialiseParameters(modelParameters(config, heads), seed);
  const written = await writeModelDirectory(directory, { ...identity, config, heads, parameters, vocabulary });
  return { ...written, config };
}
