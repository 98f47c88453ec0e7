import { AlbertError } from "../errors.ts";
import { isDiskFull } from "../platform/disk-space.ts";
import { everyUnreferenced } from "../platform/waiting/clock.ts";
import { RoomWatch } from "./full-disk.ts";
import { type Job, SERVER_ENDED, SERVER_STOPPED } from "./job.ts";
import { byUser, type JobEvent, queuedEvent } from "./job-event.ts";
import { type ExecutionOptions, freeSpentFiles, JobExecution, type StopIntent } from "./job-execution.ts";
import type { JobPlan } from "./job-outcome.ts";
import { filtered, type JobFilter, type JobService, retainJobs, trialsToDelete, withOverrides } from "./job-service.ts";
import type { JobSpec } from "./job-spec.ts";
import { isActive, isTerminal } from "./job-state.ts";
import { JobStore } from "./job-store.ts";
import { DirectoryLock, type LockOptions } from "./lock/directory-lock.ts";
import { type AnnotationChange, annotationEvent } from "./log/annotation.ts";
import type { JobRecord, JobWriter } from "./log/job-record.ts";
import { nextJob } from "./next-job.ts";
import { resumeUnlessPoison } from "./poison.ts";
import { removeSpentFiles } from "./runner/publish-result.ts";
import { SweepKeeper } from "./sweeps/keep-sweeps.ts";

// Opens the jobs of a directory and runs them, one at a time. What a job does is in runner/; what it wrote, in its log.

/** When training yields to serving. */
export interface ServingPressure {
  /** How long a request that came now would wait, in milliseconds. */
  readonly predictedWaitMs: () => number;
  /** Training stops between two steps while the wait exceeds this. */
  readonly boundMs: number;
}

type JobClocks = Required<Pick<JobServiceOptions, "clock" | "steadyClock">>;

export interface JobServiceOptions
  extends Pick<ExecutionOptions, "runner" | "publisher" | "onDefect" | "fullDisk" | "poisonKills"> {
  /** Directory of all jobs; the lock that keeps other processes out lies next to it, under the same name with `.lock`. */
  readonly directory: string;
  readonly lock?: LockOptions;
  /**
   * Checks what can be checked without reading data, before a job is queued.
   *
   * @throws AlbertError invalid-input with every wrong field; of what is named: not-found, forbidden
   */
  readonly checkSpec: (spec: JobSpec) => void | Promise<void>;
  /** The stored version that a specification starts from, as "name@7"; undefined for one that starts from none. Without it a sweep's trials each look for theirs. */
  readonly startOf?: (spec: JobSpec) => Promise<string | undefined>;
  readonly pressure?: ServingPressure;
  /** Jobs of one submitter that may be at work at once; 0: any number. */
  readonly atWorkPerSubmitter?: number;
  /** Milliseconds after their end when jobs are removed with their logs and files; 0: never. */
  readonly retentionMs?: number;
  /** Milliseconds since 1970, which tells when something happened. */
  readonly clock?: () => number;
  /** Milliseconds since some fixed moment, which tells how long something took: nobody sets it. */
  readonly steadyClock?: () => number;
  /** Calls back at a fixed interval in milliseconds until the returned function is called. */
  readonly every?: (milliseconds: number, callback: () => void) => () => void;
  /** Called on every change of what a job needs or has made: its state, the version it starts from, the one it published. */
  readonly onChange?: () => void;
  /** Called for a job whose record is damaged, with the name under which its directory was set aside. */
  readonly onDamaged?: (error: AlbertError, jobId: string, aside: string) => void;
}

/** Between two looks at sweeps, besides those when a job changed: what kept one from going on may have passed. */
export const TEND_INTERVAL_MS = 10_000;

/** Between two looks at serving's pressure. */
const PRESSURE_INTERVAL_MS = 50;

/**
 * Opens the jobs of a directory and begins to run them, one at a time. Jobs that were at work when the process ended
 * become preempted and continue by themselves.
 *
 * @throws AlbertError precondition (JOBS_LOCKED) when another process works on them
 */
