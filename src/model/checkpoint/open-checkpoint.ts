import { basename } from "node:path";
import { AlbertError, invalidInput } from "../../errors.ts";
import { readJsonObject } from "../../platform/json-file.ts";
import type { SentenceEncoding } from "../directory/model-directory.ts";
import { readVocabulary, type Vocabulary } from "../directory/vocabulary.ts";
import { familyOf, parseModelConfig } from "../families/families.ts";
import { withFile } from "../formats/random-access-file.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { withShardedSafetensors } from "../formats/sharded-safetensors.ts";
import { openTensorBundle } from "../formats/tensor-bundle.ts";
import type { Head } from "../heads.ts";
import { type CheckpointLocation, locateCheckpoint } from "./checkpoint-location.ts";
import type { CheckpointReader } from "./checkpoint-reader.ts";
import { type HeadHints, inferHeads } from "./infer-heads.ts";
import { type LoadedParameters, loadParameters } from "./load-parameters.ts";
import { readSentenceTransformer, transformerDirectory } from "./sentence-transformers.ts";
import { unwrapNames } from "./wrapper-prefixes.ts";

// Opens a foreign checkpoint as a whole: configuration, heads, weights and vocabulary.

export interface CheckpointOptions {
  /** What the checkpoint's own files do not tell about its heads. */
  readonly heads?: HeadHints;
  /** Path of the configuration, where it does not lie next to the weights. */
  readonly config?: string;
  /** Path of the vocabulary, where it does not lie next to the weights. */
  readonly vocabulary?: string;
  readonly lowerCase?: boolean;
}

/** A foreign checkpoint, read whole. */
export interface Checkpoint extends LoadedParameters {
  readonly location: CheckpointLocation;
  readonly heads: readonly Head[];
  /** Absent when there is none next to the weights and none was named. */
  readonly vocabulary: Vocabulary | undefined;
  /** Longest sequence that the checkpoint's makers give it; its number of positions where they say nothing. */
  readonly maxSequenceLength: number;
  /** Of a folder of sentence-transformers. */
  readonly encoding?: SentenceEncoding;
}

/**
 * Reads Google's or Hugging Face's checkpoint, of any family that opens: configuration, heads, every weight, and the vocabulary where there is one.
 *
 * @param path  see `locateCheckpoint`
 * @throws AlbertError not-found for an absent file; corrupt or invalid-input naming the tensor, offset or key that is wrong
 */
export async function openCheckpoint(path: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const location = await locateCheckpoint((await transformerDirectory(path)) ?? path);
  const configPath = options.config ?? location.config;
  if (configPath === undefined) {
    throw new AlbertError(
      "not-found",
      "no config.json or albert_config.json lies next to the weights; name it with --config",
      {
        reason: "CONFIG_NOT_FOUND",
      },
    );
  }
  const json = await readJsonObject(configPath);
  const { trunkPrefix } = familyOf(json, basename(configPath));
  const { config, warnings } = parseModelConfig(json, basename(configPath));
  const sentences = await readSentenceTransformer(location.weights);
  const loaded = await withReader(location, async (stored) => {
    const { reader, warnings: renaming } = unwrapNames(stored, trunkPrefix);
    const heads = inferHeads(reader, config, json, options.heads);
    const loaded = await loadParameters(reader, config, heads);
    // Where each tensor has a checksum, damage in what is left out still means that the copy cannot be trusted.
    for (const name of loaded.unused) await reader.verify?.(name);
    return { heads, ...loaded, warnings: [...renaming, ...loaded.warnings] };
  });
  const vocabulary = await vocabularyOf(location, options);
  if (sentences?.lowerCase === true && vocabulary?.lowerCase === false) {
    const description =
      "sentence_bert_config.json lower-cases texts for a vocabulary that keeps case, which is not done here";
    throw invalidInput([{ field: "do_lower_case", description }]);
  }
  return {
    ...loaded,
    location,
    warnings: [...warnings, ...loaded.warnings],
    vocabulary,
    maxSequenceLength: Math.min(
      sentences?.maxSequenceLength ?? config.maxPositionEmbeddings,
      config.maxPositionEmbeddings,
    ),
    ...(sentences === undefined ? {} : { encoding: sentences.encoding }),
  };
}

async function vocabularyOf(
  { vocabulary, tokenizerConfig }: CheckpointLocation,
  options: CheckpointOptions,
): Promise<Vocabulary | undefined> {
  const path = options.vocabulary ?? vocabulary;
  if (path === undefined) return undefined;
  const { lowerCase } = options;
  return readVocabulary(path, { tokenizerConfig, ...(lowerCase === undefined ? {} : { lowerCase }) });
}

/** The checkpoint as a reader, for as long as `use` runs. */
async function withReader<T>(
  { kind, weights }: CheckpointLocation,
  use: (reader: CheckpointReader) => Promise<T>,
): Promise<T> {
  switch (kind) {
    case "safetensors":
      return withFile(weights, async (source) => use(await openSafetensors(source)));
    case "sharded-safetensors":
      return withShardedSafetensors(weights, use);
    case "tensor-bundle":
      return use(await openTensorBundle(weights));
  }
}
