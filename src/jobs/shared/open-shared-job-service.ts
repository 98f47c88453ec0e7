import { hostname } from "node:os";
import { join } from "node:path";
import { AlbertError } from "../../errors.ts";
import { freeDiskBytes } from "../../platform/disk-space.ts";
import { everyUnreferenced } from "../../platform/waiting/clock.ts";
import type { StoredJobs } from "../../store/jobs/stored-jobs.ts";
import { RoomWatch } from "../full-disk.ts";
import { creatorOf, type Job, newJobId } from "../job.ts";
import { byUser, type JobEvent, type NewJobEvent } from "../job-event.ts";
import type { JobPlan } from "../job-outcome.ts";
import {
  filtered,
  type JobFilter,
  type JobService,
  RETENTION_INTERVAL_MS,
  retainJobs,
  trialsToDelete,
  withOverrides,
} from "../job-service.ts";
import type { JobSpec } from "../job-spec.ts";
import { allows } from "../job-state.ts";
import { DirectoryLock } from "../lock/directory-lock.ts";
import { type AnnotationChange, annotationEvent } from "../log/annotation.ts";
import { stateChange } from "../log/job-record.ts";
import { nextJob } from "../next-job.ts";
import { type JobServiceOptions, watchPressure } from "../open-job-service.ts";
import { SweepKeeper } from "../sweeps/keep-sweeps.ts";
import { type Release, releaseEvents, requeueEvents } from "./claims.ts";
import { type LeaseTimes, LeaseWatch } from "./lease-watch.ts";
import { judgeClaim } from "./share-limit.ts";
import type { SharedJob } from "./shared-job.ts";
import { SharedJobs } from "./shared-jobs.ts";
import { Trainer } from "./trainer.ts";

// Opens the jobs of a store, which all servers that train share, and works on them, one at a time here.

export interface SharedJobServiceOptions extends JobServiceOptions {
  readonly store: StoredJobs;
  /** Names this server in claims; stays the same as long as its directory does. */
  readonly trainer: string;
  readonly times: LeaseTimes;
  /** Between two looks at the store, in milliseconds. */
  readonly pollMs: number;
  /** Receives what kept a look at the store from its end; the next one may do better. */
  readonly onError: (error: unknown) => void;
  /** Which jobs this server works on itself; all unless given. */
  readonly takes?: (job: Job) => boolean;
  /** Told of a job for which this server's disk has no room. */
  readonly onNoRoom?: (jobId: string) => void;
  /** Where other processes are begun that work on jobs; they are not begun by this server unless given. */
  readonly places?: JobPlaces;
}

/** Begins processes that each take one job by a claim, as any server does, and ends them: the pods of a cluster, say. */
export interface JobPlaces {
  /** Does what is to be done for the jobs as they stand; called at each look at the store. Neither waits nor throws. */
  tend(jobs: PlacedJobs): void;
  /** Begins and ends nothing more; what runs goes on. */
  close(): Promise<void>;
}

/** What places for jobs see of them, and may do to them. */
export interface PlacedJobs {
  list(): readonly Job[];
  /** Learns of everything that was written before the call. */
  lookAnew(): Promise<void>;
  /** Whether a job exists in the store now, whatever was seen at the last look. */
  exists(id: string): Promise<boolean>;
  /** Appends the events that `decide` makes of the job as it stands, if it makes any. @returns the job after it, where it does */
  write(id: string, decide: (job: Job) => readonly NewJobEvent[] | undefined): Promise<Job | undefined>;
}

/** What names no job is removed so long after the job was created, in milliseconds: it is not one that is being created. */
const ABANDONED_MS = 86_400_000;
/** Looks for what somebody waits for, in milliseconds. */
const WAIT_MS = 100;
/** A job whose claim met others at the same time is given back after so many looks that did not tell which of them begin. */
const MOST_LOOKS = 50;
/** A pause that was asked of another server is waited for so long, in milliseconds. */
const PAUSE_MS = 60_000;

/**
 * Opens the jobs of a store and begins to work on them. Any number of servers do so; each needs a directory of its own, which it locks.
 *
 * @throws AlbertError precondition (JOBS_LOCKED) when another process works in the directory
 */
