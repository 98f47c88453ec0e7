import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { corrupt } from "../../errors.ts";

// What the store needs of a place to keep bytes: the contract of the directory and the S3 implementation.

/**
 * The little that the store needs of a place to keep bytes. Two places implement it: a directory, and S3-compatible object
 * storage. Keys are `/`-separated names that `checkKey` accepts.
 *
 * There are two kinds of things. An *object* is written once and never changes. A *register* is a small value that changes
 * only by compare-and-swap. Both are durable and visible to every process when the call that wrote them returns, and both
 * are whole or absent whatever happens to the writer.
 */
export interface ObjectStore {
  /** A small object whole, or undefined. */
  get(key: string): Promise<Uint8Array | undefined>;
  /**
   * Brings an object into a new local file, which the caller must not change.
   *
   * @returns false when there is no such object
   */
  fetch(key: string, path: string): Promise<boolean>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /**
   * Writes an object unless one exists. A write whose own bytes are found there already counts as written: it was
   * repeated after an answer that got lost.
   *
   * @returns false when another object has the key
   */
  putIfAbsent(key: string, body: ObjectBody): Promise<boolean>;
  /** Removes an object; removing an absent one does nothing. */
  delete(key: string): Promise<void>;
  /** Every object whose key begins with `prefix`, in no particular order. */
  list(prefix: string): AsyncIterable<ObjectInfo>;

  /** A register's value and the tag that `writeRegister` must show to change it, or undefined. */
  readRegister(key: string): Promise<VersionedRegister | undefined>;
  /**
   * Changes a register if its tag still is `tag`; undefined makes a register that must not exist yet.
   *
   * @returns false when another writer came first
   */
  writeRegister(key: string, bytes: Uint8Array, tag: string | undefined): Promise<boolean>;
  /** Every register whose key begins with `prefix`, a whole part of a key with its slash, with its present tag; in no particular order. */
  listRegisters(prefix: string): AsyncIterable<RegisterInfo>;

  /** Removes what interrupted writers left behind more than `olderThanMs` ago and no reader can see. */
  sweep(olderThanMs: number): Promise<void>;
  close(): Promise<void>;
}

export interface ObjectInfo {
  readonly key: string;
  readonly size: number;
}

export interface RegisterInfo {
  readonly key: string;
  readonly tag: string;
}

export interface VersionedRegister {
  readonly bytes: Uint8Array;
  readonly tag: string;
}

/** What an object is written from; it can be read again when a write is repeated. */
export interface ObjectBody {
  readonly size: number;
  /** Digest (hex) that its bytes have, where it is known, for places that can verify what reaches them. */
  readonly sha256?: string;
  chunks(): AsyncIterable<Uint8Array>;
}

/** A body in memory. */
export function bytesBody(bytes: Uint8Array): ObjectBody {
  return {
    size: bytes.length,
    async *chunks() {
      yield bytes;
    },
  };
}

/**
 * A file as a body. Its last chunk is handed over only when everything before it has the expected digest, so that a file
 * that changed on the way never becomes an object.
 */
export function fileBody(path: string, size: number, sha256: string): ObjectBody {
  return {
    size,
    sha256,
    async *chunks() {
      const hash = createHash("sha256");
      let last: Uint8Array | undefined;
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
        if (last !== undefined) yield last;
        last = chunk as Uint8Array; // a stream without encoding yields buffers
        hash.update(last);
      }
      if (hash.digest("hex") !== sha256) {
        throw corrupt("a file changed while it was being stored", { reason: "DIGEST_MISMATCH" });
      }
      if (last !== undefined) yield last;
    },
  };
}

/** Reads a body whole. */
export async function readBody(body: ObjectBody): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
