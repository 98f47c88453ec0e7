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
  type PutObjectCommandInput,
  S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { AlbertError, spreadRetry } from "../../errors.ts";
import { checkKey } from "../names.ts";
import {
  bytesBody,
  type ObjectBody,
  type ObjectInfo,
  type ObjectStore,
  type RegisterInfo,
  readBody,
  type VersionedRegister,
} from "./object-store.ts";

// The object store over S3. It knows nothing of versions or aliases.

export interface S3Location {
  readonly bucket: string;
  /** Keys begin with this and a slash; empty: the whole bucket belongs to the store. */
  readonly prefix?: string;
  /** URL of an S3-compatible service; absent: Amazon's, by region. Buckets are then addressed by path. */
  readonly endpoint?: string;
  readonly region?: string;
  /** Keys that one answer to a listing holds; absent: the service's own number. */
  readonly pageSize?: number;
  /** After so many milliseconds in which nothing comes, a request counts as failed. Default 20 seconds. */
  readonly stallMs?: number;
  /** Absent: the SDK's own chain (environment, profile, instance role). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Bodies up to this size are sent from memory, which lets the SDK repeat them by itself. */
const SMALL_BYTES = 8 << 20;
const ATTEMPTS = 4;
const STALL_MS = 20_000;
/** An operation is given up when it has failed for as long as so many stalls take. */
const GIVE_UP_STALLS = 3;
/** What the SDK would print is thrown as well. */
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
/** Refusals that some services answer with a status other than 401 and 403. */
const REFUSALS: ReadonlySet<string> = new Set(["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"]);

/**
 * Keeps objects in S3-compatible object storage: objects under `objects/<key>`, cells under `cells/<key>`. Put-if-absent
 * is a PUT with `If-None-Match: *`, compare-and-swap one with `If-Match: <etag>`; the service must honour both.
 */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #pageSize: number | undefined;
  readonly #giveUpMs: number;

