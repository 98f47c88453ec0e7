import { randomBytes } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AlbertError, corrupt, invalidInput } from "../errors.ts";
import { sha256Of, withFile } from "../model/formats/random-access-file.ts";
import { decodeRecord, encodeRecord, isDamagedRecord } from "../model/formats/records.ts";
import { makeDirectory } from "../platform/directories.ts";
import type { Blobs } from "./blobs.ts";
import { ambiguousDigest, checkName, isDigest, isDigestPrefix, SHORTEST_PREFIX } from "./names.ts";
import { bytesBody, type ObjectStore } from "./objects/object-store.ts";
import type { StoreClock, WriteLeases } from "./write-leases.ts";

// The data sets of the store: storing, registering, listing, fetching and removing them.

/** One immutable dataset: a file, named by the sha256 of its bytes. */
export interface DatasetVersion {
  /** sha256 of the bytes, hex. */
  readonly digest: string;
  /** File name, whose ending says the format. */
  readonly name: string;
  readonly bytes: number;
  /** Where a registered file lies, relative to a configured root; absent when the store holds the bytes itself. */
  readonly path?: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Of which data set it was made, and how; absent where it came from outside. */
  readonly origin?: DatasetOrigin;
}

/** A data set that another was made of, and what was done to it, in words. */
export interface DatasetOrigin {
  readonly digest: string;
  readonly madeBy: string;
}

export interface DatasetsOptions {
  readonly objects: ObjectStore;
  readonly blobs: Blobs;
  readonly leases: WriteLeases;
  readonly clock: StoreClock;
  readonly cacheDirectory: string;
  /** Told whether the local copy of a dataset that is wanted was there and sound. */
  readonly onCacheLookup: (hit: boolean) => void;
  /**
   * Absolute path of a registered file; refuses a path that leads out of the configured roots. Absent: files cannot be
   * registered here.
   */
  readonly resolvePath?: (path: string) => Promise<string>;
}

/** The datasets that jobs train and evaluate on: `datasets/<digest>.json` each, the bytes in the blobs. */
export class Datasets {
  readonly #options: DatasetsOptions;

  constructor(options: DatasetsOptions) {
    this.#options = options;
  }

