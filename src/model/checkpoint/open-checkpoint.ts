import { basename } from "node:path";
import { AlbertError } from "../../errors.ts";
import { readJsonObject } from "../../platform/json-file.ts";
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
}

/**
 * Reads Google's or Hugging Face's checkpoint, of any family that opens: configuration, heads, every weight, and the vocabulary where there is one.
 *
 * @param path  see `locateCheckpoint`
 * @throws AlbertError not-found for an absent file; corrupt or invalid-input naming the tensor, offset or key that is wrong
 */
export async function openCheckpoint(path: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const location = await locateCheckpoint(path);
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
  const vocabularyPath = options.vocabulary ?? location.vocabulary;
  const loaded = await withReader(location, async (stored) => {
    const { reader, warnings: renaming } = unwrapNames(stored, trunkPrefix);
    const heads = inferHeads(reader, config, json, options.heads);
    const loaded = await loadParameters(reader, config, heads);
    // Where each tensor has a checksum, damage in what is left out still means that the copy cannot be trusted.
    for (const name of loaded.unused) await reader.verify?.(name);
    return { heads, ...loaded, warnings: [...renaming, ...loaded.warnings] };
  });
  return {
    ...loaded,
    location,
    warnings: [...warnings, ...loaded.warnings],
    vocabulary:
      vocabularyPath === undefined
        ? undefined
        : await readVocabulary(vocabularyPath, {
            tokenizerConfig: location.tokenizerConfig,
            ...(options.lowerCase === undefined ? {} : { lowerCase: options.lowerCase }),
          }),
  };
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
