import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError, corrupt } from "../errors.ts";
import { decodeRecord, encodeRecord, isDamagedRecord } from "../model/formats/records.ts";
import { createDirectoryAtomically, writeNewFile } from "../platform/atomic-files.ts";
import { makeDirectory } from "../platform/directories.ts";
import { isUnreadable } from "../platform/disk-space.ts";
import { SerialQueue } from "../platform/serial-queue.ts";
import { type JobIdentity, newJobId } from "./job.ts";
import { type JobSpec, requestIdReused, specDigest } from "./job-spec.ts";
import { type JobAccess, JobRecord } from "./log/job-record.ts";

const IDENTITY_FILE = "job.json";
const PARTIAL = /^\..*\.partial$/;

/**
 * Every job of a server: a directory each, `job.json` and `events.log` in it, and the job's own files next to them. A job
 * exists from the instant its directory does.
 */
export class JobStore {
  readonly #directory: string;
  readonly #access: JobAccess;
  readonly #records = new Map<string, JobRecord>();
  readonly #byRequest = new Map<string, JobRecord>();
  /** One creation at a time, so that two with one request id make one job. */
  readonly #creations = new SerialQueue();

  private constructor(directory: string, access: JobAccess) {
    this.#directory = directory;
    this.#access = access;
  }

  /**
   * Reads every job of a directory. One whose record is damaged other than at the end of its log is renamed to
   * `.<id>.damaged`, where a person can look at it, and reported; the others go on.
   */
  static async open(directory: string, access: JobAccess): Promise<JobStore> {
    await makeDirectory(directory);
    const store = new JobStore(directory, access);
    for (const name of (await readdir(directory)).sort()) {
      if (PARTIAL.test(name)) await rm(join(directory, name), { recursive: true, force: true });
      else if (!name.startsWith(".")) await store.#loadOrSetAside(name);
    }
    return store;
  }

  /** Newest first. */
  records(): JobRecord[] {
    return [...this.#records.values()].reverse();
  }

  /** @throws AlbertError not-found (JOB_NOT_FOUND) */
  get(id: string): JobRecord {
    const record = this.#records.get(id);
    if (record !== undefined) return record;
    throw new AlbertError("not-found", "there is no job of this id", { reason: "JOB_NOT_FOUND" });
  }

  /**
   * Creates a job durably, unless its request id created one before.
   *
   * @param check  throws for a specification of which no job can be made
   * @throws AlbertError already-exists (REQUEST_ID_REUSED) when that one has another specification
   */
  create(
    requestId: string,
    spec: JobSpec,
    check: (spec: JobSpec) => void | Promise<void>,
  ): Promise<{ readonly record: JobRecord; readonly replayed: boolean }> {
    return this.#creations.run(() => this.#create(requestId, spec, check));
  }

  /** Removes a job with its log and files. It exists no more from the instant its directory is renamed. */
  async remove(id: string): Promise<void> {
    const record = this.get(id);
    await this.#access.checkFencing();
    await record.close();
    const removed = join(this.#directory, `.${id}.partial`); // removed at the next start where this process ends before
    await rename(record.directory, removed);
    this.#records.delete(id);
    if (this.#byRequest.get(record.job.requestId) === record) this.#byRequest.delete(record.job.requestId);
    await rm(removed, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.#creations.drained();
    for (const record of this.#records.values()) await record.close();
  }

  async #create(
    requestId: string,
    spec: JobSpec,
    check: (spec: JobSpec) => void | Promise<void>,
  ): Promise<{ record: JobRecord; replayed: boolean }> {
    const digest = specDigest(spec);
    const existing = requestId === "" ? undefined : this.#byRequest.get(requestId);
    if (existing !== undefined) {
      const known = existing.job.specDigest;
      if (known === digest) return { record: existing, replayed: true };
      throw requestIdReused(existing.job.id, known, digest);
    }
    await check(spec);
    await this.#access.checkFencing();
    const createdMs = this.#access.clock();
    const identity: JobIdentity = { id: this.#newId(createdMs), requestId, spec, specDigest: digest, createdMs };
    await createDirectoryAtomically(join(this.#directory, identity.id), (temporary) =>
      writeNewFile(join(temporary, IDENTITY_FILE), encodeRecord(identity)),
    );
    return { record: await this.#load(identity.id), replayed: false };
  }

  async #loadOrSetAside(id: string): Promise<void> {
    try {
      await this.#load(id);
    } catch (cause) {
      const error = isUnreadable(cause) ? unreadable(id, "the disk does not give it back", cause) : cause;
      if (!(error instanceof AlbertError) || error.code !== "corrupt") throw error;
      await this.#access.checkFencing();
      const aside = `.${id}.damaged`;
      await rename(join(this.#directory, id), join(this.#directory, aside));
      this.#access.onDamaged(error, id, aside);
    }
  }

  async #load(id: string): Promise<JobRecord> {
    const directory = join(this.#directory, id);
    const bytes = await readFile(join(directory, IDENTITY_FILE)).catch((cause: NodeJS.ErrnoException) => {
      throw cause.code === "ENOENT" ? unreadable(id, `it has no ${IDENTITY_FILE}`, cause) : cause;
    });
    const record = await JobRecord.open(directory, identityOf(id, bytes), this.#access).catch((error: unknown) => {
      if (!(error instanceof AlbertError)) throw error;
      throw new AlbertError(error.code, `job ${id}: ${error.message}`, { reason: error.reason, cause: error });
    });
    this.#records.set(id, record);
    if (record.job.requestId !== "") this.#byRequest.set(record.job.requestId, record);
    return record;
  }

  #newId(createdMs: number): string {
    const id = newJobId(createdMs, randomBytes(3));
    return this.#records.has(id) ? this.#newId(createdMs) : id;
  }
}

function identityOf(id: string, bytes: Uint8Array): JobIdentity {
  try {
    return decodeRecord<JobIdentity>(bytes, IDENTITY_FILE);
  } catch (cause) {
    if (!isDamagedRecord(cause)) throw cause;
    throw unreadable(id, (cause as Error).message, cause);
  }
}

function unreadable(id: string, why: string, cause: unknown): AlbertError {
  return corrupt(`job ${id}: ${why}`, { reason: "JOB_LOG_CORRUPT", cause });
}
