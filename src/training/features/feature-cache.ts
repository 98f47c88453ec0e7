import { createHash } from "node:crypto";
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError, invariant } from "../../errors.ts";
import { readFully, sha256Of, withFile } from "../../model/formats/random-access-file.ts";
import { encodeRecord as encodeManifest, readRecordFile } from "../../model/formats/records.ts";
import { replaceFile } from "../../platform/atomic-files.ts";
import { makeDirectory, syncDirectory } from "../../platform/directories.ts";
import { recordLength, type TrainingRecord } from "../step/collate.ts";

// Features on the disk: written once for each key, checked whenever they are opened.

/** Everything that changes the features, and nothing else: never batch sizes, threads or paths. */
export interface FeatureKey {
  /** Digest of the examples as read. */
  readonly data: string;
  readonly tokenizer: string;
  /** Task, sequence length, doc stride and the like. */
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
}

/** Features on disk: only lengths and offsets are held in memory, whatever the size of the data. */
export interface FeatureStore {
  /** sha256 over key and content. */
  readonly digest: string;
  /** Where they lie; absent for those of several stores. */
  readonly directory?: string;
  /** Tokens of each record's longest sequence. */
  readonly lengths: Uint16Array;
  read(index: number): Promise<TrainingRecord>;
  close(): Promise<void>;
}

/** Name and element type of each tensor of a record, in the order they are stored. */
type Schema = readonly (readonly [name: string, dtype: "int32" | "float32"])[];

interface FeatureManifest {
  readonly formatVersion: 1;
  readonly key: FeatureKey;
  readonly schema: Schema;
  readonly count: number;
  readonly bytes: number;
  /** sha256 of records.bin and of index.bin. */
  readonly recordsDigest: string;
  readonly indexDigest: string;
}

/** Ends the name of a directory that is being written. */
const WRITING = ".writing";
const MANIFEST = "manifest.json";
const RECORDS = "records.bin";
const INDEX = "index.bin";
/** Bytes gathered before one write to the disk. */
const WRITE_BYTES = 1 << 20;
/** Bytes of one index entry: float64 offset, uint32 bytes, uint32 tokens. */
const ENTRY_BYTES = 16;

/** Name of the directory in which features of this key are cached. */
export function featureCacheName(key: FeatureKey): string {
  const parameters = Object.entries(key.parameters).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([1, key.data, key.tokenizer, parameters]))
    .digest("hex")
    .slice(0, 32);
}

/**
 * Opens the features of a key, making them first where the cache holds none or damaged ones.
 *
 * @param make  yields every record in order; consumed as a stream
 * @throws AlbertError invalid-input (NO_EXAMPLES) when there is not one record
 */
export async function openFeatures(
  cacheDirectory: string,
  key: FeatureKey,
  make: () => AsyncIterable<TrainingRecord> | Iterable<TrainingRecord>,
): Promise<FeatureStore> {
  const directory = join(cacheDirectory, featureCacheName(key));
  const existing = await openExisting(directory);
  if (existing !== undefined) return existing;
  await buildFeatures(directory, key, make());
  const built = await openExisting(directory);
  invariant(built !== undefined, "features just written cannot be opened");
  return built;
}

/** What nobody has written to for this long belongs to a run that was interrupted, in milliseconds. */
const ABANDONED_MS = 3_600_000;