  private constructor(location: S3Location) {
    const { endpoint, credentials, region = "us-east-1", stallMs = STALL_MS } = location;
    this.#giveUpMs = GIVE_UP_STALLS * stallMs;
    this.#client = new S3Client({
      region,
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(credentials === undefined ? {} : { credentials }),
      logger: SILENT,
      requestHandler: { connectionTimeout: stallMs, socketTimeout: stallMs },
      requestChecksumCalculation: "WHEN_REQUIRED", // services that are only compatible may not know the newer trailers
      responseChecksumValidation: "WHEN_REQUIRED",
    });
    this.#bucket = location.bucket;
    this.#pageSize = location.pageSize;
    this.#prefix = location.prefix === undefined || location.prefix === "" ? "" : `${location.prefix}/`;
  }

  /**
   * Opens a store in a bucket, which must exist.
   *
   * @throws AlbertError forbidden (STORE_FORBIDDEN) or unavailable (STORE_UNAVAILABLE)
   */
  static async open(location: S3Location): Promise<S3ObjectStore> {
    const store = new S3ObjectStore(location);
    const oneKey = new ListObjectsV2Command({ Bucket: location.bucket, MaxKeys: 1 });
    await store.#attempt(() => store.#client.send(oneKey));
    return store;
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
      requireTag(answer);
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
    const size = await this.#sizeOf(this.#object(key));
    return size === undefined ? undefined : { key, size };
  }

  async putIfAbsent(key: string, body: ObjectBody): Promise<boolean> {
    return this.#put(this.#object(key), body, { IfNoneMatch: "*" });
  }

  async delete(key: string): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#object(key) });
    await this.#attempt(() => this.#ifPresent(() => this.#client.send(command)));
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    for await (const { key, size } of this.#list("objects/", prefix)) yield { key, size };
  }

  async *listRegisters(prefix: string): AsyncIterable<RegisterInfo> {
    for await (const { key, tag } of this.#list("cells/", prefix)) {
      if (tag === undefined) throw storageError(undefined, new StrangeAnswer());
      yield { key, tag };
    }
  }

  async *#list(
    kind: "objects/" | "cells/",
    prefix: string,
  ): AsyncGenerator<ObjectInfo & { readonly tag: string | undefined }> {
    const root = `${this.#prefix}${kind}`;
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: root + prefix,
        ...(this.#pageSize === undefined ? {} : { MaxKeys: this.#pageSize }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await this.#attempt(async () => {
        const answer = await this.#client.send(command);
        // What a listing leaves out is taken for absent, so one that is none must not pass for an empty one.
        const whole = answer.IsTruncated === false || (answer.IsTruncated === true && answer.NextContinuationToken);
        return whole ? answer : Promise.reject(new StrangeAnswer());
      });
      for (const { Key, Size, ETag } of page.Contents ?? []) {
        if (Key !== undefined) yield { key: Key.slice(root.length), size: Size ?? 0, tag: ETag };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async readRegister(key: string): Promise<VersionedRegister | undefined> {
    return this.#read(this.#register(key));
  }

  async writeRegister(key: string, bytes: Uint8Array, tag: string | undefined): Promise<boolean> {
    const condition = tag === undefined ? { IfNoneMatch: "*" } : { IfMatch: tag };
    return this.#put(this.#register(key), bytesBody(bytes), condition);
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

  #register(key: string): string {
    checkKey(key);
    return `${this.#prefix}cells/${key}`;
  }

  async #read(fullKey: string): Promise<VersionedRegister | undefined> {
    return this.#attempt(async () => {
      const answer = await this.#ifPresent(() =>
        this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: fullKey })),
      );
      if (answer?.Body === undefined) return undefined;
      const tag = requireTag(answer);
      return { bytes: await answer.Body.transformToByteArray(), tag };
    });
  }

  async #put(
    fullKey: string,
    body: ObjectBody,
    condition: { readonly IfNoneMatch?: string; readonly IfMatch?: string },
  ): Promise<boolean> {
    const small = body.size <= SMALL_BYTES ? await readBody(body) : undefined;
    // A service refuses a long body by hanging up in its middle, which looks like a broken network, so ask first.
    if (small === undefined && (await this.#sizeOf(fullKey)) !== undefined)
      return this.#holdsSame(fullKey, body, small);
    const target = {
      Bucket: this.#bucket,
      Key: fullKey,
      ContentLength: body.size,
      ...(body.sha256 === undefined ? {} : { ChecksumSHA256: Buffer.from(body.sha256, "hex").toString("base64") }),
      ...condition,
    };
    try {
      await this.#attempt<unknown>(() =>
        small === undefined
          ? this.#sendStream(target, body)
          : this.#client.send(new PutObjectCommand({ ...target, Body: small })).then(requireTag),
      );
      return true;
    } catch (error) {
      const cause = error instanceof AlbertError ? error.cause : error;
      const hungUp = small === undefined && cause !== undefined && statusOf(cause) === undefined;
      // Absent is what If-Match asks for. A connection that broke may have been a refusal: the object's presence tells.
      if (statusOf(cause) !== 412 && !isAbsence(cause) && !hungUp) throw error;
      if (hungUp && (await this.#sizeOf(fullKey)) === undefined) throw error;
      return this.#holdsSame(fullKey, body, small);
    }
  }

  /** The SDK does not watch the stream that it sends: when reading it fails, the request is cancelled. */
  async #sendStream(target: Omit<PutObjectCommandInput, "Body">, body: ObjectBody): Promise<void> {
    const failed = new AbortController();
    const stream = Readable.from(body.chunks()).once("error", (error) => failed.abort(error));
    try {
      const command = new PutObjectCommand({ ...target, Body: stream });
      requireTag(await this.#client.send(command, { abortSignal: failed.signal }));
    } catch (error) {
      throw failed.signal.aborted ? failed.signal.reason : error;
    } finally {
      stream.destroy();
    }
  }

  /** Whether a refused write had in truth succeeded before, its answer lost. */
  async #holdsSame(fullKey: string, body: ObjectBody, small: Uint8Array | undefined): Promise<boolean> {
    if ((await this.#sizeOf(fullKey)) !== body.size) return false;
    const expected = small ?? (await readBody(body));
    return Buffer.from((await this.#read(fullKey))?.bytes ?? []).equals(expected);
  }

  async #sizeOf(fullKey: string): Promise<number | undefined> {
    const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: fullKey });
    return this.#attempt(async () => {
      const answer = await this.#ifPresent(() => this.#client.send(command));
      if (answer === undefined) return undefined;
      requireTag(answer);
      return answer.ContentLength ?? 0;
    });
  }

  /** undefined for an object that does not exist. */
  async #ifPresent<T>(run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  /** Repeats what failed for a moment, and says in the store's own words what failed for good. */
  async #attempt<T>(run: () => Promise<T>): Promise<T> {
    const giveUpAt = performance.now() + this.#giveUpMs;
    for (let attempt = 1; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (error instanceof AlbertError) throw error;
        const status = statusOf(error);
        const passing = status === undefined || status === 409 || status === 429 || status >= 500;
        if (passing && attempt < ATTEMPTS && performance.now() < giveUpAt) continue; // the SDK has waited between its own attempts already
        throw storageError(status, error);
      }
    }
  }
}

/** An answer that is not S3's, though its status says that all is well: as of a proxy, or of a service that failed in its middle. */
class StrangeAnswer extends Error {
  constructor() {
    super("the answer has a good status and not what S3 answers");
  }
}

/** The tag without which no answer about an object is one. */
function requireTag({ ETag }: { readonly ETag?: string | undefined }): string {
  if (ETag === undefined) throw new StrangeAnswer();
  return ETag;
}

/** An object that does not exist; a bucket or an account that does not exist is something else, with the same status. */
function isAbsence(error: unknown): boolean {
  return error instanceof S3ServiceException && (error.name === "NoSuchKey" || error.name === "NotFound");
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

function storageError(status: number | undefined, cause: unknown): AlbertError {
  if (status === 401 || status === 403 || (cause instanceof S3ServiceException && REFUSALS.has(cause.name))) {
    return new AlbertError("forbidden", "the object storage refuses these credentials", {
      reason: "STORE_FORBIDDEN",
      cause,
    });
  }
  const strange = cause instanceof StrangeAnswer ? "answers as S3 does not (a proxy?)" : "cannot be reached";
  const what = cause instanceof S3ServiceException ? `answered ${cause.name} (status ${status})` : strange;
  return new AlbertError("unavailable", `the object storage ${what}`, {
    reason: "STORE_UNAVAILABLE",
    retryAfterMs: spreadRetry(1000),
    cause,
  });
}
