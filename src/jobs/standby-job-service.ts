import { AlbertError } from "../errors.ts";
import type { Job } from "./job.ts";
import type { JobEvent } from "./job-event.ts";
import type { JobPlan } from "./job-outcome.ts";
import type { JobFilter, JobService } from "./job-service.ts";
import type { JobSpec } from "./job-spec.ts";
import type { AnnotationChange } from "./log/annotation.ts";

// Stands in for the jobs of a directory that cannot be written yet, so that a full or read-only disk keeps nothing from
// serving. It tries to open them now and then, and from then on only passes calls on.

export interface StandbyOptions {
  /** Why the jobs could not be opened. */
  readonly cause: unknown;
  readonly open: () => Promise<JobService>;
  /** Calls back at an interval in milliseconds until the returned function is called. */
  readonly every: (milliseconds: number, callback: () => void) => () => void;
  /** Told of a later attempt that failed otherwise, and of success. */
  readonly onAttempt: (error: unknown) => void;
}

/** Between two attempts. */
const ATTEMPT_MS = 30_000;

export class StandbyJobService implements JobService {
  readonly #options: StandbyOptions;
  readonly #stop: () => void;
  #opened: JobService | undefined;
  #attempt: Promise<void> | undefined;
  #closed = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
    this.#stop = options.every(ATTEMPT_MS, () => this.#try());
  }

  async create(requestId: string, spec: JobSpec, by?: string) {
    return this.#jobs().create(requestId, spec, by);
  }

  async plan(spec: JobSpec): Promise<JobPlan> {
    return this.#jobs().plan(spec);
  }

  get(id: string): Job {
    return this.#jobs().get(id);
  }

  /** Empty until the jobs are open. */
  list(filter?: JobFilter): readonly Job[] {
    return this.#opened?.list(filter) ?? [];
  }

  watch(id: string, afterSequence: number, signal?: AbortSignal): AsyncIterable<JobEvent> {
    return this.#jobs().watch(id, afterSequence, signal);
  }

  async cancel(id: string, by?: string): Promise<Job> {
    return this.#jobs().cancel(id, by);
  }

  async pause(id: string, by?: string): Promise<Job> {
    return this.#jobs().pause(id, by);
  }

  async resume(id: string, by?: string): Promise<Job> {
    return this.#jobs().resume(id, by);
  }

  async clone(requestId: string, id: string, overrides: Partial<JobSpec>, by?: string) {
    return this.#jobs().clone(requestId, id, overrides, by);
  }

  async refresh(): Promise<void> {
    await this.#opened?.refresh();
  }

  async annotate(id: string, change: AnnotationChange, by?: string): Promise<Job> {
    return this.#jobs().annotate(id, change, by);
  }

  silentMs(id: string): number | undefined {
    return this.#opened?.silentMs(id);
  }

  async delete(id: string): Promise<void> {
    return this.#jobs().delete(id);
  }

  async stop(): Promise<void> {
    this.#closed = true;
    this.#stop();
    await this.#attempt;
    await this.#opened?.stop();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#opened?.close();
  }

  #try(): void {
    this.#attempt ??= this.#open().finally(() => {
      this.#attempt = undefined;
    });
  }

  async #open(): Promise<void> {
    if (this.#closed || this.#opened !== undefined) return;
    try {
      this.#opened = await this.#options.open();
      this.#stop();
      this.#options.onAttempt(undefined);
    } catch (error) {
      this.#options.onAttempt(error);
    }
  }

  #jobs(): JobService {
    if (this.#opened !== undefined) return this.#opened;
    const message = "the jobs' directory cannot be written: its disk is full or read-only; jobs go on once it can";
    throw new AlbertError("unavailable", message, {
      reason: "JOBS_UNWRITABLE",
      retryAfterMs: ATTEMPT_MS,
      cause: this.#options.cause,
    });
  }
}
