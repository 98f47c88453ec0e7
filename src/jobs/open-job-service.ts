import { existsSync } from "node:fs";
import { AlbertError } from "../errors.ts";
import { DirectoryLock, type LockOptions } from "./directory-lock.ts";
import { everyUnreferenced } from "./every.ts";
import { type Job, SERVER_ENDED } from "./job.ts";
import type { JobEvent } from "./job-event.ts";
import { WorkLog } from "./job-log.ts";
import { nextJob } from "./job-queue.ts";
import type { JobRecord } from "./job-record.ts";
import type { JobWorker, RunningWork, WorkOutcome } from "./job-runner.ts";
import type { JobFilter, JobPlan, JobService } from "./job-service.ts";
import type { JobSpec } from "./job-spec.ts";
import { isActive, isTerminal } from "./job-state.ts";
import { JobStore } from "./job-store.ts";
import { removeSpentFiles } from "./runner/job-files.ts";
import type { Publication } from "./runner/model-publisher.ts";
import { finishJob, knownProduct, noteProduct } from "./runner/publish-result.ts";

/** When training stands back for serving. */
export interface ServingPressure {
  /** How long a request that came now would wait, in milliseconds. */
  readonly predictedWaitMs: () => number;
  /** Training stops between two steps while the wait exceeds this. */
  readonly boundMs: number;
}

export interface JobServiceOptions {
  /** Directory of all jobs; beside it, under the same name with `.lock`, lies what keeps other processes out. */
  readonly directory: string;
  readonly lock?: LockOptions;
  readonly worker: JobWorker;
  readonly publication: Publication;
  /**
   * Checks what can be checked without reading data, before a job is queued.
   *
   * @throws AlbertError invalid-input with every wrong field; of what is named: not-found, forbidden
   */
  readonly checkSpec: (spec: JobSpec) => void | Promise<void>;
  readonly pressure?: ServingPressure;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** Calls back every so many milliseconds until the returned function is called. */
  readonly every?: (milliseconds: number, callback: () => void) => () => void;
  /** Told of every change of what a job needs or has made: its state, the version it starts from, the one it published. */
  readonly onChange?: () => void;
  /** Told of what nobody awaits: a defect of this service, or a disk that no longer takes its log. */
  readonly onDefect: (error: unknown, jobId: string) => void;
}

/** Between two looks at serving's pressure. */
const PRESSURE_INTERVAL_MS = 50;

/** Why work was asked to stop. */
type Intent = "none" | "pause" | "cancel" | "preempt";

type Finished = Extract<WorkOutcome, { kind: "finished" }>;

/** The job at work. */
interface Active {
  readonly record: JobRecord;
  readonly work: RunningWork;
  intent: Intent;
  /** Aborted when what follows the work is to stop too. A pause lets it come to its end. */
  readonly stopping: AbortController;
  /** Settles when the job has left its active state. */
  readonly ended: Promise<void>;
}

/**
 * Opens the jobs of a directory and begins to work on them, one at a time. Jobs that were at work when the process ended
 * become preempted and continue by themselves.
 *
 * @throws AlbertError precondition (JOBS_LOCKED) when another process works on them; corrupt (JOB_LOG_CORRUPT)
 */
