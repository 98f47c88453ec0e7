import { createHash } from "node:crypto";
import { rm, stat } from "node:fs/promises";
import { AlbertError, corrupt } from "../errors.ts";
import { sha256Of, withFile } from "../model/formats/random-access-file.ts";
import { fileBody, type ObjectStore } from "./objects/object-store.ts";

const BLOBS = "blobs/";

/** Files by the sha256 of their bytes: the same bytes are kept once, however often they are stored. */
export class Blobs {
  readonly #objects: ObjectStore;
  readonly #now: () => number;

  constructor(objects: ObjectStore, now: () => number) {
    this.#objects = objects;
    this.#now = now;
  }

  /**
   * Stores a file unless its bytes are there already.
   *
   * @throws AlbertError corrupt (DIGEST_MISMATCH) when the file does not have this digest
   */
  async put(sha256: string, path: string): Promise<void> {
    const { size } = await stat(path);
    const there = await this.#objects.head(blobKey(sha256));
    if (there?.size === size) return;
    if (there !== undefined) await this.#objects.delete(blobKey(sha256)); // cut short by something outside the store
    await this.#objects.putIfAbsent(blobKey(sha256), fileBody(path, size, sha256));
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.#objects.head(blobKey(sha256))) !== undefined;
  }

  /**
   * Brings a blob into a new local file and verifies it. One that does not verify is moved into quarantine, where a
   * person can look at it and nothing reads it again; storing the same file anew mends every version that uses it.
   *
   * @throws AlbertError corrupt: BLOB_MISSING, or BLOB_CORRUPT after moving it
   */
  async fetch(sha256: string, path: string): Promise<void> {
    const actual = await this.#read(sha256, path);
    if (actual === sha256) return;
    // Damage stays; bytes that were lost or changed on their way come right when they are read again.
    await rm(path);
    const again = await this.#read(sha256, path);
    if (again === sha256) return;
    if (again !== actual) {
      await rm(path);
      throw new AlbertError("unavailable", `the bytes of ${sha256} differ each time they are read`, {
        reason: "STORE_UNAVAILABLE",
      });
    }
    const { size } = await stat(path);
    const suffix = createHash("sha256").update(`${actual}${this.#now()}`).digest("hex").slice(0, 8);
    await this.#objects.putIfAbsent(`quarantine/${sha256}-${suffix}`, fileBody(path, size, actual));
    await this.#objects.delete(blobKey(sha256));
    await rm(path, { force: true });
    throw corrupt(`the bytes of ${sha256} are damaged (they have sha256 ${actual}) and were put into quarantine`, {
      reason: "BLOB_CORRUPT",
      metadata: { sha256, actual },
    });
  }

  /** Brings a blob into a new local file. @returns sha256 of what has arrived */
  async #read(sha256: string, path: string): Promise<string> {
    if (await this.#objects.fetch(blobKey(sha256), path)) return withFile(path, sha256Of);
    throw corrupt(`the store has lost the bytes of ${sha256}`, { reason: "BLOB_MISSING", metadata: { sha256 } });
  }

  /**
   * What is wrong with a blob, which stays where it is; undefined where nothing is.
   *
   * @param path  of a local file that does not exist, and will not exist afterwards
   */
  async problemOf(sha256: string, path: string): Promise<string | undefined> {
    try {
      if (!(await this.#objects.fetch(blobKey(sha256), path))) return "is missing";
      const actual = await withFile(path, sha256Of);
      return actual === sha256 ? undefined : `is damaged: its bytes have sha256 ${actual}`;
    } finally {
      await rm(path, { force: true });
    }
  }

  /** sha256 and size of every blob. */
  async *list(): AsyncIterable<{ readonly sha256: string; readonly bytes: number }> {
    for await (const { key, size } of this.#objects.list(BLOBS)) {
      yield { sha256: key.slice(key.lastIndexOf("/") + 1), bytes: size };
    }
  }

  async delete(sha256: string): Promise<void> {
    await this.#objects.delete(blobKey(sha256));
  }
}

function blobKey(sha256: string): string {
  return `${BLOBS}${sha256.slice(0, 2)}/${sha256}`;
}
