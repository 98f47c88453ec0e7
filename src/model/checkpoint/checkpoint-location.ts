import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AlbertError, corrupt } from "../../errors.ts";
import { INDEX_ENDING, shardNames } from "../formats/sharded-safetensors.ts";

// Finds the files of a foreign checkpoint. It reads none of them but TensorFlow's pointer file.

/** The files of a foreign checkpoint. */
export interface CheckpointLocation {
  readonly kind: "safetensors" | "sharded-safetensors" | "tensor-bundle";
  /** The safetensors file, the index of several, or the TensorFlow prefix. */
  readonly weights: string;
  /** `config.json`, `albert_config.json` or `bert_config.json`; absent when none lies near the weights. */
  readonly config: string | undefined;
  /** `spiece.model`, `vocab.txt` or what the official archives call them, else `tokenizer.json`; absent when none lies near the weights. */
  readonly vocabulary: string | undefined;
  /** `tokenizer_config.json`, when there is one. */
  readonly tokenizerConfig: string | undefined;
}

/** One of several safetensors files: its name up to the number says which. */
const SHARD = /^(.+)-\d{5}-of-\d{5}\.safetensors$/;

const VOCABULARY_NAMES = ["spiece.model", "30k-clean.model", "vocab.txt", "vocab_chinese.txt", "tokenizer.json"];

/**
 * Finds the checkpoint that `path` means: a directory (Hugging Face's, Google's, or a TF-Hub module's), a safetensors file,
 * the index of several or one of them, a TensorFlow prefix such as `DIR/model.ckpt-best`, or any one of its files. In a
 * directory safetensors come first; among TensorFlow checkpoints the one that the `checkpoint` file names, else
 * `model.ckpt-best`, else the highest step. Nothing else is opened in place of what is named.
 *
 * @throws AlbertError not-found saying what was looked for, and what is there
 */
export async function locateCheckpoint(path: string): Promise<CheckpointLocation> {
  if (await isDirectory(path)) return locateInDirectory(path);
  if (path.endsWith(INDEX_ENDING)) return near({ kind: "sharded-safetensors", weights: path });
  if (path.endsWith(".safetensors")) return near((await indexOfShard(path)) ?? { kind: "safetensors", weights: path });
  const prefix = path.replace(/\.(index|meta|data-\d{5}-of-\d{5})$/, "");
  if (await isFile(`${prefix}.index`)) return near({ kind: "tensor-bundle", weights: prefix });
  throw new AlbertError(
    "not-found",
    `${basename(path)} is no model: expected a directory, a .safetensors file, or a TensorFlow checkpoint prefix with an .index file`,
    { reason: "CHECKPOINT_NOT_FOUND" },
  );
}

async function locateInDirectory(directory: string): Promise<CheckpointLocation> {
  const names = await readdir(directory);
  if (names.includes("model.safetensors")) {
    return near({ kind: "safetensors", weights: join(directory, "model.safetensors") });
  }
  const index = names.includes(`model${INDEX_ENDING}`) ? `model${INDEX_ENDING}` : undefined;
  if (index !== undefined) return near({ kind: "sharded-safetensors", weights: join(directory, index) });
  const prefix = await latestBundle(directory, names);
  if (prefix !== undefined) return near({ kind: "tensor-bundle", weights: prefix });
  if (await isFile(join(directory, "variables/variables.index"))) {
    return near({ kind: "tensor-bundle", weights: join(directory, "variables/variables") });
  }
  throw new AlbertError("not-found", `${basename(resolve(directory))} holds no checkpoint: ${hintOf(names)}`, {
    reason: "CHECKPOINT_NOT_FOUND",
  });
}

/** What a person can do about a directory with these files and no checkpoint. */
function hintOf(names: readonly string[]): string {
  const shard = names.map((name) => SHARD.exec(name)?.[1]).find((stem) => stem !== undefined);
  if (shard !== undefined) return `it has parts of ${shard}.safetensors but not ${shard}${INDEX_ENDING}; copy that too`;
  if (names.includes("adapter_config.json")) {
    return "it is an adapter for another model; merge it into that model and save the result";
  }
  if (names.includes("snapshots")) return "it is a cache of Hugging Face's library; name a directory in its snapshots/";
  const others = names.filter((name) => name.endsWith(".safetensors") || name.endsWith(INDEX_ENDING));
  if (others.length > 0)
    return `expected model.safetensors, found ${others.slice(0, 5).join(", ")}; name the file itself`;
  if (names.some((name) => /\.(bin|pt|pth|ckpt|h5|msgpack)$/.test(name))) {
    return "pickled and Keras weights are never read; save them as model.safetensors";
  }
  return "expected model.safetensors, model.safetensors.index.json or model.ckpt-*.index";
}

