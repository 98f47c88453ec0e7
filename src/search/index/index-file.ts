import { createHash, randomBytes } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AlbertError, corrupt } from "../../errors.ts";
import type { ArrayTensor } from "../../model/checkpoint/checkpoint-reader.ts";
import { withFile } from "../../model/formats/random-access-file.ts";
import { openSafetensors, type SafetensorsReader } from "../../model/formats/safetensors.ts";
import { type StoredTensor, writeSafetensors } from "../../model/formats/safetensors-writer.ts";
import { makeDirectory, syncDirectory } from "../../platform/directories.ts";
import { type IndexContents, type IndexEncoder, type IndexedFile, PASSAGE_WIDTH } from "./index-contents.ts";

// A search index as one file: safetensors, with a description in its metadata that holds the digest of every tensor. The same
// contents give the same bytes.

/** An index that was read and verified. */
export interface StoredIndex extends IndexContents {
  /** sha256 of its description, which holds the digests of all else. */
  readonly digest: string;
}

/** What the metadata says under `DESCRIPTION`, as JSON. */
interface Description {
  readonly formatVersion: typeof FORMAT_VERSION;
  readonly encoder: IndexEncoder;
  readonly rule: IndexContents["rule"];
  readonly files: readonly IndexedFile[];
  /** sha256 by name of tensor. */
  readonly tensors: Readonly<Record<string, string>>;
}

const FORMAT_VERSION = 1;
const DESCRIPTION = "albert_search_index";
const DESCRIPTION_SHA256 = "albert_search_index_sha256";
/** Of one tensor: more is not read or written in one go. */
const MAX_TENSOR_BYTES = 2 ** 31 - 1;
/** The description's share of the bound on a safetensors header. */
const MAX_DESCRIPTION_BYTES = 64 << 20;

/**
 * Writes an index, or replaces one: the file holds either the old contents or the new, also after a loss of power.
 *
 * @returns its digest
 * @throws AlbertError invalid-input (DATA_TOO_LARGE) where one part would be larger than 2 GiB
 */
export async function writeIndexFile(named: string, contents: IndexContents): Promise<string> {
  const path = resolve(named);
  const tensors = tensorsOf(contents);
  const digests: Record<string, string> = {};
  for (const [name, { data }] of tensors) {
    if (data.byteLength > MAX_TENSOR_BYTES) throw tooLarge(path, name, data.byteLength);
    digests[name] = sha256(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const { encoder, rule, files } = contents;
  const description: Description = { formatVersion: FORMAT_VERSION, encoder, rule, files, tensors: digests };
  const json = JSON.stringify(description);
  if (json.length > MAX_DESCRIPTION_BYTES) throw tooLarge(path, "the list of files", json.length);
  const digest = sha256(json);
  await makeDirectory(dirname(path));
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.partial`);
  try {
    await writeSafetensors(temporary, tensors, { [DESCRIPTION]: json, [DESCRIPTION_SHA256]: digest });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
  return digest;
}

/**
 * Reads an index and verifies every byte of it.
 *
 * @throws AlbertError not-found (FILE_NOT_READABLE); corrupt (INDEX_CORRUPT) for a damaged file and for one that is no index;
 *   unimplemented (INDEX_FORMAT) for one of another version of this program
 */
export async function readIndexFile(path: string): Promise<StoredIndex> {
  return withFile(path, async (source) => {
    const reader = await openSafetensors(source).catch((cause: unknown) => {
      if (!(cause instanceof AlbertError)) throw cause;
      throw damaged(source.name, cause.message, cause);
    });
    const { [DESCRIPTION]: json, [DESCRIPTION_SHA256]: digest } = reader.metadata;
    if (json === undefined || digest === undefined) {
      throw damaged(source.name, "it is a safetensors file, but no search index");
    }
    if (sha256(json) !== digest) throw damaged(source.name, "its description does not have the digest that it states");
    const { formatVersion, encoder, rule, files, tensors } = JSON.parse(json) as Description; // written by us, as just verified
    if (formatVersion !== FORMAT_VERSION) {
      const message = `${source.name} has format version ${formatVersion}, and ${FORMAT_VERSION} is read here: index the folder again`;
      throw new AlbertError("unimplemented", message, { reason: "INDEX_FORMAT" });
    }
    const read = async (name: string) => verified(reader, name, tensors[name]);
    return {
      ...{ digest, encoder, rule, files },
      vectors: {
        width: encoder.width,
        values: (await read("vectors")).data as Int8Array,
        scales: (await read("scales")).data as Float32Array,
      },
      passages: (await read("passages")).data as Int32Array,
      texts: bytesOf(await read("texts")),
      sourceRuns: (await read("source_runs")).data as Int32Array,
    };
  });
}

function tensorsOf({ vectors, passages, texts, sourceRuns }: IndexContents): ReadonlyMap<string, StoredTensor> {
  const { width, values, scales } = vectors;
  return new Map<string, StoredTensor>([
    ["vectors", { shape: [scales.length, width], data: values }],
    ["scales", { shape: [scales.length], data: scales }],
    ["passages", { shape: [passages.length / PASSAGE_WIDTH, PASSAGE_WIDTH], data: passages }],
    ["texts", { shape: [texts.length], data: new Int8Array(texts.buffer, texts.byteOffset, texts.byteLength) }],
    ["source_runs", { shape: [sourceRuns.length / 3, 3], data: sourceRuns }],
  ]);
}

async function verified(reader: SafetensorsReader, name: string, expected: string | undefined): Promise<ArrayTensor> {
  const tensor = await reader.read(name).catch((cause: unknown) => {
    if (!(cause instanceof AlbertError)) throw cause;
    throw damaged(reader.name, cause.message, cause);
  });
  if (sha256(bytesOf(tensor)) === expected) return tensor;
  throw damaged(reader.name, `the bytes of its ${name} do not have the digest that its description states`);
}

function bytesOf({ data }: ArrayTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function damaged(name: string, what: string, cause?: unknown): AlbertError {
  const message = `${name} is no sound search index: ${what.replace(`${name}: `, "")}. Make it again with albert search index`;
  return corrupt(message, { reason: "INDEX_CORRUPT", cause });
}

function tooLarge(path: string, part: string, bytes: number): AlbertError {
  const message = `${basename(path)} cannot be written: ${part} would take ${bytes} bytes, more than one part of an index holds. Index the folder in parts`;
  return new AlbertError("invalid-input", message, { reason: "DATA_TOO_LARGE" });
}