  /**
   * Stores a file. The same bytes are stored once, under the name they came with first.
   *
   * @param expectedDigest  what the bytes must have, when the caller knows it
   * @param origin          of which data set it was made
   * @throws AlbertError corrupt (DIGEST_MISMATCH)
   */
  async add(name: string, file: string, expectedDigest?: string, origin?: DatasetOrigin): Promise<DatasetVersion> {
    checkName("name", name);
    const { digest, bytes } = await measure(file);
    requireDigest(digest, expectedDigest);
    return this.#options.leases.write({ blobs: [digest] }, async (stillHeld) => {
      await this.#options.blobs.put(digest, file);
      stillHeld();
      const from = origin === undefined ? {} : { origin };
      return this.#record({ digest, name, bytes, created: this.#options.clock.now(), ...from });
    });
  }

  /** Makes a file below a configured root a dataset without copying it; its digest is pinned. */
  async register(name: string, path: string): Promise<DatasetVersion> {
    checkName("name", name);
    const { digest, bytes } = await measure(await this.#resolve(path));
    return this.#record({ digest, name, bytes, path, created: this.#options.clock.now() });
  }

  /**
   * The whole digest of a dataset, from its first eight digits or more.
   *
   * @param field  what the caller calls it
   * @throws AlbertError not-found; invalid-input when several datasets begin so, or it is no such text
   */
  async whole(prefix: string, field = "digest"): Promise<string> {
    const text = prefix.toLowerCase();
    if (isDigest(text)) return text;
    if (!isDigestPrefix(text)) {
      const description = `expected the 64 hex digits of a digest, or its first ${SHORTEST_PREFIX} or more`;
      throw invalidInput([{ field, description }]);
    }
    const found: string[] = [];
    for await (const { key } of this.#options.objects.list("datasets/")) {
      const digest = key.slice("datasets/".length).replace(/\.json$/, "");
      if (digest.startsWith(text)) found.push(digest);
    }
    if (found.length > 1) throw ambiguousDigest(field, text, found);
    return found[0] ?? Promise.reject(datasetNotFound(text));
  }

  /** @throws AlbertError not-found */
  async get(digest: string): Promise<DatasetVersion> {
    const bytes = await this.#options.objects.get(recordKey(digest));
    if (bytes !== undefined) return decodeRecord(bytes, `the record of dataset ${digest}`);
    throw datasetNotFound(digest);
  }

  /** Every dataset whose record can be read, oldest first. */
  list(): Promise<DatasetVersion[]> {
    return this.#list((error) => {
      if (!isDamagedRecord(error)) throw error;
    });
  }

  /**
   * Every dataset, oldest first, for callers that remove what is not listed.
   *
   * @throws AlbertError corrupt (RECORD_CORRUPT) when one record is damaged
   */
  listAll(): Promise<DatasetVersion[]> {
    return this.#list((error) => {
      throw error;
    });
  }

  async #list(onUnreadable: (error: unknown) => void): Promise<DatasetVersion[]> {
    const all: DatasetVersion[] = [];
    for await (const { key } of this.#options.objects.list("datasets/")) {
      const bytes = await this.#options.objects.get(key);
      if (bytes === undefined) continue;
      try {
        all.push(decodeRecord(bytes, `the record ${key}`));
      } catch (error) {
        onUnreadable(error);
      }
    }
    return all.sort((a, b) => a.created - b.created || (a.digest < b.digest ? -1 : 1));
  }

  /**
   * A local file with the dataset's bytes, verified. The caller must not change it.
   *
   * @throws AlbertError corrupt when the bytes are damaged, or a registered file has changed since
   */
  async materialise(digest: string): Promise<string> {
    const { name, path } = await this.get(digest);
    if (path !== undefined) {
      const file = await this.#resolve(path);
      if ((await measure(file)).digest !== digest) {
        throw corrupt(`${name} has changed since it was registered as ${digest}; register it again`, {
          reason: "DATASET_CHANGED",
        });
      }
      return file;
    }
    const file = join(this.#options.cacheDirectory, "datasets", digest, name);
    const sound = (await measure(file).catch(() => undefined))?.digest === digest;
    this.#options.onCacheLookup(sound);
    if (sound) return file;
    await makeDirectory(dirname(file));
    const temporary = `${file}.${randomBytes(6).toString("hex")}.partial`;
    try {
      await this.#options.blobs.fetch(digest, temporary);
      await rename(temporary, file);
    } finally {
      await rm(temporary, { force: true });
    }
    return file;
  }

  /**
   * Forgets a dataset; its bytes go with the next garbage collection.
   *
   * @param references  who still needs it, in words for the message; not empty: refused
   */
  async delete(digest: string, references: readonly string[]): Promise<void> {
    await this.get(digest);
    if (references.length > 0) {
      throw new AlbertError("precondition", `the dataset is used by ${references.join(", ")}`, {
        reason: "DATASET_REFERENCED",
        metadata: { digest },
      });
    }
    await this.#options.objects.delete(recordKey(digest));
  }

  async #record(dataset: DatasetVersion): Promise<DatasetVersion> {
    const body = bytesBody(encodeRecord(dataset));
    const written = await this.#options.objects.putIfAbsent(recordKey(dataset.digest), body);
    return written ? dataset : this.get(dataset.digest);
  }

  async #resolve(path: string): Promise<string> {
    const { resolvePath } = this.#options;
    if (resolvePath === undefined) {
      throw new AlbertError("precondition", "no dataset root is configured", { reason: "DATASET_ROOT_MISSING" });
    }
    return resolvePath(path);
  }
}

function datasetNotFound(digest: string): AlbertError {
  return new AlbertError("not-found", `there is no dataset ${digest}`, {
    reason: "DATASET_NOT_FOUND",
    metadata: { digest },
  });
}

function requireDigest(actual: string, expected: string | undefined): void {
  if (expected === undefined || expected === actual) return;
  throw corrupt(`the file has sha256 ${actual}, but ${expected} was announced`, { reason: "DIGEST_MISMATCH" });
}

async function measure(file: string): Promise<{ digest: string; bytes: number }> {
  return withFile(file, async (source) => ({ digest: await sha256Of(source), bytes: source.size }));
}

function recordKey(digest: string): string {
  if (!isDigest(digest)) {
    throw invalidInput([{ field: "digest", description: "expected 64 hex digits" }]);
  }
  return `datasets/${digest}.json`;
}
