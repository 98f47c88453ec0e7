import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { isDamagedRecord, isTooNewRecord } from "../../model/formats/records.ts";
import type { NoticeReading } from "../../store/jobs/queue-notices.ts";
import { creatorOf, type Job, type JobIdentity, newJobId } from "../job.ts";
import { queuedEvent } from "../job-event.ts";
import { type JobSpec, requestIdReused, specDigest } from "../job-spec.ts";
import { isTerminal } from "../job-state.ts";
import { Pace } from "./pace.ts";
import { SharedJob, type SharedJobOptions } from "./shared-job.ts";

/** Looks by notices alone between two at the list of jobs and at all that wait, at least. */
const LOOKS_AT_WAITING = 10;
/** The same of all jobs: those in the hands of others, and those that have ended, of which one may have been resumed. */
const LOOKS_AT_ALL = 100;
/** Logs that are read at a time. */
const AT_A_TIME = 16;

/**
 * Every job of a store, as this server knows it: as of its last look, and its own changes. A look costs one read, of the notices that
 * servers give of what they change, and a read for each job that is named there. So what servers read grows with their number and with what
 * happens, and not with the number of servers times that of jobs. Since a notice may be missing, the logs of all jobs are read now and then.
 */
export class SharedJobs {
  readonly #directory: string;
  readonly #options: SharedJobOptions;
  readonly #onDamaged: (error: AlbertError, jobId: string) => void;
  readonly #isOurs: (job: Job) => boolean;
  readonly #jobs = new Map<string, SharedJob>();
  /** All of them in order, until there are others. */
  #newestFirst: readonly SharedJob[] | undefined;
  /** Jobs that cannot be read, as they are damaged or of a later release: each is reported once. */
  readonly #damaged = new Set<string>();
  #looking: Promise<void> | undefined;
  #notices: NoticeReading | undefined;
  readonly #waiting = new Pace(LOOKS_AT_WAITING, 2);
  readonly #all = new Pace(LOOKS_AT_ALL, 4);
  /** Changes of which the other servers have not been told. */
  readonly #untold = new Set<string>();
  #telling: Promise<void> | undefined;

  /**
   * @param directory  of this server alone, for the jobs' files
   * @param isOurs     whether a job is in the hands of this server, which hears at its next look what is asked of it
   */
  constructor(
    directory: string,
    options: SharedJobOptions,
    onDamaged: (error: AlbertError, jobId: string) => void,
    isOurs: (job: Job) => boolean,
  ) {
    this.#directory = directory;
    this.#options = { ...options, onOwnChange: (id) => void this.#tell(id) };
    this.#onDamaged = onDamaged;
    this.#isOurs = isOurs;
  }

  /** Newest first. */
  all(): readonly SharedJob[] {
    this.#newestFirst ??= [...this.#jobs.values()].sort((a, b) => (a.job.id < b.job.id ? 1 : -1));
    return this.#newestFirst;
  }

  /** A job as it stands; undefined for none. */
  find(id: string): Job | undefined {
    return this.#jobs.get(id)?.job;
  }

  /** @throws AlbertError not-found (JOB_NOT_FOUND) */
  get(id: string): SharedJob {
    const job = this.#jobs.get(id);
    if (job !== undefined) return job;
    throw new AlbertError("not-found", "there is no job of this id", { reason: "JOB_NOT_FOUND" });
  }

  /** Learns of new jobs, of those that are gone, and of what happened to the others, as far as notices tell. Callers at the same time share one look. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Learns which jobs there are, and how far those at work have come. */
  async lookAtProgress(): Promise<void> {
    await this.look();
    await this.#lookAtList();
    await this.#refreshAll(({ job }) => job.owner !== undefined);
  }

