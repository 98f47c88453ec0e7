import { createHash } from "node:crypto";
import { lstat, readdir, readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AlbertError, corrupt } from "../../errors.ts";
import { readJsonObject } from "../../platform/json-file.ts";
import { loadTokenizer } from "../../tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { CheckpointLocation } from "../checkpoint/checkpoint-location.ts";
import { loadParameters } from "../checkpoint/load-parameters.ts";
import { type CheckpointOptions, openCheckpoint } from "../checkpoint/open-checkpoint.ts";
import type { AlbertConfig } from "../config.ts";
import { parseModelConfig } from "../families/families.ts";
import { sha256Of, withFile } from "../formats/random-access-file.ts";
import { shardNames } from "../formats/sharded-safetensors.ts";
import { checkHeads, MANIFEST_FILE, modelDigest, parseManifest } from "./manifest.ts";
import type { Model, ModelManifest } from "./model-directory.ts";
import { requireRegularFile, settledDirectory } from "./regular-files.ts";
import { parseScales, SCALES_FILE } from "./scales-file.ts";
import { type Vocabulary, vocabularyFileName } from "./vocabulary.ts";
import { withWeights } from "./weight-files.ts";

// Opens and verifies a model directory. Nothing is used before its digest is checked.

export interface OpenOptions extends CheckpointOptions {
  /** Name of a model without a manifest; its directory's name unless given. */
  readonly name?: string;
}

/**
 * Opens a model: a directory of ours (told by `manifest.json`), or any checkpoint that `locateCheckpoint` finds, which
 * must then have a vocabulary. Of ours every file is verified against its digest before a byte of it is used, and every
 * option but those of a foreign checkpoint is in the manifest already.
 *
 * @throws AlbertError not-found for an absent file; corrupt or invalid-input naming what is wrong and where
 */
export async function openModelDirectory(path: string, options: OpenOptions = {}): Promise<Model> {
  const model = await openWithoutTokenizer(path, options);
  return { ...model, tokenizer: loadFittingTokenizer(model.vocabulary, model.config) };
}

/** A model whose vocabulary nobody has looked into yet: see {@link loadFittingTokenizer}. */
export type ModelWithoutTokenizer = Omit<Model, "tokenizer">;

/** As {@link openModelDirectory}, for who makes the tokenizer elsewhere: that takes as long as reading a small model. */
export async function openWithoutTokenizer(path: string, options: OpenOptions = {}): Promise<ModelWithoutTokenizer> {
  const manifestInfo = await lstat(join(path, MANIFEST_FILE)).catch(() => undefined);
  return manifestInfo === undefined ? openForeign(path, options) : openOwn(path);
}

/**
 * Verifies every file of one of our directories against its manifest, without reading the model.
 *
 * @returns also the directory where the verified files lie: another one than `path` where that links to it
 * @throws AlbertError corrupt naming the file
 */
export async function verifyModelDirectory(
  path: string,
): Promise<{ manifest: ModelManifest; digest: string; directory: string }> {
  const directory = await settledDirectory(path, MANIFEST_FILE);
  await requireRegularFile(directory, MANIFEST_FILE);
  const manifest = parseManifest(await readFile(join(directory, MANIFEST_FILE)));
  for (const [file, expected] of Object.entries(manifest.files)) {
    await requireRegularFile(directory, file);
    const actual = await withFile(join(directory, file), sha256Of);
    if (actual !== expected) {
      throw corrupt(`${file} has sha256 ${actual}, but the manifest says ${expected}`, { reason: "DIGEST_MISMATCH" });
    }
  }
  return { manifest, digest: modelDigest(manifest.files, manifest.heads), directory };
}