/** The index of the checkpoint that a file named like a shard belongs to, when the index is there and lists it. */
async function indexOfShard(path: string): Promise<Pick<CheckpointLocation, "kind" | "weights"> | undefined> {
  const stem = SHARD.exec(basename(path))?.[1];
  if (stem === undefined) return undefined;
  const index = join(dirname(path), `${stem}${INDEX_ENDING}`);
  if (!(await isFile(index)) || !(await shardNames(index)).includes(basename(path))) return undefined;
  return { kind: "sharded-safetensors", weights: index };
}

async function latestBundle(directory: string, names: readonly string[]): Promise<string | undefined> {
  const prefixes = names.filter((name) => name.endsWith(".index")).map((name) => name.slice(0, -".index".length));
  if (names.includes("checkpoint") && (await isFile(join(directory, "checkpoint")))) {
    return join(directory, await namedByPointer(join(directory, "checkpoint"), prefixes));
  }
  if (prefixes.length === 0) return undefined;
  const step = (prefix: string) => Number(/-(\d+)$/.exec(prefix)?.[1] ?? -1);
  const chosen = prefixes.includes("model.ckpt-best")
    ? "model.ckpt-best"
    : prefixes.toSorted((a, b) => step(b) - step(a) || (a < b ? -1 : 1))[0]!;
  return join(directory, chosen);
}

/** Longest pointer file that is read, in bytes; TensorFlow's own lists a few paths. */
const POINTER_BYTES = 1 << 20;

/**
 * The prefix that TensorFlow's pointer file names; a path of another machine counts by its last element.
 *
 * @throws AlbertError not-found naming the pointer and the prefix when that is absent; corrupt when it names none
 */
async function namedByPointer(pointer: string, prefixes: readonly string[]): Promise<string> {
  const text = (await stat(pointer)).size <= POINTER_BYTES ? await readFile(pointer, "utf8") : "";
  const named = /^\s*model_checkpoint_path\s*:\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')/m.exec(text);
  const path = (named?.[1] ?? named?.[2] ?? "").replaceAll(/\\(.)/g, "$1");
  const latest = path.split(/[\\/]/).at(-1) ?? "";
  const found =
    prefixes.length === 0
      ? "no checkpoint is"
      : `${prefixes.slice(0, 5).join(", ")} ${prefixes.length === 1 ? "is" : "are"}`;
  if (latest === "") {
    throw corrupt(
      `the file checkpoint names no model_checkpoint_path, so that which one is meant stays open; ${found} next to it; name the checkpoint itself, or remove the file`,
      { reason: "CHECKPOINT_POINTER_UNREADABLE" },
    );
  }
  if (prefixes.includes(latest)) return latest;
  throw new AlbertError(
    "not-found",
    `the file checkpoint names ${latest}, but ${latest}.index is not next to it; ${found}; copy the missing files, or name the checkpoint itself`,
    { reason: "CHECKPOINT_NOT_FOUND" },
  );
}

/** Looks next to the weights, and where a TF-Hub module keeps its assets. */
async function near(weights: Pick<CheckpointLocation, "kind" | "weights">): Promise<CheckpointLocation> {
  const directory = dirname(weights.weights);
  const directories = [directory];
  if (basename(directory) === "variables") directories.push(join(directory, "../assets"));
  const find = async (names: readonly string[]) => {
    const candidates = directories.flatMap((place) => names.map((name) => join(place, name)));
    for (const candidate of candidates) if (await isFile(candidate)) return candidate;
    return undefined;
  };
  const google = ["albert_config.json", "bert_config.json"];
  return {
    ...weights,
    config: await find(weights.kind === "tensor-bundle" ? [...google, "config.json"] : ["config.json", ...google]),
    vocabulary: await find(VOCABULARY_NAMES),
    tokenizerConfig: await find(["tokenizer_config.json"]),
  };
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
