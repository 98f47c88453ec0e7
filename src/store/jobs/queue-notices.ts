import { randomUUID } from "node:crypto";
import { decodeRecord, encodeRecord, isDamagedRecord, isTooNewRecord } from "../../model/formats/records.ts";
import type { ObjectStore } from "../objects/object-store.ts";

// Which jobs of a shared queue have changed of late, so that a server need not read all logs to learn that nothing has.

interface Notice {
  /** Counts up over all notices that were ever given. */
  readonly number: number;
  readonly job: string;
}

interface NoticesRecord {
  readonly form: 1;
  /** Number of the newest notice. */
  readonly newest: number;
  /** Notices up to this number may have been dropped. */
  readonly dropped: number;
  /** Of each job its newest notice, oldest first. */
  readonly notices: readonly Notice[];
  /** Tells two writers of the same notices apart. */
  readonly change: string;
}

/** What one look at the notices found. */
export interface NoticeReading {
  readonly tag: string | undefined;
  readonly newest: number | undefined;
  /** The jobs that have changed since the reading before; undefined where that cannot be told, as after very many changes. */
  readonly jobs: readonly string[] | undefined;
}

const KEY = "queue/notices";
/** Jobs that the record names at most. */
const MOST = 128;
/** Tries of a server that others come before. */
const TRIES = 8;

/**
 * One register, `cells/queue/notices`, that names the jobs that have changed last. It is a hint and no more: a notice may be missing, because
 * its writer was killed after it had written to the job's log, or is of a release that gives none. Whoever relies on it looks at all jobs too, now and then.
 */
export class QueueNotices {
  readonly #objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  /** What has changed since a reading; absent: since ever, which cannot be told. */
  async read(before?: NoticeReading): Promise<NoticeReading> {
    const register = await this.#objects.readRegister(KEY);
    const tag = register?.tag;
    if (before !== undefined && tag === before.tag) return { ...before, jobs: [] };
    const record = register === undefined ? NONE : readRecord(register.bytes);
    const since = before?.newest;
    const newest = record?.newest;
    if (record === undefined || since === undefined || since < record.dropped || since > record.newest) {
      return { tag, newest, jobs: undefined };
    }
    return { tag, newest, jobs: record.notices.filter(({ number }) => number > since).map(({ job }) => job) };
  }

  /** Names jobs that have changed. Where others do the same again and again, it gives up: what it tells is a hint. */
  async tell(jobs: readonly string[]): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const register = await this.#objects.readRegister(KEY);
      const record = register === undefined ? NONE : (readRecord(register.bytes) ?? NONE);
      const told = new Set(jobs);
      const notices = [
        ...record.notices.filter(({ job }) => !told.has(job)),
        ...[...told].map((job, i) => ({ job, number: record.newest + 1 + i })),
      ];
      const kept = notices.slice(-MOST);
      const next: NoticesRecord = {
        form: 1,
        newest: record.newest + told.size,
        dropped: notices[notices.length - kept.length - 1]?.number ?? record.dropped,
        notices: kept,
        change: randomUUID(),
      };
      if (await this.#objects.writeRegister(KEY, encodeRecord(next), register?.tag)) return;
    }
  }
}

const NONE: NoticesRecord = { form: 1, newest: 0, dropped: 0, notices: [], change: "" };

/** Undefined for a record that is damaged, or of a form that this release does not know: it tells nothing. */
function readRecord(bytes: Uint8Array): NoticesRecord | undefined {
  try {
    return decodeRecord<NoticesRecord>(bytes, "the notices of the queue");
  } catch (error) {
    if (!isDamagedRecord(error) && !isTooNewRecord(error)) throw error;
    return undefined;
  }
}