export async function openSharedJobService(options: SharedJobServiceOptions): Promise<JobService> {
  let service: JobServiceUnderLock | undefined;
  const lock = await DirectoryLock.take(`${options.directory}.lock`, {
    ...options.lock,
    onLost(error) {
      service?.giveUp(error);
      options.lock?.onLost?.(error);
    },
  });
  try {
    service = await beginSharedJobService(options, lock);
    return service;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** What keeps other processes out of a server's directory. */
export type HeldLock = Pick<DirectoryLock, "afterOrderlyEnd" | "announceEnd" | "release">;

export interface JobServiceUnderLock extends JobService {
  /** Stops all work: another process has this server's directory now. */
  giveUp(error: AlbertError): void;
}

/** The same under a lock that is held already, and that the service releases when it is closed. */
export async function beginSharedJobService(
  options: SharedJobServiceOptions,
  lock: HeldLock,
): Promise<JobServiceUnderLock> {
  const service = new SharedJobService(options, lock);
  await service.begin();
  return service;
}

class SharedJobService implements JobServiceUnderLock {
  readonly #options: SharedJobServiceOptions;
  readonly #lock: HeldLock;
  readonly #jobs: SharedJobs;
  readonly #trainer: Trainer;
  readonly #leases: LeaseWatch;
  readonly #room: RoomWatch;
  readonly #sweeps: SweepKeeper;
  /** Jobs for which this server has no room on its disk; others may. */
  readonly #noRoom = new Set<string>();
  readonly #stops: (() => void)[] = [];
  /** What places for jobs see of them. */
  readonly #placed: PlacedJobs = {
    list: () => this.list(),
    lookAnew: () => this.#jobs.lookAnew(),
    exists: async (id) => this.#jobs.isDamaged(id) || (await this.#options.store.identity(id)) !== undefined,
    write: (id, decide) => this.#jobs.get(id).change(decide),
  };
  #tending: Promise<void> | undefined;
  #signing: Promise<void> | undefined;
  #closing = false;
  #stopped: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  #lost: AlbertError | undefined;
  /** When the signs of life were looked at last. */
  #judgedMs: number | undefined;

  constructor(options: SharedJobServiceOptions, lock: HeldLock) {
    const { clock = Date.now, steadyClock = () => performance.now(), every = everyUnreferenced } = options;
    const { store, directory, onChange = () => {}, onDefect, onDamaged, fullDisk = {} } = options;
    this.#options = options;
    this.#lock = lock;
    this.#leases = new LeaseWatch(options.times.leaseMs, steadyClock);
    this.#jobs = new SharedJobs(
      directory,
      { store, clock, steadyClock, onChange },
      (error, id) => onDamaged?.(error, id, ""),
      ({ owner }) => owner?.trainer === options.trainer,
    );
    this.#trainer = new Trainer({
      ...options,
      owner: { trainer: options.trainer, host: hostname() },
      ...{ clock, steadyClock },
      mayBegin: (shared, patience) => this.#mayBegin(shared, patience),
      onLost: (error, id) => onDefect(error, id),
      onFullDisk: (id) => {
        this.#noRoom.add(id);
        void this.#room.add(id);
        options.onNoRoom?.(id);
      },
    });
    this.#room = new RoomWatch(directory, { freeBytes: freeDiskBytes, ...fullDisk }, every, (ids) => {
      for (const id of ids) this.#noRoom.delete(id);
    });
    this.#sweeps = new SweepKeeper({
      list: () => this.list(),
      create: (requestId, spec, by) => this.#jobs.create(requestId, spec, options.checkSpec, by),
      write: (id, decide) =>
        this.#jobs.get(id).change((job) => {
          const event = decide(job);
          return event === undefined ? undefined : [event];
        }),
      cancel: (id) =>
        this.#jobs
          .get(id)
          .change(({ state }) =>
            allows(state, { kind: "cancel" })
              ? [stateChange(state, { kind: "cancel" }, { reason: "SWEEP" })]
              : undefined,
          ),
      // Nobody has a trial in hand that is held; what it left on a server's disk, that server has removed.
      freeFiles: ({ id, generation = 0 }) => options.store.removeFiles(id, generation, []),
      startOf: async (spec) => options.startOf?.(spec),
      onError: onDefect,
    });
    this.#stops.push(retainJobs(this, { ...options, clock, every, onError: onDefect }));
    this.#stops.push(every(RETENTION_INTERVAL_MS, () => void this.#sweep(clock())));
    this.#stops.push(() => this.#room.close());
    this.#stops.push(watchPressure(options.pressure, every, (yielding) => this.#trainer.setYield(yielding)));
    this.#stops.push(every(options.pollMs, () => void this.#tend()));
    this.#stops.push(every(options.times.heartbeatMs, () => void this.#sign()));
  }

  /** Takes stock. What an earlier process of this server had in hand it has no more: this one holds the lock of its directory. */
  async begin(): Promise<void> {
    await this.#jobs.look();
    const killed = !this.#lock.afterOrderlyEnd;
    const why = killed ? "its process ended" : "it was stopped";
    for (const shared of this.#jobs.all()) {
      const { owner, generation = 0 } = shared.job;
      if (owner?.trainer === this.#options.trainer) await this.#release(shared, generation, { why, killed });
    }
    await this.#jobs.sweepLocal();
    void this.#tend();
  }

  async create(requestId: string, spec: JobSpec, by?: string) {
    this.#requireOpen();
    const { shared, replayed } = await this.#jobs.create(requestId, spec, this.#options.checkSpec, by);
    void this.#tend();
    return { job: shared.job, replayed };
  }

  async plan(spec: JobSpec): Promise<JobPlan> {
    await this.#options.checkSpec(spec);
    return this.#options.runner.plan(spec);
  }

  get(id: string): Job {
    return this.#jobs.get(id).job;
  }

  list(filter?: JobFilter): readonly Job[] {
    const jobs = this.#jobs.all().map(({ job }) => job);
    return filtered(jobs, filter);
  }

  async refresh(id?: string): Promise<void> {
    if (id === undefined) return this.#jobs.lookAtProgress();
    await this.#jobs.lookAt(id);
    const job = this.#jobs.find(id);
    if (job?.owner === undefined) return;
    const beganMs = this.#leases.nowMs;
    this.#leases.isGone(id, markOf(job, await this.#options.store.signTag(job.owner.trainer)), beganMs);
  }

  silentMs(id: string): number | undefined {
    const { owner } = this.get(id);
    return owner?.trainer === this.#options.trainer ? 0 : this.#leases.silentMs(id);
  }

  watch(id: string, afterSequence: number, signal?: AbortSignal): AsyncIterable<JobEvent> {
    return this.#jobs.get(id).watch(afterSequence, signal);
  }

  async cancel(id: string, by?: string): Promise<Job> {
    return this.#steer(id, (job) => [stateChange(job.state, { kind: "cancel" }, byUser(by))]);
  }

  async pause(id: string, by?: string): Promise<Job> {
    const job = await this.#steer(id, ({ state, owner }) => {
      const paused = stateChange(state, { kind: "pause" }, byUser(by));
      if (owner === undefined) return [paused];
      const summary = by === undefined ? "asked to pause" : `asked to pause by ${by}`;
      return [{ kind: "pause_asked", summary, detail: { by: by ?? "" } }];
    });
    return job.owner === undefined ? job : this.#untilLetGo(id);
  }

  async resume(id: string, by?: string): Promise<Job> {
    const job = await this.#steer(id, ({ state }) => [stateChange(state, { kind: "resume" }, byUser(by))]);
    this.#noRoom.delete(id);
    return job;
  }

  async clone(requestId: string, id: string, overrides: Partial<JobSpec>, by?: string) {
    return this.create(requestId, withOverrides(this.get(id).spec, overrides), by);
  }

  async annotate(id: string, change: AnnotationChange, by?: string): Promise<Job> {
    return this.#steer(id, ({ annotation }) => {
      const event = annotationEvent(annotation, change, by);
      return event === undefined ? undefined : [event];
    });
  }

  async delete(id: string): Promise<void> {
    this.#requireOpen();
    if (!this.#jobs.isDamaged(id)) {
      await this.#jobs.get(id).refresh();
      const trials = trialsToDelete(this.get(id), this.list());
      await this.#jobs.remove(id);
      for (const trial of trials) await this.#jobs.remove(trial.id);
      return;
    }
    await this.#jobs.remove(id);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    this.#closing = true;
    await this.#lock.announceEnd();
    await this.#options.places?.close();
    await this.#trainer.stop();
    await this.#sweeps.stop();
    for (const stop of this.#stops) stop();
    await this.#tending;
    await this.#trainer.stop(); // of what it took meanwhile
    await this.#signing;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.stop();
    await this.#options.runner.close();
    this.#jobs.close();
    await this.#lock.release();
  }

  giveUp(error: AlbertError): void {
    this.#lost = error;
    this.#trainer.giveUp();
  }

  async #steer(id: string, decide: Parameters<SharedJob["change"]>[0]): Promise<Job> {
    this.#requireOpen();
    const shared = this.#jobs.get(id);
    await shared.refresh();
    await shared.change(decide);
    await this.#jobs.told();
    this.#trainer.heed();
    void this.#tend();
    return shared.job;
  }

  /** A job in the hands of a server, here or elsewhere, as soon as it is in none; or as it stands after a minute. */
  async #untilLetGo(id: string): Promise<Job> {
    const shared = this.#jobs.get(id);
    const { steadyClock = () => performance.now() } = this.#options;
    for (const endMs = steadyClock() + PAUSE_MS; steadyClock() < endMs && !this.#closing; ) {
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
      await shared.refresh();
      if (shared.job.owner === undefined) break;
    }
    return shared.job;
  }

  /** Looks at the store and does what is to be done: one pass at a time. */
  #tend(): Promise<void> {
    if (this.#closing || this.#lost !== undefined) return Promise.resolve();
    this.#tending ??= this.#pass()
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => {
        this.#tending = undefined;
      });
    return this.#tending;
  }

  async #pass(): Promise<void> {
    await this.#jobs.look();
    this.#trainer.heed();
    await this.#judgeOwners();
    for (const shared of this.#jobs.all().filter(({ job }) => job.state.kind === "preempted")) {
      await this.#requeue(shared);
    }
    await this.#sweeps.tend();
    this.#trainer.heed(); // a sweep may have cancelled the trial in hand
    this.#options.places?.tend(this.#placed);
    await this.#takeNext();
  }

  /**
   * Takes jobs from owners that are silent for a whole lease. One listing shows the signs of all. A server that has a job in its hands could
   * take no other, so it only keeps up with them.
   */
  async #judgeOwners(): Promise<void> {
    const { store, trainer, times } = this.#options;
    const beganMs = this.#leases.nowMs;
    const everyMs = this.#trainer.busy ? times.leaseMs / 2 : times.heartbeatMs;
    if (this.#judgedMs !== undefined && beganMs - this.#judgedMs < everyMs) return;
    const owned = this.#jobs.all().filter(({ job }) => job.owner !== undefined);
    if (owned.length === 0) return;
    const tags = await store.signTags();
    this.#judgedMs = beganMs;
    for (const shared of owned) {
      const { id, owner, generation = 0 } = shared.job;
      if (owner === undefined || (owner.trainer === trainer && this.#trainer.busy)) continue;
      const tag = tags.get(owner.trainer);
      if (!this.#leases.isGone(id, markOf(shared.job, tag), beganMs)) continue;
      if ((await store.signTag(owner.trainer)) !== tag) continue; // the listing was behind
      const why = `it gave no sign of life for ${times.leaseMs / 1000} seconds`;
      await this.#release(shared, generation, { why, killed: true });
    }
    this.#leases.keepOnly(new Set(owned.map(({ job }) => job.id)));
  }

  async #release(shared: SharedJob, generation: number, release: Release): Promise<void> {
    await shared.change((job) => releaseEvents(job, generation, release, this.#options.poisonKills));
  }

  /** A job that was set aside stands in the queue again; one without room, where there may be some. */
  async #requeue(shared: SharedJob): Promise<void> {
    if (this.#noRoom.has(shared.job.id)) return;
    await shared.change((job) => requeueEvents(job, this.#options.poisonKills));
  }

  async #takeNext(): Promise<void> {
    const { clock = Date.now, atWorkPerSubmitter = 0, takes = () => true } = this.#options;
    while (!this.#trainer.busy && !this.#closing && this.#lost === undefined) {
      const jobs = this.list();
      const except = new Set(jobs.filter((job) => this.#noRoom.has(job.id) || !takes(job)).map(({ id }) => id));
      const next = nextJob(jobs, { clock, atWorkPerSubmitter, except });
      if (next === undefined) return;
      // Where another server was first, the log has told so, and the next one is looked for.
      await this.#trainer.take(this.#jobs.get(next.id), () => void this.#tend());
    }
  }

  /** Whether a job that was claimed just now may begin: others may have claimed some of its submitter's at the same time. */
  async #mayBegin(shared: SharedJob, patience: AbortSignal): Promise<boolean> {
    const { atWorkPerSubmitter = 0 } = this.#options;
    if (atWorkPerSubmitter === 0) return true;
    for (let looks = 0; looks < MOST_LOOKS && !patience.aborted; looks++) {
      if (looks > 0) await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
      await this.#jobs.lookAnewAt(creatorOf(shared.job));
      const verdict = judgeClaim(shared.job, this.list(), atWorkPerSubmitter);
      if (verdict !== "look-again") return verdict === "begin";
    }
    return false;
  }

  /** Removes what servers that were suspended for long wrote of jobs that are deleted. */
  async #sweep(nowMs: number): Promise<void> {
    const youngest = newJobId(nowMs - ABANDONED_MS, Buffer.alloc(3));
    await this.#options.store.sweep((id) => id < youngest).catch((error: unknown) => this.#options.onError(error));
  }

  #sign(): Promise<void> {
    this.#signing ??= this.#trainer
      .sign()
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => {
        this.#signing = undefined;
      });
    return this.#signing;
  }

  #requireOpen(): void {
    if (this.#lost !== undefined) throw this.#lost;
    if (!this.#closing) return;
    throw new AlbertError("unavailable", "the server is shutting down", { reason: "SHUTTING_DOWN" });
  }
}

/** What changes with each claim of a job and with each sign of life of its owner. */
function markOf({ generation = 0 }: Job, signTag: string | undefined): string {
  return `${generation}/${signTag ?? ""}`;
}

/** Where the files of shared jobs lie on a server's own disk; next to the jobs of the server itself. */
export function sharedJobsDirectory(directory: string): string {
  return join(directory, "queue");
}
