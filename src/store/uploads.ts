import { open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError, invalidInput } from "../errors.ts";
import { readFully } from "../model/formats/random-access-file.ts";
import { decodeRecord, encodeRecord, isDamagedRecord } from "../model/formats/records.ts";
import { writeNewFile } from "../platform/atomic-files.ts";
import { makeDirectory } from "../platform/directories.ts";
import { KeyedSerialQueue } from "../platform/serial-queue.ts";
import type { Datasets, DatasetVersion } from "./datasets.ts";
import { checkName } from "./names.ts";

// Data sets on their way into the store, chunk by chunk, resumable after a restart.

/** A file that a client announces before it sends it. */
export interface UploadPlan {
  readonly name: string;
  readonly bytes: number;
  /** sha256 (hex) of the whole file; it is also the upload's id, so that a client that lost everything resumes. */
  readonly digest: string;
}

export interface UploadProgress {
  readonly uploadId: string;
  readonly receivedBytes: number;
}

export interface UploadsOptions {
  /** Local directory for files that are still arriving. */
  readonly directory: string;
  readonly datasets: Datasets;
  /** Longest file that is accepted. */
  readonly maxBytes: number;
}

/**
 * Files on their way into the store, chunk by chunk. What has arrived is on the disk, so an upload goes on after a broken
 * connection or a restart. Chunks of one upload are handled one after the other.
 */