  /** Learns of everything that was written of one job before the call. */
  async lookAt(id: string): Promise<void> {
    const known = this.#jobs.get(id);
    if (known === undefined) return this.#load(id);
    const { lastSequence } = known.job;
    await this.#unlessDamaged(id, async () => void (await known.refresh()));
    // Where something was written it is there; else it may have been removed.
    if (known.job.lastSequence > lastSequence || this.#damaged.has(id)) return;
    if ((await this.#options.store.identity(id)) === undefined) this.#forget(id);
  }

  /** Learns of everything that was written before the call, but of jobs that had ended: that one was resumed, notices tell. */
  async lookAnew(): Promise<void> {
    await this.look();
    await this.#lookAtList();
    await this.#refreshAll(({ job }) => !isTerminal(job.state));
  }

  /** Learns of everything that was written before the call of the jobs of one submitter, and by no look that is under way. */
  async lookAnewAt(submitter: string | undefined): Promise<void> {
    await this.#lookAtList();
    await this.#refreshAll(({ job }) => creatorOf(job) === submitter);
  }

  /** Resolves when the other servers have been told what this one has changed. */
  async told(): Promise<void> {
    while (this.#telling !== undefined) await this.#telling;
  }

  /**
   * Creates a job, unless its request id created one before, on whatever server.
   *
   * @param check  throws for a specification of which no job can be made
   * @throws AlbertError already-exists (REQUEST_ID_REUSED) when that one has another specification
   */
  async create(
    requestId: string,
    spec: JobSpec,
    check: (spec: JobSpec) => void | Promise<void>,
    by: string | undefined,
  ): Promise<{ readonly shared: SharedJob; readonly replayed: boolean }> {
    const { store, clock } = this.#options;
    const createdMs = clock();
    const identity: JobIdentity = {
      ...{ id: newJobId(createdMs, randomBytes(3)), requestId, spec },
      ...{ specDigest: specDigest(spec), createdMs },
    };
    let bound = requestId === "" ? undefined : await store.request<JobIdentity>(requestId);
    if (bound === undefined) {
      await check(spec);
      bound = requestId === "" ? identity : await store.bindRequest(requestId, identity);
    }
    if (bound.specDigest !== identity.specDigest)
      throw requestIdReused(bound.id, bound.specDigest, identity.specDigest);
    const replayed = bound.id !== identity.id;
    if ((await store.identity(bound.id)) === undefined) {
      // Where the server that bound the request ended before the job was visible, this one goes on.
      await SharedJob.begin(this.#options, bound, queuedEvent(by));
      await store.create(bound.id, bound);
      await this.#tell(bound.id);
    }
    await this.#load(bound.id);
    return { shared: this.get(bound.id), replayed };
  }

  /** Whether a job's record is damaged, so that nothing is known of it. */
  isDamaged(id: string): boolean {
    return this.#damaged.has(id);
  }

  /** Removes a job from the store. */
  async remove(id: string): Promise<void> {
    const requestId = this.#jobs.get(id)?.job.requestId ?? "";
    await this.#options.store.remove(id, requestId);
    this.#damaged.delete(id);
    this.#forget(id);
    await this.#tell(id);
  }

  /** Removes what earlier processes of this server left on its disk of jobs that are no more. */
  async sweepLocal(): Promise<void> {
    for (const name of await readdir(this.#directory).catch(() => [])) {
      if (!this.#jobs.has(name)) await rm(join(this.#directory, name), { recursive: true, force: true });
    }
  }

  close(): void {
    for (const job of this.#jobs.values()) job.close();
  }

  async #look(): Promise<void> {
    const waitingAreDue = this.#waiting.isDue();
    const allAreDue = this.#all.isDue();
    const notices = await this.#options.store.notices.read(this.#notices);
    if (notices.jobs === undefined || waitingAreDue || allAreDue) {
      const waits = ({ owner, state }: Job) => owner === undefined && !isTerminal(state);
      const loaded = await this.#lookAtList();
      // The log of one at work is long, and only its end matters here: where it has another, its owner's silence tells.
      const ends = allAreDue ? await this.#refreshAll(isAtWork, (shared) => shared.refreshIfEnded()) : 0;
      const reads = ends + (await this.#refreshAll(({ job }) => !isAtWork({ job }) && (allAreDue || waits(job))));
      if (allAreDue) this.#all.spent(loaded + reads);
      this.#waiting.spent(loaded + reads);
    } else {
      await atATime(notices.jobs, (id) => this.lookAt(id));
    }
    await this.#refreshAll((shared) => shared.isWatched || this.#isOurs(shared.job));
    this.#notices = notices; // not before: what a look did not come to the next one does
  }

  /** Learns which jobs there are. @returns how many of them are new */
  async #lookAtList(): Promise<number> {
    const ids = new Set(await this.#options.store.ids());
    for (const id of this.#jobs.keys()) {
      // A listing may be behind, a read may not.
      if (!ids.has(id) && (await this.#options.store.identity(id)) === undefined) this.#forget(id);
    }
    const unknown = [...ids].filter((id) => !this.#jobs.has(id));
    await atATime(unknown, (id) => this.#load(id));
    return unknown.length;
  }

  /** @returns how many reads it took */
  async #refreshAll(
    which: (shared: SharedJob) => boolean,
    refresh: (shared: SharedJob) => Promise<number> = (shared) => shared.refresh(),
  ): Promise<number> {
    let reads = 0;
    await atATime([...this.#jobs.values()].filter(which), (known) =>
      this.#unlessDamaged(known.job.id, async () => {
        const took = await refresh(known);
        reads += took;
      }),
    );
    return reads;
  }

  /** Gives the other servers notice of a job; a store that cannot be reached leaves them to find out. */
  #tell(id: string): Promise<void> {
    this.#untold.add(id);
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined;
    });
    return this.#telling;
  }

  async #tellAll(): Promise<void> {
    while (this.#untold.size > 0) {
      const ids = [...this.#untold];
      this.#untold.clear();
      await this.#options.store.notices.tell(ids).catch(() => {});
    }
  }

  async #load(id: string): Promise<void> {
    if (this.#jobs.has(id) || this.#damaged.has(id)) return;
    await this.#unlessDamaged(id, async () => {
      const identity = await this.#options.store.identity<JobIdentity>(id);
      if (identity === undefined) return; // removed since
      const job = await SharedJob.open(join(this.#directory, id), identity, this.#options);
      if (this.#jobs.has(id)) return;
      this.#jobs.set(id, job);
      this.#newestFirst = undefined;
      this.#options.onChange();
    });
  }

  async #unlessDamaged(id: string, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!isDamagedRecord(error) && !isTooNewRecord(error)) throw error;
      this.#damaged.add(id);
      this.#forget(id);
      this.#onDamaged(error as AlbertError, id); // the guard above says what it is
    }
  }

  #forget(id: string): void {
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    this.#newestFirst = undefined;
    if (job === undefined) return;
    job.close();
    void rm(job.directory, { recursive: true, force: true }).catch(() => {}); // the next start tries again
    this.#options.onChange();
  }
}

function isAtWork({ job }: { readonly job: Job }): boolean {
  return job.owner !== undefined && !isTerminal(job.state);
}

/** Does some work for each of many, several at a time. */
async function atATime<T>(many: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let first = 0; first < many.length; first += AT_A_TIME) {
    await Promise.all(many.slice(first, first + AT_A_TIME).map(work));
  }
}
