import { join } from "node:path";
import { corrupt } from "../../errors.ts";
import { writeNewFile } from "../../platform/atomic-files.ts";
import type { CheckpointReader } from "../checkpoint/checkpoint-reader.ts";
import { withFile } from "../formats/random-access-file.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { type StoredTensor, writeSafetensors } from "../formats/safetensors-writer.ts";
import { shardNames, withShardedSafetensors } from "../formats/sharded-safetensors.ts";

// The files of a model directory that hold its weights: one, or one for the word embeddings and one for all else. Models that were
// trained from one trunk with its word embeddings frozen then have a file in common, byte for byte, which git, a store of blobs
// and layers of images keep once.

/** The only file of weights, unless the word embeddings lie apart. */
export const WEIGHTS_FILE = "model.safetensors";

/** What says which of two files holds which tensor: Hugging Face's library finds both by it. */
export const INDEX_FILE = `${WEIGHTS_FILE}.index.json`;

/** The file of word embeddings that lie apart. */
export const EMBEDDINGS_FILE = "embeddings.safetensors";
const LAYERS_FILE = "layers.safetensors";

/** Names of the word embeddings in every family, and of their scales where they are stored as int8. */
const WORD_EMBEDDINGS = /\bword_embeddings\.weight(_scale)?$/;

/** Whether the word embeddings of a directory with these files lie apart. */
export function hasEmbeddingsApart(files: Readonly<Record<string, unknown>>): boolean {
  return Object.hasOwn(files, INDEX_FILE);
}

/**
 * Writes the weights of a model and flushes them to the disk. The same tensors give the same bytes.
 *
 * @param tensors  by Hugging Face's names
 * @returns names of the files made
 */
export async function writeWeights(
  directory: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  { embeddingsApart }: { readonly embeddingsApart: boolean },
): Promise<string[]> {
  const write = (file: string, held: ReadonlyMap<string, StoredTensor>) =>
    writeSafetensors(join(directory, file), held, { format: "pt" });
  if (!embeddingsApart) {
    await write(WEIGHTS_FILE, tensors);
    return [WEIGHTS_FILE];
  }
  const fileOf = (name: string) => (WORD_EMBEDDINGS.test(name) ? EMBEDDINGS_FILE : LAYERS_FILE);
  for (const file of [EMBEDDINGS_FILE, LAYERS_FILE]) {
    await write(file, new Map([...tensors].filter(([name]) => fileOf(name) === file)));
  }
  const names = [...tensors.keys()].sort();
  const size = [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  const index = {
    metadata: { total_size: size },
    weight_map: Object.fromEntries(names.map((name) => [name, fileOf(name)])),
  };
  await writeNewFile(join(directory, INDEX_FILE), Buffer.from(`${JSON.stringify(index, null, 2)}\n`, "utf8"));
  return [EMBEDDINGS_FILE, LAYERS_FILE, INDEX_FILE];
}

/**
 * Opens the weights of a directory while `use` runs.
 *
 * @param files  what the manifest lists, verified
 * @throws AlbertError corrupt when the index names a file that the manifest does not list
 */
export async function withWeights<T>(
  directory: string,
  files: Readonly<Record<string, string>>,
  use: (reader: CheckpointReader) => Promise<T>,
): Promise<T> {
  if (hasEmbeddingsApart(files)) {
    const index = join(directory, INDEX_FILE);
    const unlisted = (await shardNames(index)).filter((file) => !Object.hasOwn(files, file));
    if (unlisted.length > 0) {
      const description = `${INDEX_FILE} names ${unlisted.join(", ")}, of which the manifest has no digest`;
      throw corrupt(description, { reason: "MANIFEST_CORRUPT" });
    }
    return withShardedSafetensors(index, use);
  }
  return withFile(join(directory, WEIGHTS_FILE), async (source) => use(await openSafetensors(source)));
}
