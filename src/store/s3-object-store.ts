import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { AlbertError } from "../errors.ts";
import { checkKey } from "./names.ts";
import { bytesBody, type Cell, type ObjectBody, type ObjectInfo, type ObjectStore, readBody } from "./object-store.ts";

export interface S3Location {
  readonly bucket: string;
  /** Keys begin with this and a slash; empty: the whole bucket belongs to the store. */
  readonly prefix?: string;
  /** URL of an S3-compatible service; absent: Amazon's, by region. Buckets are then addressed by path. */
  readonly endpoint?: string;
  readonly region?: string;
  /** Absent: the SDK's own chain (environment, profile, instance role). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Bodies up to this size are sent from memory, which lets the SDK repeat them by itself. */
const SMALL_BYTES = 8 << 20;
const ATTEMPTS = 4;

/**
 * Keeps objects in S3-compatible object storage: objects under `objects/<key>`, cells under `cells/<key>`. Put-if-absent
 * is a PUT with `If-None-Match: *`, compare-and-swap one with `If-Match: <etag>`; the service must honour both.
 */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor(location: S3Location) {
    const { endpoint, credentials, region = "us-east-1" } = location;
    this.#client = new S3Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(credentials === undefined ? {} : { credentials }),
      requestChecksumCalculation: "WHEN_REQUIRED", // services that are only compatible may not know the newer trailers
      responseChecksumValidation: "WHEN_REQUIRED",
    });
    this.#bucket = location.bucket;
    this.#prefix = location.prefix === undefined || location.prefix === "" ? "" : `${location.prefix}/`;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#read(this.#object(key)))?.bytes;
  }

  async fetch(key: string, path: string): Promise<boolean> {
    return this.#attempt(async () => {
      const answer = await this.#ifPresent(() =>
        this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: this.#object(key) })),
      );
      if (answer === undefined) return false;
      try {
        // In Node the SDK's body is always a Readable.
        await pipeline(answer.Body as Readable, createWriteStream(path, { flags: "wx" }));
      } catch (error) {
        await rm(path, { force: true }); // so that another attempt may create it
        throw error;
      }
      return true;
    });
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const answer = await this.#attempt(() =>
      this.#ifPresent(() => this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: this.#object(key) }))),
    );
    return answer === undefined ? undefined : { key, size: answer.ContentLength ?? 0 };
  }

  async putIfAbsent(key: string, body: ObjectBody): Promise<boolean> {
    return this.#put(this.#object(key), body, { IfNoneMatch: "*" });
  }

  async delete(key: string): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#object(key) });
    await this.#attempt(() => this.#ifPresent(() => this.#client.send(command)));
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    const root = `${this.#prefix}objects/`;
    let token: string | undefined;
    do {
      const page = await this.#attempt(() =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: root + prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        ),
      );
      for (const { Key, Size } of page.Contents ?? []) {
        if (Key !== undefined) yield { key: Key.slice(root.length), size: Size ?? 0 };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async readCell(key: string): Promise<Cell | undefined> {
    return this.#read(this.#cell(key));
  }

  async writeCell(key: string, bytes: Uint8Array, tag: string | undefined): Promise<boolean> {
    const condition = tag === undefined ? { IfNoneMatch: "*" } : { IfMatch: tag };
    return this.#put(this.#cell(key), bytesBody(bytes), condition);
  }

  /** Nothing to do: an interrupted PUT leaves nothing. */
  async sweep(): Promise<void> {}

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #object(key: string): string {
    checkKey(key);
    return `${this.#prefix}objects/${key}`;
  }

  #cell(key: string): string {
    checkKey(key);
    return `${this.#prefix}cells/${key}`;
  }

  async #read(fullKey: string): Promise<Cell | undefined> {
    return this.#attempt(async () => {
      const answer = await this.#ifPresent(() =>
        this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: fullKey })),
      );
      if (answer?.Body === undefined) return undefined;
      return { bytes: await answer.Body.transformToByteArray(), tag: answer.ETag ?? "" };
    });
  }

  async #put(
    fullKey: string,
    body: ObjectBody,
    condition: { readonly IfNoneMatch?: string; readonly IfMatch?: string },
  ): Promise<boolean> {
    const small = body.size <= SMALL_BYTES ? await readBody(body) : undefined;
    try {
      await this.#attempt(() =>
        this.#client.send(
          new PutObjectCommand({
            Bucket: this.#bucket,
            Key: fullKey,
            Body: small ?? Readable.from(body.chunks()),
            ContentLength: body.size,
            ...condition,
          }),
        ),
      );
      return true;
    } catch (error) {
      const status = statusOf(error instanceof AlbertError ? error.cause : error);
      if (status !== 412 && status !== 404) throw error; // If-Match on an absent object is answered with 404
      return this.#holds(fullKey, body, small);
    }
  }

  /** Whether a refused write had in truth succeeded before, its answer lost. */
  async #holds(fullKey: string, body: ObjectBody, small: Uint8Array | undefined): Promise<boolean> {
    const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: fullKey });
    const there = await this.#attempt(() => this.#ifPresent(() => this.#client.send(command)));
    if (there?.ContentLength !== body.size) return false;
    const expected = small ?? (await readBody(body));
    return Buffer.from((await this.#read(fullKey))?.bytes ?? []).equals(expected);
  }

  /** undefined for an object that does not exist. */
  async #ifPresent<T>(run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Repeats what failed for a moment, and says in the store's own words what failed for good. */
  async #attempt<T>(run: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (error instanceof AlbertError) throw error;
        const status = statusOf(error);
        const passing = status === undefined || status === 409 || status === 429 || status >= 500;
        if (passing && attempt < ATTEMPTS) continue; // the SDK has waited between its own attempts already
        throw storageError(status, error);
      }
    }
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

function storageError(status: number | undefined, cause: unknown): AlbertError {
  if (status === 401 || status === 403) {
    return new AlbertError("forbidden", "the object storage refuses these credentials", {
      reason: "STORE_FORBIDDEN",
      cause,
    });
  }
  const what = status === undefined ? "cannot be reached" : `answered with status ${status}`;
  return new AlbertError("unavailable", `the object storage ${what}`, {
    reason: "STORE_UNAVAILABLE",
    retryAfterMs: 1000,
    cause,
  });
}
