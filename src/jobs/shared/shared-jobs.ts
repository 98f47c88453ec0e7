import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { isDamagedRecord } from "../../model/formats/records.ts";
import { type JobIdentity, newJobId } from "../job.ts";
import { queuedEvent } from "../job-event.ts";
import { type JobSpec, requestIdReused, specDigest } from "../job-spec.ts";
import { isTerminal } from "../job-state.ts";
import { SharedJob, type SharedJobOptions } from "./shared-job.ts";

/** Between two looks at jobs that have ended, of which one may have been resumed, in looks at the others. */
const ENDED_EVERY = 10;

/** Every job of a store, as this server knows it: as of its last look, and its own changes. */
export class SharedJobs {
  readonly #directory: string;
  readonly #options: SharedJobOptions;
  readonly #onDamaged: (error: AlbertError, jobId: string) => void;
  readonly #jobs = new Map<string, SharedJob>();
  /** Jobs that cannot be read: each is reported once. */
  readonly #damaged = new Set<string>();
  #looking: Promise<void> | undefined;
  #looks = 0;

  /** @param directory  of this server alone, for the jobs' files */
  constructor(directory: string, options: SharedJobOptions, onDamaged: (error: AlbertError, jobId: string) => void) {
    this.#directory = directory;
    this.#options = options;
    this.#onDamaged = onDamaged;
  }

  /** Newest first. */
  all(): SharedJob[] {
    return [...this.#jobs.values()].sort((a, b) => (a.job.id < b.job.id ? 1 : -1));
  }

  /** @throws AlbertError not-found (JOB_NOT_FOUND) */
  get(id: string): SharedJob {
    const job = this.#jobs.get(id);
    if (job !== undefined) return job;
    throw new AlbertError("not-found", "there is no job of this id", { reason: "JOB_NOT_FOUND" });
  }

  /** Learns of new jobs, of those that are gone, and of what happened to the others. Callers at the same time share one look. */
  look(): Promise<void> {
    this.#looking ??= this.#look(this.#looks++ % ENDED_EVERY === 0).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Learns of everything that was written before the call: jobs that had ended and were resumed too, and by no look that is under way. */
  async lookAnew(): Promise<void> {
    while (this.#looking !== undefined) await this.#looking.catch(() => {}); // its callers hear of it
    this.#looking = this.#look(true).finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
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

  async #look(withEnded: boolean): Promise<void> {
    const ids = new Set(await this.#options.store.ids());
    for (const id of this.#jobs.keys()) {
      // A listing may be behind, a read may not.
      if (!ids.has(id) && (await this.#options.store.identity(id)) === undefined) this.#forget(id);
    }
    for (const id of ids) {
      const known = this.#jobs.get(id);
      if (known === undefined) await this.#load(id);
      else if (withEnded || !isTerminal(known.job.state)) await this.#unlessDamaged(id, () => known.refresh());
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
      this.#options.onChange();
    });
  }

  async #unlessDamaged(id: string, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!isDamagedRecord(error)) throw error;
      this.#damaged.add(id);
      this.#forget(id);
      this.#onDamaged(error as AlbertError, id); // the guard above says what it is
    }
  }

  #forget(id: string): void {
    const job = this.#jobs.get(id);
    this.#jobs.delete(id);
    if (job === undefined) return;
    job.close();
    void rm(job.directory, { recursive: true, force: true }).catch(() => {}); // the next start tries again
    this.#options.onChange();
  }
}
