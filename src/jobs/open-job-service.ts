import { AlbertError, invariant } from "../errors.ts";
import { DirectoryLock, type LockOptions } from "./directory-lock.ts";
import type { Job } from "./job.ts";
import type { JobEvent } from "./job-event.ts";
import { nextJob } from "./job-queue.ts";
import type { JobRecord } from "./job-record.ts";
import type { JobFilter, JobPlan, JobService } from "./job-service.ts";
import type { JobSpec } from "./job-spec.ts";
import { isActive, isTerminal, type JobResult } from "./job-state.ts";
import { JobStore } from "./job-store.ts";
import type { JobWorker, RunningWork, WorkHooks, WorkOutcome, WorkPhase } from "./job-work.ts";
import type { GateVerdict, Publication } from "./publication.ts";
import { jobEventOf, MetricsThrottle } from "./training-events.ts";

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
  /** Told of what nobody awaits: a defect of this service, or a disk that no longer takes its log. */
  readonly onDefect: (error: unknown, jobId: string) => void;
}

/** Between two looks at serving's pressure. */
const PRESSURE_INTERVAL_MS = 50;

/** Why work was asked to stop. */
type Intent = "none" | "pause" | "cancel" | "preempt";

/** The job at work. */
interface Active {
  readonly record: JobRecord;
  readonly work: RunningWork;
  intent: Intent;
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
    const store = await JobStore.open(options.directory, { clock, confirm: () => lock.confirm() });
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
      if (lastSequence === 0) await appendQueued(record);
      if (isActive(state))
        await record.move({ kind: "preempt" }, { reason: "SERVER_RESTART", detail: "the server ended" });
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
    const record = this.#store.get(id);
    await record.move({ kind: "cancel" }, { reason: "USER" });
    this.#stop(record, "cancel");
    return record.job;
  }

  async pause(id: string): Promise<Job> {
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
    await this.#store.close();
    await this.#lock.release();
  }

  /** Stops all work without another word in any log: another process has the jobs now. */
  giveUp(error: AlbertError): void {
    this.#lost = error;
    this.#active?.work.stop();
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
    const appends = new Appends(record, (error) => this.#options.onDefect(error, record.job.id));
    const work = this.#options.worker.start(record.job, record.directory, hooksFor(record, appends, this.#clock));
    let settle: () => void = () => {};
    const ended = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const active: Active = { record, work, intent: "none", ended };
    this.#active = active;
    appends.add(() => record.move({ kind: "begin" }));
    work.done
      .catch((error: unknown): WorkOutcome => {
        this.#options.onDefect(error, record.job.id);
        return { kind: "failed", reason: "ENGINE_ERROR", message: "the job's worker ended unexpectedly" };
      })
      .then(async (outcome) => {
        await appends.drained();
        await this.#settle(active, outcome);
      })
      .catch((error: unknown) => this.#options.onDefect(error, record.job.id))
      .finally(() => {
        this.#active = undefined;
        settle();
        this.#next();
      });
  }

  /** Moves a job whose work has ended into the state that follows. */
  async #settle(active: Active, outcome: WorkOutcome): Promise<void> {
    const { record } = active;
    if (this.#lost !== undefined) return;
    if (record.job.state.kind === "cancelling") {
      await record.move({ kind: "stopped" });
    } else if (outcome.kind === "stopped") {
      const restart = { reason: "SERVER_RESTART", detail: "the server is shutting down" } as const;
      if (active.intent === "pause") await record.move({ kind: "pause" }, { reason: "USER" });
      else await record.move({ kind: "preempt" }, restart);
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
      await this.#finish(record, outcome);
    }
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

  async #finish(record: JobRecord, outcome: Extract<WorkOutcome, { kind: "finished" }>): Promise<void> {
    const { metrics, stoppedBy, modelDirectory, file } = outcome;
    let result: JobResult = { metrics, ...(stoppedBy === undefined ? {} : { stoppedBy }) };
    try {
      if (file !== undefined) result = { ...result, dataset: await this.#keep(record, file, metrics) };
      if (modelDirectory !== undefined) result = { ...result, ...(await this.#publish(record, modelDirectory)) };
    } catch (error) {
      const message = error instanceof AlbertError ? error.message : "storing what the job made failed";
      if (!(error instanceof AlbertError)) this.#options.onDefect(error, record.job.id);
      await this.#fail(record, { kind: "failed", reason: "ENGINE_ERROR", message });
      return;
    }
    // Cancelling may have come in between; the version stays, unpromoted or not, as the events say.
    if (record.job.state.kind === "cancelling") await record.move({ kind: "stopped" });
    else await record.move({ kind: "succeed", result });
  }

  async #keep(
    record: JobRecord,
    file: { readonly name: string; readonly path: string },
    metrics: JobResult["metrics"],
  ): Promise<string> {
    const digest = await this.#options.publication.keep(file);
    if (record.job.dataset !== digest) {
      const summary = `${file.name} stored as dataset ${digest}`;
      const detail = { digest, name: file.name };
      await record.append({ kind: "dataset_stored", summary, progress: { metrics }, detail });
    }
    return digest;
  }

  /** Publishes, judges and promotes; what an earlier attempt, which a crash ended, has in the log already is not repeated. */
  async #publish(record: JobRecord, modelDirectory: string): Promise<Pick<JobResult, "modelVersion" | "gateReport">> {
    const { publication } = this.#options;
    const { version } = await publication.publish(record.job, modelDirectory);
    if (record.job.modelVersion !== version) {
      await record.append({ kind: "published", summary: `published as ${version}`, detail: { version } });
    }
    const verdict = await this.#judge(record, { version, modelDirectory });
    const promotes = record.job.spec.promote === "auto-if-better" && verdict.verdict === "pass" && verdict.better;
    if (promotes && !record.job.promoted && record.job.state.kind !== "cancelling") {
      if (await publication.promote(record.job, version, verdict)) {
        await record.append({ kind: "promoted", summary: `${version} is the champion`, detail: { version } });
      } else {
        const summary = `${version} was not promoted: the champion changed since the gate compared them`;
        await record.append({ kind: "warning", summary, detail: { version } });
      }
    }
    return { modelVersion: version, gateReport: record.job.gateReport };
  }

  async #judge(
    record: JobRecord,
    published: { readonly version: string; readonly modelDirectory: string },
  ): Promise<GateVerdict> {
    const known = record.job.gateReport;
    if (known !== "") {
      const { verdict, better, ...report } = JSON.parse(known) as Known; // written below
      return { verdict, better, report };
    }
    const judged = await this.#options.publication.judge(record.job, published);
    const { verdict, better, report } = judged;
    const detail: Known = { ...report, verdict, better };
    await record.append({ kind: "gate_result", summary: `gate: ${verdict}${better ? ", better" : ""}`, detail });
    return judged;
  }

  #stop(record: JobRecord, intent: Intent): void {
    const active = this.#active;
    if (active?.record !== record || isTerminal(record.job.state)) return;
    if (active.intent !== "cancel") active.intent = intent;
    active.work.stop();
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

/** A gate's verdict as the log keeps it. */
type Known = Pick<GateVerdict, "verdict" | "better"> & GateVerdict["report"];

/** Appends that follow each other in order, though nobody waits for them one by one. */
class Appends {
  readonly #record: JobRecord;
  readonly #onDefect: (error: unknown) => void;
  #last: Promise<unknown> = Promise.resolve();

  constructor(record: JobRecord, onDefect: (error: unknown) => void) {
    this.#record = record;
    this.#onDefect = onDefect;
  }

  add(append: (record: JobRecord) => Promise<unknown>): void {
    this.#last = this.#last.then(() => append(this.#record)).catch(this.#onDefect);
  }

  async drained(): Promise<void> {
    await this.#last;
  }
}

function hooksFor(record: JobRecord, appends: Appends, clock: () => number): WorkHooks {
  const throttle = new MetricsThrottle(clock);
  return {
    phase: (phase) => appends.add(() => advance(record, phase)),
    activity: (summary) => appends.add(() => record.append({ kind: "activity", summary })),
    planned: (plan) =>
      appends.add(() =>
        record.append({
          kind: "planned",
          summary: `${plan.steps} steps over ${Math.round(plan.tokens)} tokens`,
          progress: { totalSteps: plan.steps },
          detail: { ...plan },
        }),
      ),
    event: (event) => {
      if (!throttle.passes(event)) return;
      appends.add(async () => {
        const entry = jobEventOf(event, record.job.progress);
        if (entry !== undefined) await record.append(entry);
      });
    },
    yielded: (milliseconds) =>
      appends.add(() =>
        record.append({
          kind: "yielded",
          summary: `stood back for serving for ${Math.round(milliseconds)} ms`,
          detail: { milliseconds },
        }),
      ),
  };
}

/** A resumed job is past validation already; a cancelled one goes nowhere any more. */
async function advance(record: JobRecord, phase: WorkPhase): Promise<void> {
  const { kind } = record.job.state;
  if (phase === "validated" && kind === "validating") await record.move({ kind: "validated" });
  else if (phase === "prepared" && kind === "preparing") await record.move({ kind: "prepared" });
  else if (phase === "trained" && kind === "running") await record.move({ kind: "trained" });
  else invariant(kind === "cancelling" || phase === "validated", `a ${kind} job was reported as ${phase}`);
}

function everyUnreferenced(milliseconds: number, callback: () => void): () => void {
  const timer = setInterval(callback, milliseconds).unref();
  return () => clearInterval(timer);
}
