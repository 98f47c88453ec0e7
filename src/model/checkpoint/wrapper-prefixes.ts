import { corrupt } from "../../errors.ts";
import type { CheckpointEntry, CheckpointReader } from "./checkpoint-reader.ts";

// Removes what wrappers of PyTorch add to the names of a checkpoint.

/**
 * Segments of a name that a wrapper of PyTorch puts in, wherever it stands: data parallelism, compilation, sharding and
 * activation checkpointing. No tensor of an ALBERT has one of its own.
 */
const WRAPPERS: ReadonlySet<string> = new Set([
  "module",
  "_orig_mod",
  "_forward_module",
  "_fsdp_wrapped_module",
  "_checkpoint_wrapped_module",
]);

const EMBEDDINGS = "embeddings.word_embeddings.weight";
const TF_EMBEDDINGS = /^(.*?)bert\/embeddings\/word_embeddings$/;
/** TF-Hub's own scope is no wrapper: `detectNaming` knows it. */
const TF_HUB = "module/";

/** A checkpoint under the names that its model itself gives, and what was taken off to get there. */
export interface UnwrappedCheckpoint {
  readonly reader: CheckpointReader;
  /** Sentences a person should see; empty when nothing was changed. */
  readonly warnings: readonly string[];
}

/**
 * Takes off what wrappers put before or between the names: `module.`, `_orig_mod.`, `model.` and the like, also nested, and
 * writes LayerNorm's `gamma` and `beta` of old files as `weight` and `bias`. A prefix goes only if every tensor has it.
 *
 * @param trunkPrefix  what the family itself puts before the names of its trunk, such as `albert.`: no wrapper
 * @throws AlbertError corrupt (CHECKPOINT_MISMATCH) naming the prefix when only some tensors have it, when two different
 *   prefixes hold a model each, or when two names become one
 */
export function unwrapNames(reader: CheckpointReader, trunkPrefix: string): UnwrappedCheckpoint {
  const names = [...reader.entries.keys()];
  const removed = new Set<string>();
  const bare = new Map(names.map((name) => [name, withoutWrappers(name, removed)]));
  const prefix = commonPrefix(reader.name, [...bare.values()], trunkPrefix);
  const shown = prefix === "" ? [...removed].map((segment) => `${segment}.`) : [prefix, ...withDots(removed)];
  const outside = [...bare].filter(([, name]) => !name.startsWith(prefix)).map(([name]) => name);
  if (outside.length > 0) {
    throw mismatch(
      `${reader.name}: ${names.length - outside.length} of ${names.length} tensors begin with ${prefix} as a wrapper puts it before every one, ` +
        `but these do not: ${listOf(outside)}; save the wrapped model alone`,
    );
  }
  const original = new Map<string, string>();
  let renamed = 0;
  for (const [name, short] of bare) {
    const plain = modernName(short.slice(prefix.length));
    if (plain !== short.slice(prefix.length)) renamed++;
    const other = original.get(plain);
    if (other !== undefined) {
      throw mismatch(
        `${reader.name}: ${other} and ${name} are both ${plain} without what wrappers add; keep one of them`,
      );
    }
    original.set(plain, name);
  }
  const warnings = [
    ...(shown.length === 0 ? [] : [`${reader.name}: names lose ${shown.join(" and ")}, which a wrapper put there`]),
    ...(renamed === 0
      ? []
      : [`${reader.name}: ${renamed} names end in gamma or beta, as old files spell weight and bias`]),
  ];
  return warnings.length === 0 ? { reader, warnings } : { reader: renamedReader(reader, original), warnings };
}

function withoutWrappers(name: string, removed: Set<string>): string {
  if (name.includes("/")) return name; // TensorFlow's names have no such wrappers
  const segments = name.split(".");
  const kept = segments.filter((segment) => !WRAPPERS.has(segment));
  if (kept.length === segments.length) return name;
  for (const segment of segments) if (WRAPPERS.has(segment)) removed.add(segment);
  return kept.join(".");
}

/** What stands before the word embeddings of the one model that the names hold; empty when nothing does. */
function commonPrefix(file: string, names: readonly string[], trunkPrefix: string): string {
  const found = names.flatMap((name) => {
    const ending = [trunkPrefix + EMBEDDINGS, EMBEDDINGS].find((it) => name.endsWith(it));
    const prefix = ending === undefined ? TF_EMBEDDINGS.exec(name)?.[1] : name.slice(0, -ending.length);
    return prefix === undefined ? [] : [prefix];
  });
  const prefixes = [...new Set(found)];
  if (prefixes.length > 1) {
    const list = prefixes.map((prefix) => (prefix === "" ? "no prefix" : prefix)).join(", ");
    throw mismatch(`${file} holds ${prefixes.length} models, below ${list}; save one of them alone`);
  }
  const [prefix = ""] = prefixes;
  return prefix === TF_HUB || !/[./]$/.test(prefix) ? "" : prefix;
}

function modernName(name: string): string {
  return name
    .replace(/(LayerNorm|layer_norm)\.gamma$/, "$1.weight")
    .replace(/(LayerNorm|layer_norm)\.beta$/, "$1.bias");
}

function renamedReader(reader: CheckpointReader, original: ReadonlyMap<string, string>): CheckpointReader {
  const entries = new Map<string, CheckpointEntry>();
  for (const [plain, name] of original) {
    const entry = reader.entries.get(name);
    if (entry !== undefined) entries.set(plain, entry);
  }
  const nameOf = (plain: string) => original.get(plain) ?? plain;
  const { verify } = reader;
  return {
    name: reader.name,
    entries,
    read: (plain) => reader.read(nameOf(plain)),
    ...(verify === undefined ? {} : { verify: (plain: string) => verify(nameOf(plain)) }),
  };
}

function withDots(segments: ReadonlySet<string>): string[] {
  return [...segments].map((segment) => `${segment}.`);
}

function listOf(names: readonly string[]): string {
  return names.length <= 5 ? names.join(", ") : `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`;
}

function mismatch(message: string) {
  return corrupt(message, { reason: "CHECKPOINT_MISMATCH" });
}
