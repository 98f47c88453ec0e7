import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { AlbertError } from "../errors.ts";

/** The files of a foreign checkpoint. */
export interface CheckpointLocation {
  readonly kind: "safetensors" | "tensor-bundle";
  /** The safetensors file, or the TensorFlow prefix. */
  readonly weights: string;
  /** `config.json` or `albert_config.json`; absent when none lies near the weights. */
  readonly config: string | undefined;
  /** `spiece.model`, `vocab.txt` or what the official archives call them; absent when none lies near the weights. */
  readonly vocabulary: string | undefined;
  /** `tokenizer_config.json`, when there is one. */
  readonly tokenizerConfig: string | undefined;
}

const VOCABULARY_NAMES = ["spiece.model", "30k-clean.model", "vocab.txt", "vocab_chinese.txt"];

/**
 * Finds what a person means by `path`: a directory (Hugging Face's, Google's, or a TF-Hub module's), a safetensors file,
 * a TensorFlow prefix such as `DIR/model.ckpt-best`, or any one of its files. In a directory safetensors come first;
 * among TensorFlow checkpoints the one that the `checkpoint` file names, else `model.ckpt-best`, else the highest step.
 *
 * @throws AlbertError not-found saying what was looked for
 */
export async function locateCheckpoint(path: string): Promise<CheckpointLocation> {
  if (await isDirectory(path)) return locateInDirectory(path);
  if (path.endsWith(".safetensors")) return near({ kind: "safetensors", weights: path });
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
  const prefix = await latestBundle(directory, names);
  if (prefix !== undefined) return near({ kind: "tensor-bundle", weights: prefix });
  if (await isFile(join(directory, "variables/variables.index"))) {
    return near({ kind: "tensor-bundle", weights: join(directory, "variables/variables") });
  }
  const hint = names.includes("model.safetensors.index.json")
    ? "it is split over several safetensors files; save it with one"
    : names.some((name) => name.endsWith(".bin") || name.endsWith(".pt"))
      ? "pickled weights are never read; save them as model.safetensors"
      : "expected model.safetensors or model.ckpt-*.index";
  throw new AlbertError("not-found", `${basename(directory)} holds no checkpoint: ${hint}`, {
    reason: "CHECKPOINT_NOT_FOUND",
  });
}

async function latestBundle(directory: string, names: readonly string[]): Promise<string | undefined> {
  const prefixes = names.filter((name) => name.endsWith(".index")).map((name) => name.slice(0, -".index".length));
  if (prefixes.length === 0) return undefined;
  if (names.includes("checkpoint")) {
    const text = await readFile(join(directory, "checkpoint"), "utf8");
    const named = /^model_checkpoint_path:\s*"(.*)"/m.exec(text)?.[1];
    const latest = named === undefined ? undefined : basename(named);
    if (latest !== undefined && prefixes.includes(latest)) return join(directory, latest);
  }
  const step = (prefix: string) => Number(/-(\d+)$/.exec(prefix)?.[1] ?? -1);
  const chosen = prefixes.includes("model.ckpt-best")
    ? "model.ckpt-best"
    : prefixes.toSorted((a, b) => step(b) - step(a) || (a < b ? -1 : 1))[0]!;
  return join(directory, chosen);
}

/** Looks beside the weights, and where a TF-Hub module keeps its assets. */
async function near(weights: Pick<CheckpointLocation, "kind" | "weights">): Promise<CheckpointLocation> {
  const directory = dirname(weights.weights);
  const directories = [directory];
  if (basename(directory) === "variables") directories.push(join(directory, "../assets"));
  const find = async (names: readonly string[]) => {
    const candidates = directories.flatMap((place) => names.map((name) => join(place, name)));
    for (const candidate of candidates) if (await isFile(candidate)) return candidate;
    return undefined;
  };
  const configNames = ["config.json", "albert_config.json"];
  return {
    ...weights,
    config: await find(weights.kind === "safetensors" ? configNames : configNames.toReversed()),
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
