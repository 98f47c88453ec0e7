import { createHash } from "node:crypto";
import { decodeRecord, encodeRecord, isDamagedRecord } from "../../model/formats/records.ts";
import { bytesBody, fileBody, type ObjectStore } from "../objects/object-store.ts";
import { QueueNotices } from "./queue-notices.ts";

// What servers that share a queue of jobs keep of them in the store. It knows no state of a job: what the records mean is
// said in `jobs/shared/`.

/** The sign of life of one server that trains. */
export interface TrainerSign {
  readonly form: 1;
  /** The server, as claims name it. */
  readonly trainer: string;
  readonly host: string;
  readonly pid: number;
  /** Grows with each sign. Whoever waits compares it with the one it saw before, and no clocks. */
  readonly beat: number;
  /** Milliseconds since 1970, by the clock of the server; for people. */
  readonly atMs: number;
}

/** A file of a job, in the store. */
export interface StoredJobFile {
  /** Below the job's directory. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Of the claim under which it was written. */
  readonly generation: number;
}

/**
 * Jobs that any server of a store may work on:
 *
 *     jobs/<id>.json                             who a job is, written once; the job exists while this does
 *     job-logs/<id>/<number>.json                pieces of its log, numbered from 1 without a gap
 *     job-ends/<id>.json                         the log up to the job's first end, in one object that is quick to read
 *     job-files/<id>/<generation>/<sha256>       its checkpoints
 *     job-requests/<sha256 of a request id>.json the job that a request made
 *     cells/trainers/<trainer>                   signs of life of a server that trains
 *     cells/queue/notices                        which jobs have changed of late
 *
 * A piece is written with put-if-absent, so of several that write the same number one succeeds, whatever they believe about
 * each other; the log never forks.
 */