export async function openJobService(options: JobServiceOptions): Promise<JobService> {
  const clock = options.clock ?? Date.now;
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
      confirm: () => lock.confirm(),
      onChange: options.onChange ?? (() => {}),
    });
    service = new DirectoryJobService(options, store, lock);
    await service.recover();
    return service;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class DirectoryJobService implements JobService {
  readonly #options: JobServiceOptions;
  readonly #store: JobStore;
  readonly #lock: DirectoryLock;
  readonly #clock: () => number;
  readonly #stopWatchingPressure: () => void;
  #active: Active | undefined;
  #closing = false;
  /** Why the jobs are not this process's any more. */
  #lost: AlbertError | undefined;

  constructor(options: JobServiceOptions, store: JobStore, lock: DirectoryLock) {
    this.#options = options;
    this.#store = store;
    this.#lock = lock;
    this.#clock = options.clock ?? Date.now;
    const { pressure, every = everyUnreferenced } = options;
    this.#stopWatchingPressure =
      pressure === undefined
        ? () => {}
        : every(PRESSURE_INTERVAL_MS, () => this.#active?.work.setYield(pressure.predictedWaitMs() > pressure.boundMs));
  }

  /** Brings jobs of a process that ended into a state that this one can go on from. */
  async recover(): Promise<void> {
    for (const record of this.#store.records()) {
      const { state, lastSequence } = record.job;
      await this.#tidyUp(record); // the process may have ended right after the job
      if (lastSequence === 0) await appendQueued(record);
      if (isActive(state)) await record.move({ kind: "preempt" }, { reason: "SERVER_RESTART", detail: SERVER_ENDED });
      if (state.kind === "cancelling") await record.move({ kind: "stopped" });
      if (record.job.state.kind === "preempted") await record.move({ kind: "resume" }, { reason: "SERVER_RESTART" });
    }
    this.#next();
  }

  async create(requestId: string, spec: JobSpec): Promise<{ readonly job: Job; readonly replayed: boolean }> {
    this.#requireOpen();
    const { record, replayed } = await this.#store.create(requestId, spec, this.#options.checkSpec);
    if (!replayed) await appendQueued(record);
    this.#next();
    return { job: record.job, replayed };
  }

  async plan(spec: JobSpec): Promise<JobPlan> {
    await this.#options.checkSpec(spec);
    return this.#options.worker.plan(spec);
  }

  get(id: string): Job {
    return this.#store.get(id).job;
  }

  list({ states, model }: JobFilter = {}): readonly Job[] {
    return this.#store
      .records()
      .map(({ job }) => job)
      .filter((job) => states === undefined || states.includes(job.state.kind))
      .filter((job) => model === undefined || job.spec.model === model);
  }

  watch(id: string, afterSequence: number, signal?: AbortSignal): AsyncIterable<JobEvent> {
    return this.#store.get(id).watch(afterSequence, signal);
  }

  async cancel(id: string): Promise<Job> {
    this.#requireOpen();
    const record = this.#store.get(id);
    await record.move({ kind: "cancel" }, { reason: "USER" });
    this.#stop(record, "cancel");
    return record.job;
  }

  async pause(id: string): Promise<Job> {
    this.#requireOpen();
    const record = this.#store.get(id);
    if (record.job.state.kind === "running" && this.#active?.record === record) {
      const { ended } = this.#active;
      this.#stop(record, "pause");
      await ended;
    } else {
      await record.move({ kind: "pause" }, { reason: "USER" });
    }
    return record.job;
  }

  async resume(id: string): Promise<Job> {
    this.#requireOpen();
    const record = this.#store.get(id);
    await record.move({ kind: "resume" }, { reason: "USER" });
    this.#next();
    return record.job;
  }

  async clone(requestId: string, id: string, overrides: Partial<JobSpec>) {
    const { spec } = this.#store.get(id).job;
    const recipe = { ...spec.recipe, ...overrides.recipe };
    const labels = { ...spec.labels, ...overrides.labels };
    return this.create(requestId, { ...spec, ...overrides, recipe, labels });
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#stopWatchingPressure();
    const active = this.#active;
    if (active !== undefined) {
      this.#stop(active.record, "preempt");
      await active.ended;
    }
    await this.#options.worker.close();
    await this.#store.close();
    await this.#lock.release();
  }

  /** Stops all work without another word in any log: another process has the jobs now. */
  giveUp(error: AlbertError): void {
    this.#lost = error;
    this.#active?.work.stop();
    this.#active?.stopping.abort();
  }

  /** Begins the next queued job when none is at work. */
  #next(): void {
    if (this.#active !== undefined || this.#closing || this.#lost !== undefined) return;
    const next = nextJob(
      this.#store.records().map(({ job }) => job),
      this.#clock(),
    );
    if (next !== undefined) this.#begin(this.#store.get(next.id));
  }

  #begin(record: JobRecord): void {
    const log = new WorkLog(record, this.#clock, (error) => this.#options.onDefect(error, record.job.id));
    const work = this.#work(record, log);
    let settle: () => void = () => {};
    const ended = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const active: Active = { record, work, intent: "none", stopping: new AbortController(), ended };
    this.#active = active;
    work.done
      .catch((error: unknown): WorkOutcome => {
        this.#options.onDefect(error, record.job.id);
        return { kind: "failed", reason: "ENGINE_ERROR", message: "the job's worker ended unexpectedly" };
      })
      .then(async (outcome) => {
        await log.drained();
        await this.#settle(active, outcome);
      })
      .catch((error: unknown) => this.#options.onDefect(error, record.job.id))
      .finally(() => {
        this.#active = undefined;
        settle();
        this.#next();
      });
  }

  /** Starts a job's work; when an earlier attempt has done it, only what follows is left. */
  #work(record: JobRecord, log: WorkLog): RunningWork {
    const product = knownProduct(record);
    const made = [product?.modelDirectory, product?.file?.path].filter((path) => path !== undefined);
    if (product === undefined || !made.every((path) => existsSync(path))) {
      void log.add(() => record.move({ kind: "begin" }));
      return this.#options.worker.start(record.job, record.directory, log.hooks());
    }
    void log.add(() => record.move({ kind: "publish" }));
    return { done: Promise.resolve({ kind: "finished", ...product }), stop() {}, setYield() {} };
  }

  /** Moves a job whose work has ended into the state that follows. */
  async #settle(active: Active, outcome: WorkOutcome): Promise<void> {
    const { record } = active;
    if (this.#lost !== undefined) return;
    if (record.job.state.kind === "cancelling") {
      await record.move({ kind: "stopped" });
    } else if (outcome.kind === "stopped") {
      await this.#interrupt(record, active.intent === "pause" ? "pause" : "preempt");
    } else if (outcome.kind === "rejected") {
      for (const { where, what, hint } of outcome.problems) {
        await record.append({ kind: "validation_issue", summary: `${where}: ${what}`, detail: { where, what, hint } });
      }
      await record.move(
        { kind: "reject", reason: outcome.reason, problems: outcome.problems },
        { reason: outcome.reason },
      );
    } else if (outcome.kind === "failed") {
      await this.#fail(record, outcome);
    } else {
      await this.#finish(active, outcome);
    }
  }

  /** Frees what a job that has succeeded does not need; a disk that fails at that changes nothing about the job. */
  async #tidyUp({ job, directory }: JobRecord): Promise<void> {
    if (job.state.kind !== "succeeded") return;
    await removeSpentFiles(directory).catch((error: unknown) => this.#options.onDefect(error, job.id));
  }

  async #interrupt(record: JobRecord, how: "pause" | "preempt"): Promise<void> {
    if (record.job.state.kind === "cancelling") await record.move({ kind: "stopped" });
    else if (how === "pause") await record.move({ kind: "pause" }, { reason: "USER" });
    else await record.move({ kind: "preempt" }, { reason: "SERVER_RESTART", detail: "the server is shutting down" });
  }

  async #fail(record: JobRecord, { reason, message }: Extract<WorkOutcome, { kind: "failed" }>): Promise<void> {
    // Validation has no failure of its own: what it cannot read is the caller's to mend.
    if (record.job.state.kind === "validating") {
      const problems = [{ where: "spec", what: message, hint: "see the server's log" }];
      await record.move({ kind: "reject", reason, problems }, { reason, detail: message });
    } else {
      await record.move({ kind: "fail", reason, message }, { reason, detail: message });
    }
  }

  async #finish({ record, stopping }: Active, { kind: _, ...product }: Finished): Promise<void> {
    const { publication, onDefect } = this.#options;
    try {
      await noteProduct(record, product);
      const result = await finishJob(record, product, publication, stopping.signal);
      // Cancelling may have come in between; the version stays, unpromoted or not, as the events say.
      if (record.job.state.kind === "cancelling") await record.move({ kind: "stopped" });
      else await record.move({ kind: "succeed", result });
      await this.#tidyUp(record);
    } catch (error) {
      if (this.#lost !== undefined) return;
      if (stopping.signal.aborted) return this.#interrupt(record, "preempt");
      const message = error instanceof AlbertError ? error.message : "storing what the job made failed";
      if (!(error instanceof AlbertError)) onDefect(error, record.job.id);
      await this.#fail(record, { kind: "failed", reason: "ENGINE_ERROR", message });
    }
  }

  #stop(record: JobRecord, intent: Intent): void {
    const active = this.#active;
    if (active?.record !== record || isTerminal(record.job.state)) return;
    if (active.intent !== "cancel") active.intent = intent;
    active.work.stop();
    if (intent !== "pause") active.stopping.abort();
  }

  #requireOpen(): void {
    if (this.#lost !== undefined) throw this.#lost;
    if (!this.#closing) return;
    throw new AlbertError("unavailable", "the server is shutting down", { reason: "SHUTTING_DOWN" });
  }
}

/** The first event of every log; a job that was created right before a crash gets it afterwards. */
async function appendQueued(record: JobRecord): Promise<void> {
  await record.append({
    kind: "state_changed",
    summary: "queued",
    transition: { from: undefined, to: record.job.state },
  });
}