export class Uploads {
  readonly #options: UploadsOptions;
  readonly #queues = new KeyedSerialQueue();

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /**
   * Begins an upload or finds the one of the same file; nothing has to be sent when the store has the file already.
   *
   * @throws AlbertError invalid-input; too-large (DATASET_TOO_LARGE)
   */
  async begin({ name, bytes, digest }: UploadPlan): Promise<UploadProgress> {
    checkName("name", name);
    const uploadId = checkId("digest", digest);
    if (!Number.isSafeInteger(bytes) || bytes < 1) {
      throw invalidInput([{ field: "bytes", description: `expected the file's length, got ${bytes}` }]);
    }
    if (bytes > this.#options.maxBytes) {
      throw new AlbertError(
        "too-large",
        `the file has ${bytes} bytes; at most ${this.#options.maxBytes} are accepted`,
        {
          reason: "DATASET_TOO_LARGE",
          metadata: { bytes: String(bytes), limit: String(this.#options.maxBytes) },
        },
      );
    }
    if ((await this.#stored(digest)) !== undefined) return { uploadId, receivedBytes: bytes };
    return this.#queues.run(uploadId, async () => {
      await makeDirectory(this.#options.directory);
      const plan = (await this.#plan(uploadId)) ?? (await this.#keepPlan({ name, bytes, digest }));
      if (plan.bytes !== bytes) {
        throw invalidInput([
          { field: "bytes", description: `${bytes}, but this digest was announced with ${plan.bytes}` },
        ]);
      }
      return { uploadId, receivedBytes: await this.#received(uploadId) };
    });
  }

  /**
   * Takes one chunk. Bytes that have arrived before must be the same.
   *
   * @throws AlbertError not-found for an upload that was not begun; invalid-input for a gap, a contradiction or bytes
   *   beyond the announced length; overloaded (DISK_FULL)
   */
  async append(uploadId: string, offset: number, data: Uint8Array): Promise<UploadProgress> {
    checkId("upload_id", uploadId);
    return this.#queues.run(uploadId, async () => {
      const plan = await this.#requirePlan(uploadId);
      const received = await this.#received(uploadId);
      if (!Number.isSafeInteger(offset) || offset < 0 || offset > received) {
        throw invalidInput([{ field: "offset", description: `expected at most ${received}, got ${offset}` }]);
      }
      if (offset + data.length > plan.bytes) {
        const description = `the chunk ends at ${offset + data.length}, beyond the announced ${plan.bytes} bytes`;
        throw invalidInput([{ field: "data", description }]);
      }
      await this.#write(uploadId, offset, received, data);
      return { uploadId, receivedBytes: Math.max(received, offset + data.length) };
    });
  }

  /**
   * Makes a complete upload a dataset.
   *
   * @throws AlbertError precondition (UPLOAD_INCOMPLETE); corrupt (DIGEST_MISMATCH), after which it begins anew
   */
  async commit(uploadId: string): Promise<DatasetVersion> {
    checkId("upload_id", uploadId);
    return this.#queues.run(uploadId, async () => {
      const stored = await this.#stored(uploadId);
      if (stored !== undefined) {
        await this.#forget(uploadId);
        return stored;
      }
      const { name, bytes, digest } = await this.#requirePlan(uploadId);
      const received = await this.#received(uploadId);
      if (received < bytes) {
        throw new AlbertError("precondition", `${received} of ${bytes} bytes have arrived`, {
          reason: "UPLOAD_INCOMPLETE",
          metadata: { received: String(received), bytes: String(bytes) },
        });
      }
      try {
        const dataset = await this.#options.datasets.add(name, this.#part(uploadId), digest);
        await this.#forget(uploadId);
        return dataset;
      } catch (error) {
        // Whatever else failed, such as a store that does not answer, may work next time.
        if (error instanceof AlbertError && error.reason === "DIGEST_MISMATCH") await this.#forget(uploadId);
        throw error;
      }
    });
  }

  /** Removes uploads to which nothing was added for the given time. @returns their ids */
  async sweep(olderThanMs: number): Promise<string[]> {
    const before = Date.now() - olderThanMs;
    const names = await readdir(this.#options.directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return [];
    });
    const ids = new Set(names.flatMap((name) => /^([0-9a-f]{64})\.(part|json)$/.exec(name)?.[1] ?? []));
    const removed: string[] = [];
    for (const uploadId of ids) {
      await this.#queues.run(uploadId, async () => {
        const files = [this.#part(uploadId), this.#planFile(uploadId)];
        const written = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
        if (written.some((info) => info !== undefined && info.mtimeMs >= before)) return;
        await this.#forget(uploadId);
        removed.push(uploadId);
      });
    }
    return removed;
  }

  async #forget(uploadId: string): Promise<void> {
    await rm(this.#part(uploadId), { force: true });
    await rm(this.#planFile(uploadId), { force: true });
  }

  async #write(uploadId: string, offset: number, received: number, data: Uint8Array): Promise<void> {
    const handle = await open(this.#part(uploadId), offset === 0 && received === 0 ? "w+" : "r+");
    try {
      const known = data.subarray(0, Math.min(data.length, received - offset));
      const before = new Uint8Array(known.length);
      await readFully(handle, "the upload", before, offset);
      if (!Buffer.from(before).equals(known)) {
        throw invalidInput([
          { field: "data", description: `bytes from ${offset} differ from those that arrived before` },
        ]);
      }
      const fresh = data.subarray(known.length);
      let written = 0;
      while (written < fresh.length) {
        const at = offset + known.length + written;
        written += (await handle.write(fresh, written, fresh.length - written, at)).bytesWritten;
      }
      await handle.sync();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      await handle.truncate(received);
      throw new AlbertError("overloaded", "the disk for uploads is full", { reason: "DISK_FULL", cause: error });
    } finally {
      await handle.close();
    }
  }

  async #stored(digest: string): Promise<DatasetVersion | undefined> {
    return this.#options.datasets.get(digest).catch((error: unknown) => {
      if (error instanceof AlbertError && error.code === "not-found") return undefined;
      throw error;
    });
  }

  async #keepPlan(plan: UploadPlan): Promise<UploadPlan> {
    await writeNewFile(this.#planFile(plan.digest), encodeRecord(plan));
    return plan;
  }

  async #plan(uploadId: string): Promise<UploadPlan | undefined> {
    const bytes = await readFile(this.#planFile(uploadId)).catch(absent);
    try {
      return bytes === undefined ? undefined : decodeRecord<UploadPlan>(bytes, "the plan of an upload");
    } catch (error) {
      if (!isDamagedRecord(error)) throw error;
      await rm(this.#planFile(uploadId)); // cut short by a crash, or damaged: its client announces it again
      return undefined;
    }
  }

  async #requirePlan(uploadId: string): Promise<UploadPlan> {
    const plan = await this.#plan(uploadId);
    if (plan !== undefined) return plan;
    throw new AlbertError("not-found", "this upload was not begun", { reason: "UPLOAD_NOT_FOUND" });
  }

  async #received(uploadId: string): Promise<number> {
    return (await stat(this.#part(uploadId)).catch(absent))?.size ?? 0;
  }

  #planFile(uploadId: string): string {
    return join(this.#options.directory, `${uploadId}.json`);
  }

  #part(uploadId: string): string {
    return join(this.#options.directory, `${uploadId}.part`);
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

function checkId(field: string, id: string): string {
  if (/^[0-9a-f]{64}$/.test(id)) return id;
  throw invalidInput([{ field, description: "expected a sha256 as 64 lower-case hex digits" }]);
}