export async function openJobService(options: JobServiceOptions): Promise<JobService> {
  const { clock = Date.now, steadyClock = () => performance.now() } = options;
  let service: DirectoryJobService | undefined;
  const lock = await DirectoryLock.take(`${options.directory}.lock`, {
    ...options.lock,
    onLost(error) {
      service?.giveUp(error);
      options.lock?.onLost?.(error);
    },
  });
  try {
    const store = await JobStore.open(options.directory, {
      clock,
      steadyClock,
      checkFencing: () => lock.checkFencing(),
      onChange: options.onChange ?? (() => {}),
      onDamaged: options.onDamaged ?? (() => {}),
    });
    service = new DirectoryJobService({ ...options, clock, steadyClock }, store, lock);
    await service.recover();
    return service;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class DirectoryJobService implements JobService {
  readonly #options: JobServiceOptions & JobClocks;
  readonly #store: JobStore;
  readonly #lock: DirectoryLock;
  readonly #stopWatchingPressure: () => void;
  readonly #stopRetaining: () => void;
  readonly #room: RoomWatch;
  readonly #sweeps: SweepKeeper;
  readonly #stopTending: () => void;
  /** Jobs that a full disk kept from being taken up at the start. */
  readonly #unrecovered = new Set<string>();
  #active: JobExecution | undefined;
  #closing = false;
  #stopped: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  /** Why the jobs no longer belong to this process. */
  #lost: AlbertError | undefined;

  constructor(options: JobServiceOptions & JobClocks, store: JobStore, lock: DirectoryLock) {
    this.#options = options;
    this.#store = store;
    this.#lock = lock;
    const { pressure, directory, fullDisk = {}, every = everyUnreferenced } = options;
    this.#room = new RoomWatch(directory, fullDisk, every, (jobIds) => void this.#goOn(jobIds));
    this.#sweeps = new SweepKeeper({
      list: () => this.list(),
      create: (requestId, spec, by) => this.create(requestId, spec, by),
      write: (id, decide) => this.#store.get(id).change(decide),
      cancel: async (id) => {
        const record = this.#store.get(id);
        await record.transition({ kind: "cancel" }, { reason: "SWEEP" });
        this.#stop(record, "cancel");
      },
      freeFiles: ({ id }) => removeSpentFiles(this.#store.get(id).directory),
      startOf: async (spec) => options.startOf?.(spec),
      onError: options.onDefect,
    });
    this.#stopTending = every(TEND_INTERVAL_MS, () => this.#tendSweeps());
    this.#stopRetaining = retainJobs(this, { ...options, every, onError: options.onDefect });
    this.#stopWatchingPressure = watchPressure(pressure, every, (yielding) => this.#active?.setYield(yielding));
  }

  /** Brings jobs of a process that ended into a state that this one can go on from. */
  async recover(): Promise<void> {
    for (const record of this.#store.records()) await this.#recover(record);
    this.#startNext();
  }

  /** A job whose log cannot be written because the disk is full is taken up when there is room. */
  async #recover(record: JobRecord): Promise<void> {
    const { id, state, lastSequence } = record.job;
    try {
      await freeSpentFiles(record, this.#options.onDefect); // the process may have ended right after the job
      if (lastSequence === 0) await appendQueued(record);
      // It has no work that could have been cut short.
      if (record.job.spec.kind === "sweep") return;
      if (isActive(state)) {
        const detail = this.#lock.afterOrderlyEnd ? SERVER_STOPPED : SERVER_ENDED;
        await record.transition({ kind: "preempt" }, { reason: "SERVER_RESTART", detail });
      }
      if (state.kind === "cancelling") await record.transition({ kind: "stopped" });
      if (record.job.state.kind === "preempted")
        await resumeUnlessPoison(record, "SERVER_RESTART", this.#options.poisonKills);
      this.#unrecovered.delete(id);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#options.onDefect(error, id);
      this.#unrecovered.add(id);
      await this.#room.add(id);
    }
  }

  async create(
    requestId: string,
    spec: JobSpec,
    by?: string,
  ): Promise<{ readonly job: Job; readonly replayed: boolean }> {
    this.#requireOpen();
    const { record, replayed } = await this.#store.create(requestId, spec, this.#options.checkSpec);
    if (!replayed) await appendQueued(record, by);
    this.#startNext();
    return { job: record.job, replayed };
  }

  async plan(spec: JobSpec): Promise<JobPlan> {
    await this.#options.checkSpec(spec);
    return this.#options.runner.plan(spec);
  }

  get(id: string): Job {
    return this.#store.get(id).job;
  }

  list(filter?: JobFilter): readonly Job[] {
    const jobs = this.#store.records().map(({ job }) => job);
    return filtered(jobs, filter);
  }

  async refresh(): Promise<void> {}

  silentMs(): undefined {
    return undefined;
  }

  watch(id: string, afterSequence: number, signal?: AbortSignal): AsyncIterable<JobEvent> {
    return this.#store.get(id).watch(afterSequence, signal);
  }

  async cancel(id: string, by?: string): Promise<Job> {
    this.#requireOpen();
    const record = this.#store.get(id);
    await record.transition({ kind: "cancel" }, byUser(by));
    this.#stop(record, "cancel");
    this.#tendSweeps();
    return record.job;
  }

  async pause(id: string, by?: string): Promise<Job> {
    this.#requireOpen();
    const record = this.#store.get(id);
    if (record.job.state.kind === "running" && this.#active?.record === record) {
      const { ended } = this.#active;
      this.#stop(record, "pause", by);
      await ended;
    } else {
      await record.transition({ kind: "pause" }, byUser(by));
    }
    return record.job;
  }

  async resume(id: string, by?: string): Promise<Job> {
    this.#requireOpen();
    const record = this.#store.get(id);
    await record.transition({ kind: "resume" }, byUser(by));
    this.#startNext();
    return record.job;
  }

  async clone(requestId: string, id: string, overrides: Partial<JobSpec>, by?: string) {
    return this.create(requestId, withOverrides(this.#store.get(id).job.spec, overrides), by);
  }

  async annotate(id: string, change: AnnotationChange, by?: string): Promise<Job> {
    this.#requireOpen();
    return this.#store.get(id).change(({ annotation }) => annotationEvent(annotation, change, by));
  }

  async delete(id: string): Promise<void> {
    this.#requireOpen();
    const record = this.#store.get(id);
    const trials = trialsToDelete(record.job, this.list());
    if (this.#active !== undefined && [record.job, ...trials].some((job) => job.id === this.#active?.record.job.id)) {
      await this.#active.ended; // it frees its files
    }
    await this.#store.remove(id);
    for (const trial of trials) await this.#store.remove(trial.id);
    this.#options.onChange?.();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    this.#closing = true;
    this.#stopWatchingPressure();
    this.#stopRetaining();
    this.#room.close();
    this.#stopTending();
    await this.#sweeps.stop();
    const active = this.#active;
    if (active === undefined) return;
    this.#stop(active.record, "preempt");
    await this.#lock.announceEnd();
    await active.ended;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.stop();
    await this.#options.runner.close();
    await this.#store.close();
    await this.#lock.release();
  }

  /** Stops all work and writes nothing more to any log: another process has the jobs now. */
  giveUp(error: AlbertError): void {
    this.#lost = error;
    this.#active?.abandon();
  }

  /** Lets sweeps go on, in the background. */
  #tendSweeps(): void {
    if (this.#closing || this.#lost !== undefined) return;
    if (!this.#store.records().some(({ job }) => job.spec.kind === "sweep" || job.spec.trial !== undefined)) return;
    void this.#sweeps.tend().then(() => this.#takeNext());
  }

  /** Does what a change may have made possible: for sweeps, and for the queue. */
  #startNext(): void {
    this.#tendSweeps();
    this.#takeNext();
  }

  /** Starts the next queued job when none is at work. */
  #takeNext(): void {
    if (this.#active !== undefined || this.#closing || this.#lost !== undefined) return;
    const next = nextJob(this.list(), this.#options);
    if (next === undefined) return;
    const execution = new JobExecution(this.#store.get(next.id), {
      ...this.#options,
      onFullDisk: (jobId) => this.#room.add(jobId),
    });
    this.#active = execution;
    void execution.ended.then(() => {
      this.#active = undefined;
      this.#startNext();
    });
  }

  /** Takes jobs up again for which there is room now. */
  async #goOn(jobIds: readonly string[]): Promise<void> {
    for (const id of jobIds) {
      if (this.#closing || this.#lost !== undefined) return;
      const record = this.#store.get(id);
      const takenUp = this.#unrecovered.has(id)
        ? this.#recover(record)
        : waitsForRoom(record.job)
          ? record.transition({ kind: "resume" }, { reason: "DISK_FULL", detail: "there is room on the disk again" })
          : undefined;
      await takenUp?.catch((error: unknown) => this.#options.onDefect(error, id));
    }
    this.#startNext();
  }

  #stop(record: JobWriter, intent: StopIntent, by?: string): void {
    const active = this.#active;
    if (active?.record === record && !isTerminal(record.job.state)) active.stop(intent, by);
  }

  #requireOpen(): void {
    if (this.#lost !== undefined) throw this.#lost;
    if (!this.#closing) return;
    throw new AlbertError("unavailable", "the server is shutting down", { reason: "SHUTTING_DOWN" });
  }
}

/** Tells again and again whether training is to stand back. @returns a function that ends it */
export function watchPressure(
  pressure: ServingPressure | undefined,
  every: NonNullable<JobServiceOptions["every"]>,
  setYield: (yielding: boolean) => void,
): () => void {
  if (pressure === undefined) return () => {};
  return every(PRESSURE_INTERVAL_MS, () => setYield(pressure.predictedWaitMs() > pressure.boundMs));
}

/** Whether a job stands aside because the disk had no room for it. */
function waitsForRoom({ state, history }: Job): boolean {
  return state.kind === "preempted" && history.at(-1)?.reason === "DISK_FULL";
}

/** The first event of every log; a job that was created right before a crash gets it afterwards. */
async function appendQueued(record: JobRecord, by?: string): Promise<void> {
  await record.append(queuedEvent(by));
}