/** Removes what interrupted runs left half-written, and that no later run will take up. @returns the names of what was removed */
export async function sweepFeatures(cacheDirectory: string, nowMs: number = Date.now()): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(cacheDirectory).catch(absentAsEmpty)) {
    if (!name.endsWith(WRITING)) continue;
    const directory = join(cacheDirectory, name);
    const parts = [directory, join(directory, RECORDS), join(directory, INDEX)];
    const written = await Promise.all(
      parts.map(async (path) => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0),
    );
    if (Math.max(...written) > nowMs - ABANDONED_MS) continue;
    await rm(directory, { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}

function absentAsEmpty(error: NodeJS.ErrnoException): never[] {
  if (error.code !== "ENOENT") throw error;
  return [];
}

async function buildFeatures(
  directory: string,
  key: FeatureKey,
  records: AsyncIterable<TrainingRecord> | Iterable<TrainingRecord>,
): Promise<void> {
  const temporary = `${directory}${WRITING}`;
  await rm(temporary, { recursive: true, force: true });
  await makeDirectory(temporary);
  const handle = await open(join(temporary, RECORDS), "wx");
  const hash = createHash("sha256");
  const index = new IndexBuilder();
  let schema: Schema | undefined;
  try {
    let pending: Uint8Array[] = [];
    let pendingBytes = 0;
    const flush = async () => {
      const bytes = Buffer.concat(pending);
      hash.update(bytes);
      await handle.writeFile(bytes); // at the end, and to the last byte however little the system takes at once
      pending = [];
      pendingBytes = 0;
    };
    for await (const record of records) {
      schema ??= schemaOf(record);
      const bytes = encodeRecord(record, schema);
      index.add(bytes.length, recordLength(record));
      pending.push(bytes);
      pendingBytes += bytes.length;
      if (pendingBytes >= WRITE_BYTES) await flush();
    }
    await flush();
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (schema === undefined) {
    const message =
      "no example is left: expected at least one to train on and one to evaluate on; rows of the same text (or document) stay together when a " +
      "part is held out: add rows of other texts, or name a file to evaluate on (--eval)";
    throw new AlbertError("invalid-input", message, { reason: "NO_EXAMPLES" });
  }
  const indexBytes = index.bytes();
  await replaceFile(join(temporary, INDEX), indexBytes);
  const manifest: FeatureManifest = {
    formatVersion: 1,
    key,
    schema,
    count: index.count,
    bytes: index.offset,
    recordsDigest: hash.digest("hex"),
    indexDigest: createHash("sha256").update(indexBytes).digest("hex"),
  };
  await replaceFile(join(temporary, MANIFEST), encodeManifest(manifest));
  await rm(directory, { recursive: true, force: true });
  await rename(temporary, directory);
  await syncDirectory(join(directory, ".."));
}

async function openExisting(directory: string): Promise<FeatureStore | undefined> {
  const manifest = await readRecordFile<FeatureManifest>(join(directory, MANIFEST));
  if (manifest?.formatVersion !== 1) return undefined;
  const index = await readFile(join(directory, INDEX)).catch(() => Buffer.alloc(0));
  const bytes = await stat(join(directory, RECORDS)).then(
    (found) => found.size,
    () => -1,
  );
  const whole =
    bytes === manifest.bytes &&
    index.length === manifest.count * ENTRY_BYTES &&
    createHash("sha256").update(index).digest("hex") === manifest.indexDigest &&
    (await withFile(join(directory, RECORDS), sha256Of)) === manifest.recordsDigest;
  return whole ? new StoredFeatures(directory, await open(join(directory, RECORDS), "r"), manifest, index) : undefined;
}

class StoredFeatures implements FeatureStore {
  readonly digest: string;
  readonly directory: string;
  readonly lengths: Uint16Array;
  readonly #handle: FileHandle;
  readonly #schema: Schema;
  readonly #index: DataView;

  constructor(directory: string, handle: FileHandle, manifest: FeatureManifest, index: Buffer) {
    this.directory = directory;
    this.#handle = handle;
    this.#schema = manifest.schema;
    this.#index = new DataView(index.buffer, index.byteOffset, index.byteLength);
    this.lengths = Uint16Array.from({ length: manifest.count }, (_, at) =>
      this.#index.getUint32(at * ENTRY_BYTES + 12, true),
    );
    this.digest = createHash("sha256")
      .update(featureCacheName(manifest.key) + manifest.recordsDigest)
      .digest("hex");
  }

  async read(index: number): Promise<TrainingRecord> {
    const offset = this.#index.getFloat64(index * ENTRY_BYTES, true);
    const bytes = new Uint8Array(this.#index.getUint32(index * ENTRY_BYTES + 8, true));
    await readFully(this.#handle, RECORDS, bytes, offset);
    return decodeRecord(bytes, this.#schema);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

class IndexBuilder {
  count = 0;
  offset = 0;
  #entries = new DataView(new ArrayBuffer(ENTRY_BYTES * 1024));

  add(bytes: number, tokens: number): void {
    if ((this.count + 1) * ENTRY_BYTES > this.#entries.byteLength) {
      const grown = new Uint8Array(this.#entries.byteLength * 2);
      grown.set(new Uint8Array(this.#entries.buffer));
      this.#entries = new DataView(grown.buffer);
    }
    const at = this.count * ENTRY_BYTES;
    this.#entries.setFloat64(at, this.offset, true);
    this.#entries.setUint32(at + 8, bytes, true);
    this.#entries.setUint32(at + 12, tokens, true);
    this.count++;
    this.offset += bytes;
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#entries.buffer, 0, this.count * ENTRY_BYTES);
  }
}

function schemaOf(record: TrainingRecord): Schema {
  return Object.entries(record).map(([name, values]) => [name, values instanceof Int32Array ? "int32" : "float32"]);
}

/** For each tensor its element count as uint32, then its elements, all little-endian and four bytes wide. */
function encodeRecord(record: TrainingRecord, schema: Schema): Uint8Array {
  invariant(Object.keys(record).length === schema.length, "records of one data set differ in their tensors");
  const words = schema.reduce((sum, [name]) => sum + 1 + record[name]!.length, 0);
  const bytes = new Uint8Array(words * 4);
  const counts = new Uint32Array(bytes.buffer);
  let at = 0;
  for (const [name, dtype] of schema) {
    const values = record[name]!;
    counts[at++] = values.length;
    const target = dtype === "int32" ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer);
    target.set(values, at);
    at += values.length;
  }
  return bytes;
}

function decodeRecord(bytes: Uint8Array, schema: Schema): TrainingRecord {
  const counts = new Uint32Array(bytes.buffer);
  let at = 0;
  return Object.fromEntries(
    schema.map(([name, dtype]) => {
      const length = counts[at++]!;
      const start = at * 4;
      at += length;
      return [
        name,
        dtype === "int32" ? new Int32Array(bytes.buffer, start, length) : new Float32Array(bytes.buffer, start, length),
      ];
    }),
  );
}