async function openOwn(path: string): Promise<ModelWithoutTokenizer> {
  const { manifest, digest, directory } = await verifyModelDirectory(path);
  const { config } = parseModelConfig(await readJsonObject(join(directory, "config.json")), "config.json");
  const problems = checkHeads(config, manifest.heads);
  if (problems.length > 0) {
    const list = problems.map(({ field, description }) => `${field}: ${description}`).join("; ");
    throw corrupt(`${MANIFEST_FILE}: ${list}`, { reason: "MANIFEST_CORRUPT" });
  }
  const scales = Object.hasOwn(manifest.files, SCALES_FILE)
    ? { scales: parseScales(await readFile(join(directory, SCALES_FILE)), config) }
    : {};
  const loaded = await withWeights(directory, manifest.files, (reader) =>
    loadParameters(reader, config, manifest.heads),
  );
  const { kind, lowerCase, file } = manifest.tokenizer;
  const vocabulary = { kind, lowerCase, bytes: await readFile(join(directory, file)) };
  return {
    digest,
    manifest,
    config: loaded.config,
    heads: manifest.heads,
    parameters: loaded.parameters,
    vocabulary,
    warnings: loaded.warnings,
    ...scales,
  };
}

/** The tokenizer of a model's vocabulary. @throws AlbertError as `loadTokenizer` and {@link requireFitting} do */
export function loadFittingTokenizer(vocabulary: Vocabulary, config: AlbertConfig): Tokenizer {
  return requireFitting(loadTokenizer(vocabulary), config);
}

/**
 * A tokenizer whose every id has a row in the embedding table; spare rows at its end do no harm.
 *
 * @throws AlbertError corrupt (VOCABULARY_MISMATCH)
 */
export function requireFitting(tokenizer: Tokenizer, config: AlbertConfig): Tokenizer {
  if (tokenizer.vocabSize > config.vocabSize) {
    throw corrupt(
      `the vocabulary has ${tokenizer.vocabSize} pieces, but the model has embeddings for ${config.vocabSize}`,
      { reason: "VOCABULARY_MISMATCH" },
    );
  }
  return tokenizer;
}

async function openForeign(path: string, options: OpenOptions): Promise<ModelWithoutTokenizer> {
  const checkpoint = await openCheckpoint(path, options);
  const { location, config, heads, parameters, vocabulary, warnings, encoding, maxSequenceLength } = checkpoint;
  if (vocabulary === undefined) {
    throw new AlbertError(
      "not-found",
      "no vocabulary (spiece.model, 30k-clean.model, vocab.txt or tokenizer.json) lies next to the weights; name it with --vocab",
      { reason: "VOCABULARY_NOT_FOUND" },
    );
  }
  const files = {
    ...(await weightDigests(location)),
    "config.json": await withFile((options.config ?? location.config)!, sha256Of), // openCheckpoint read it
    [vocabularyFileName(vocabulary.kind)]: createHash("sha256").update(vocabulary.bytes).digest("hex"),
  };
  const manifest: ModelManifest = {
    formatVersion: 1,
    name: options.name ?? nameOf(location),
    heads,
    tokenizer: {
      file: vocabularyFileName(vocabulary.kind),
      kind: vocabulary.kind,
      lowerCase: vocabulary.lowerCase,
    },
    maxSequenceLength,
    ...(encoding === undefined ? {} : { encoding }),
    files,
  };
  return { digest: modelDigest(files, heads), manifest, config, heads, parameters, vocabulary, warnings };
}

/** sha256 of every weight file of a foreign checkpoint, by file name. */
async function weightDigests({ kind, weights }: CheckpointLocation): Promise<Record<string, string>> {
  const directory = dirname(weights);
  const name = basename(weights);
  const names =
    kind === "safetensors"
      ? [name]
      : kind === "sharded-safetensors"
        ? [name, ...(await shardNames(weights))]
        : (await readdir(directory)).filter((file) => file === `${name}.index` || file.startsWith(`${name}.data-`));
  const digests: Record<string, string> = {};
  for (const file of names) digests[file] = await withFile(join(directory, file), sha256Of);
  return digests;
}

function nameOf({ weights }: CheckpointLocation): string {
  const directory = dirname(resolve(weights));
  return basename(basename(directory) === "variables" ? dirname(directory) : directory);
}