export class StoredJobs {
  readonly notices: QueueNotices;
  readonly #objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
    this.notices = new QueueNotices(objects);
  }

  /** Ids of all jobs, oldest first. */
  async ids(): Promise<string[]> {
    const ids: string[] = [];
    for await (const { key } of this.#objects.list("jobs/")) {
      const id = /^jobs\/([^/]+)\.json$/.exec(key)?.[1];
      if (id !== undefined) ids.push(id);
    }
    return ids.sort();
  }

  /** Who a job is; undefined where there is none. @throws AlbertError corrupt (RECORD_CORRUPT) */
  async identity<T extends object>(id: string): Promise<T | undefined> {
    return this.#read<T>(identityKey(id), `the identity of job ${id}`);
  }

  /** Makes a job visible. @returns false when one of this id exists that is another */
  async create(id: string, identity: object): Promise<boolean> {
    return this.#objects.putIfAbsent(identityKey(id), bytesBody(encodeRecord(identity)));
  }

  /** The record that a request id is bound to; undefined for none. */
  async request<T extends object>(requestId: string): Promise<T | undefined> {
    return this.#read<T>(requestKey(requestId), "the record of a request");
  }

  /** Binds a request id to a record, unless it is bound. @returns the record that it is bound to */
  async bindRequest<T extends object>(requestId: string, record: T): Promise<T> {
    const key = requestKey(requestId);
    for (;;) {
      if (await this.#objects.putIfAbsent(key, bytesBody(encodeRecord(record)))) return record;
      const bound = await this.#read<T>(key, "the record of a request");
      if (bound !== undefined) return bound; // else it was removed with its job in between
    }
  }

  /** One piece of a job's log; undefined where it is not written yet. @throws AlbertError corrupt (RECORD_CORRUPT) */
  async piece<T extends object>(id: string, number: number): Promise<T | undefined> {
    return this.#read<T>(pieceKey(id, number), `piece ${number} of the log of job ${id}`);
  }

  /** Writes the next piece of a job's log. @returns false when another writer came first */
  async putPiece(id: string, number: number, piece: object): Promise<boolean> {
    return this.#objects.putIfAbsent(pieceKey(id, number), bytesBody(encodeRecord(piece)));
  }

  /** The log up to the job's end, where it has been put together, and that is sound: the pieces are there too. */
  async end<T extends object>(id: string): Promise<T | undefined> {
    return this.#read<T>(endKey(id), `the log of job ${id}`).catch(damagedAsNone);
  }

  async putEnd(id: string, end: object): Promise<void> {
    await this.#objects.putIfAbsent(endKey(id), bytesBody(encodeRecord(end))); // that of another server says the same
  }

  /** The newest sign of life of a server, none where it is damaged, and what its next one must show. */
  async sign(trainer: string): Promise<{ readonly sign: TrainerSign | undefined; readonly tag: string } | undefined> {
    const register = await this.#objects.readRegister(trainerKey(trainer));
    if (register === undefined) return undefined;
    try {
      return { sign: decodeRecord<TrainerSign>(register.bytes, `the sign of life of ${trainer}`), tag: register.tag };
    } catch (error) {
      return { sign: damagedAsNone(error), tag: register.tag };
    }
  }

  /** The tag of each server's newest sign of life, which differs from that of every earlier one; a listing may be behind. */
  async signTags(): Promise<ReadonlyMap<string, string>> {
    const tags = new Map<string, string>();
    for await (const { key, tag } of this.#objects.listRegisters(TRAINERS)) tags.set(key.slice(TRAINERS.length), tag);
    return tags;
  }

  /** The tag of a server's newest sign of life; undefined where it gave none. */
  async signTag(trainer: string): Promise<string | undefined> {
    return (await this.#objects.readRegister(trainerKey(trainer)))?.tag;
  }

  /** Gives a sign of life. @returns false when another process gave one under the same name */
  async giveSign(sign: TrainerSign, tag: string | undefined): Promise<boolean> {
    return this.#objects.writeRegister(trainerKey(sign.trainer), encodeRecord(sign), tag);
  }

  /** Keeps a local file; one that is kept already is not written twice. */
  async putFile(id: string, { generation, sha256, bytes }: StoredJobFile, path: string): Promise<void> {
    await this.#objects.putIfAbsent(fileKey(id, generation, sha256), fileBody(path, bytes, sha256));
  }

  /** Brings a file to a new path. @returns false when it is not there */
  async fetchFile(id: string, { generation, sha256 }: StoredJobFile, path: string): Promise<boolean> {
    return this.#objects.fetch(fileKey(id, generation, sha256), path);
  }

  /** Removes files that were written under a generation up to `generation`, except those to keep. */
  async removeFiles(id: string, generation: number, keep: readonly StoredJobFile[]): Promise<void> {
    const kept = new Set(keep.map((file) => fileKey(id, file.generation, file.sha256)));
    for await (const { key } of this.#objects.list(`job-files/${id}/`)) {
      const written = Number(key.split("/")[2]);
      if (written <= generation && !kept.has(key)) await this.#objects.delete(key);
    }
  }

  /** Removes a job; from the first write on it does not exist for anybody. */
  async remove(id: string, requestId: string): Promise<void> {
    await this.#objects.delete(identityKey(id));
    await this.#removeRest(id);
    if (requestId !== "") await this.#objects.delete(requestKey(requestId));
  }

  /** Removes what is left of jobs that do not exist, such as what a server wrote after its job was removed. @param isAbandoned  of an id that names no job */
  async sweep(isAbandoned: (id: string) => boolean): Promise<void> {
    const known = new Set(await this.ids());
    const left = new Set<string>();
    for (const prefix of ["job-logs/", "job-files/", "job-ends/"]) {
      for await (const { key } of this.#objects.list(prefix)) {
        const id = key
          .slice(prefix.length)
          .replace(/\.json$/, "")
          .split("/")[0]!;
        if (!known.has(id) && isAbandoned(id)) left.add(id);
      }
    }
    for (const id of left) await this.#removeRest(id);
  }

  async #removeRest(id: string): Promise<void> {
    await this.#objects.delete(endKey(id));
    for (const prefix of [`job-logs/${id}/`, `job-files/${id}/`]) {
      for await (const { key } of this.#objects.list(prefix)) await this.#objects.delete(key);
    }
  }

  async #read<T extends object>(key: string, what: string): Promise<T | undefined> {
    const bytes = await this.#objects.get(key);
    return bytes === undefined ? undefined : decodeRecord<T>(bytes, what);
  }
}

function damagedAsNone(error: unknown): undefined {
  if (!isDamagedRecord(error)) throw error;
}

const identityKey = (id: string) => `jobs/${id}.json`;
const endKey = (id: string) => `job-ends/${id}.json`;
const pieceKey = (id: string, number: number) => `job-logs/${id}/${String(number).padStart(9, "0")}.json`;
const fileKey = (id: string, generation: number, sha256: string) => `job-files/${id}/${generation}/${sha256}`;
const TRAINERS = "trainers/";
const trainerKey = (trainer: string) => `${TRAINERS}${trainer}`;
/** A caller's own text is no part of a key. */
const requestKey = (requestId: string) => `job-requests/${createHash("sha256").update(requestId).digest("hex")}.json`;
