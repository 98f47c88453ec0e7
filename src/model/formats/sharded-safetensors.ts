import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AlbertError, corrupt } from "../../errors.ts";
import { readJsonObject } from "../../platform/json-file.ts";
import type { CheckpointEntry, CheckpointReader } from "../checkpoint/checkpoint-reader.ts";
import { withFile } from "./random-access-file.ts";
import { openStoredSafetensors } from "./safetensors.ts";
import { withScaledInt8 } from "./scaled-int8.ts";

// Opens several safetensors files that share one index as one checkpoint.

/** Ending of the file that says which of several safetensors files holds which tensor. */
export const INDEX_ENDING = ".safetensors.index.json";

/** Files that are open at one time at most; published checkpoints have a few dozen. */
const MOST_SHARDS = 1000;

/** Names that shards may have: files next to the index, nowhere else. */
const SHARD_NAME = /^(?!\.)[^/\\\0]+\.safetensors$/;

/** Problems shown of one kind before the rest is only counted. */
const SHOWN = 10;

/**
 * Opens the safetensors files that an index names, as one checkpoint, while `use` runs. The index and the files must agree
 * exactly.
 *
 * @param index  path of `model.safetensors.index.json`
 * @throws AlbertError corrupt naming every shard that is absent, every tensor that no shard or two shards hold, and every
 *   tensor that the index does not list; what `openStoredSafetensors` throws, naming the shard
 */
export async function withShardedSafetensors<T>(
  index: string,
  use: (reader: CheckpointReader) => Promise<T>,
): Promise<T> {
  const name = basename(index);
  const shardOf = await readWeightMap(index, name);
  const directory = dirname(index);
  const shards = [...new Set(shardOf.values())].sort();
  const there = new Set(await readdir(directory));
  const absent = shards.filter((shard) => !there.has(shard));
  if (absent.length > 0) {
    throw corrupt(
      `${name} names ${shards.length} files, of which ${absent.length} are not next to it: ${listOf(absent)}; copy them there`,
      { reason: "SHARD_MISSING" },
    );
  }
  const open = (at: number, readers: readonly CheckpointReader[]): Promise<T> => {
    const shard = shards[at];
    if (shard === undefined) return use(withScaledInt8(combine(name, shardOf, readers)));
    return withFile(join(directory, shard), async (source) =>
      open(at + 1, [...readers, await openStoredSafetensors(source)]),
    );
  };
  return open(0, []);
}

/** Names of the shards that an index lists, in order; the files need not be there. */
export async function shardNames(index: string): Promise<string[]> {
  return [...new Set((await readWeightMap(index, basename(index))).values())].sort();
}

async function readWeightMap(index: string, name: string): Promise<ReadonlyMap<string, string>> {
  const { weight_map: map } = (await readJsonObject(index)) as { weight_map?: unknown };
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw corrupt(`${name}: expected an object weight_map from tensor names to file names, got ${typeText(map)}`);
  }
  const entries = Object.entries(map);
  const wrong = entries.find(([, file]) => typeof file !== "string" || !SHARD_NAME.test(file));
  if (wrong !== undefined) {
    throw corrupt(
      `${name}: weight_map gives tensor ${wrong[0]} the file ${JSON.stringify(wrong[1])}; expected the name of a .safetensors file next to the index`,
    );
  }
  const shardOf = new Map(entries as [string, string][]); // checked just above
  const count = new Set(shardOf.values()).size;
  if (count === 0) throw corrupt(`${name}: weight_map lists no tensor`);
  if (count > MOST_SHARDS) throw corrupt(`${name}: weight_map names ${count} files; at most ${MOST_SHARDS} are opened`);
  return shardOf;
}

/** Several files as one checkpoint. */
function combine(
  name: string,
  shardOf: ReadonlyMap<string, string>,
  readers: readonly CheckpointReader[],
): CheckpointReader {
  const entries = new Map<string, CheckpointEntry>();
  const holder = new Map<string, CheckpointReader>();
  const doubled: string[] = [];
  const stray: string[] = [];
  for (const reader of readers) {
    for (const [tensor, entry] of reader.entries) {
      const first = holder.get(tensor);
      if (first !== undefined) doubled.push(`${tensor} (in ${first.name} and ${reader.name})`);
      else if (shardOf.get(tensor) === undefined) stray.push(`${tensor} (in ${reader.name})`);
      else if (shardOf.get(tensor) !== reader.name) {
        stray.push(`${tensor} (in ${reader.name}; the index says ${shardOf.get(tensor)})`);
      }
      if (first === undefined) holder.set(tensor, reader);
      entries.set(tensor, entry);
    }
  }
  const missing = [...shardOf].filter(([tensor]) => !holder.has(tensor)).map(([tensor, file]) => `${tensor} (${file})`);
  const problems = [
    ...(missing.length > 0 ? [`missing from the files: ${listOf(missing)}`] : []),
    ...(doubled.length > 0 ? [`in two files: ${listOf(doubled)}`] : []),
    ...(stray.length > 0 ? [`not where the index has them: ${listOf(stray)}`] : []),
  ];
  if (problems.length > 0) {
    throw corrupt(
      `${name} and its files do not hold the same tensors, so they are not of one save; ${problems.join("; ")}; save or copy the checkpoint again`,
      { reason: "SHARDS_DISAGREE" },
    );
  }
  return {
    name,
    entries,
    read: async (tensor) => {
      const reader = holder.get(tensor);
      if (reader !== undefined) return reader.read(tensor);
      throw new AlbertError("not-found", `${name} has no tensor ${tensor}`, { reason: "TENSOR_MISSING" });
    },
  };
}

function listOf(items: readonly string[]): string {
  return `${items.slice(0, SHOWN).join(", ")}${items.length > SHOWN ? ` and ${items.length - SHOWN} more` : ""}`;
}

function typeText(value: unknown): string {
  if (value === undefined) return "none";
  return value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
