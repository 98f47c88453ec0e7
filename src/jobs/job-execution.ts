import { existsSync } from "node:fs";
import { AlbertError } from "../errors.ts";
import { isDiskFull } from "../platform/disk-space.ts";
import { type FullDiskOptions, untilWritten } from "./full-disk.ts";
import { byUser } from "./job-event.ts";
import type { JobOutcome, JobProduct } from "./job-outcome.ts";
import type { JobRun, JobRunner } from "./job-runner.ts";
import type { JobState } from "./job-state.ts";
import type { JobWriter } from "./log/job-record.ts";
import { JobReporter } from "./log/job-reporter.ts";
import { resumeUnlessPoison } from "./poison.ts";
import {
  earlierProduct,
  type ModelPublisher,
  publishResult,
  recordProduct,
  removeSpentFiles,
} from "./runner/publish-result.ts";

// Runs one job from its start to the state that follows, including the publication of its result.

export interface ExecutionOptions {
  readonly runner: JobRunner;
  readonly publisher: ModelPublisher;
  /** Milliseconds since some fixed moment; never set. */
  readonly steadyClock: () => number;
  /** Receives defects, for which no caller waits. */
  readonly onDefect: (error: unknown, jobId: string) => void;
  readonly fullDisk?: FullDiskOptions;
  /**
   * A job is given up when its server, or its process, was killed so often in a row while it was at work and took no step.
   * Default 2.
   */
  readonly poisonKills?: number | undefined;
  /** Whether a job whose process was killed is queued again here; by default, where nobody else looks after the queue. */
  readonly requeues?: boolean;
  /** Told of a job that found no room on the disk, while the disk is as it found it. */
  readonly onFullDisk: (jobId: string) => Promise<void>;
}

/** Why a job was asked to stop. */
export type StopIntent = "pause" | "cancel" | "preempt";

/**
 * One job at work, from its start to the state that follows: its run, then the publication of what it made. It chooses no job and
 * knows no other.
 */
export class JobExecution {
  readonly record: JobWriter;
  /** Resolves when the job has left its active state. Never rejects. */
  readonly ended: Promise<void>;
  readonly #options: ExecutionOptions;
  readonly #run: JobRun;
  /** Aborted when the publication is to stop too. A pause lets it come to its end. */
  readonly #stopping = new AbortController();
  #intent: StopIntent | undefined;
  #stoppedBy: string | undefined;
  #abandoned = false;

  /** Starts the job's run; where an earlier attempt has done that, only the publication is left. */
  constructor(record: JobWriter, options: ExecutionOptions) {
    this.record = record;
    this.#options = options;
    const onDefect = (error: unknown) => options.onDefect(error, record.job.id);
    const { signal } = this.#stopping;
    const reporter = new JobReporter(record, options.steadyClock, onDefect, signal, options.fullDisk ?? {});
    this.#run = this.#start(reporter);
    this.ended = this.#end(reporter);
  }

  /** While true, no step begins. */
  setYield(yielding: boolean): void {
    this.#run.setYield(yielding);
  }

  /** Asks the job to stop; a cancellation stays one whatever is asked afterwards. */
  stop(intent: StopIntent, by?: string): void {
    this.#stoppedBy = by;
    if (this.#intent !== "cancel") this.#intent = intent;
    this.#run.stop();
    if (intent !== "pause") this.#stopping.abort();
  }

  /** Stops and writes nothing more to the job's log: another process works on it now. */
  abandon(): void {
    this.#abandoned = true;
    this.#run.stop();
    this.#stopping.abort();
  }

  #start(reporter: JobReporter): JobRun {
    const { record } = this;
    const product = earlierProduct(record);
    const made = [product?.modelDirectory, product?.file?.path, product?.report?.path].filter(
      (path) => path !== undefined,
    );
    if (product === undefined || !made.every((path) => existsSync(path))) {
      void reporter.addSurely(() => record.transition({ kind: "begin" }));
      return this.#options.runner.start(record.job, record.directory, reporter.hooks());
    }
    void reporter.addSurely(() => record.transition({ kind: "publish" }));
    return { done: Promise.resolve({ kind: "finished", ...product }), stop() {}, setYield() {} };
  }

  async #end(reporter: JobReporter): Promise<void> {
    const { onDefect } = this.#options;
    const { id } = this.record.job;
    try {
      const outcome = await this.#run.done.catch((error: unknown): JobOutcome => {
        onDefect(error, id);
        return { kind: "failed", reason: "ENGINE_ERROR", message: "the job's runner ended unexpectedly" };
      });
      await reporter.drained();
      if (!this.#abandoned) await this.#settle(outcome);
    } catch (error) {
      onDefect(error, id);
    }
  }

  /** Moves the job, whose run has ended, into the state that follows. */
  async #settle(outcome: JobOutcome): Promise<void> {
    const { record } = this;
    if (record.job.state.kind === "cancelling") {
      await this.#surely(() => record.transition({ kind: "stopped" }));
    } else if (outcome.kind === "stopped" || (outcome.kind === "killed" && this.#intent !== undefined)) {
      await this.#interrupt(this.#intent === "pause" ? "pause" : "preempt");
    } else if (outcome.kind === "killed") {
      await this.#goOnAfterKill(outcome.message);
    } else if (outcome.kind === "held") {
      await this.#hold(outcome.metrics);
    } else if (isForWantOfRoom(outcome, record.job.state)) {
      await this.#setAside(messageOf(outcome));
    } else if (outcome.kind === "rejected") {
      const { reason, problems } = outcome;
      for (const { where, what, hint } of problems) {
        const summary = `${where}: ${what}`;
        await this.#surely(() => record.append({ kind: "validation_issue", summary, detail: { where, what, hint } }));
      }
      await this.#surely(() => record.transition({ kind: "reject", reason, problems }, { reason }));
    } else if (outcome.kind === "failed") {
      await this.#fail(outcome);
    } else {
      const { kind: _, ...product } = outcome;
      await this.#publish(product);
    }
  }

  /** Writes what must not be lost once the disk and the system let it. */
  #surely<T>(write: () => Promise<T>): Promise<T> {
    return untilWritten(write, this.#stopping.signal, this.#options.fullDisk ?? {});
  }

  async #interrupt(how: "pause" | "preempt"): Promise<void> {
    const { record } = this;
    await this.#surely(() => {
      if (record.job.state.kind === "cancelling") return record.transition({ kind: "stopped" });
      if (how === "pause") return record.transition({ kind: "pause" }, byUser(this.#stoppedBy));
      const why = { reason: "SERVER_RESTART", detail: "the server is shutting down" } as const;
      return record.transition({ kind: "preempt" }, why);
    });
  }

  /** A kill says nothing against a job, unless it happens again and again: its files are there, and it goes on from them. */
  async #goOnAfterKill(detail: string): Promise<void> {
    const { record } = this;
    await this.#surely(() => record.transition({ kind: "preempt" }, { reason: "WORKER_KILLED", detail }));
    const { requeues = true, poisonKills } = this.#options;
    if (requeues) await resumeUnlessPoison(record, "WORKER_KILLED", poisonKills);
  }

  /** A job for which the disk had no room keeps what it has done, and goes on when there is room. */
  async #setAside(message: string): Promise<void> {
    await this.#options.onFullDisk(this.record.job.id);
    const { record } = this;
    await this.#surely(() =>
      record.job.state.kind === "cancelling" // while it waited to be written
        ? record.transition({ kind: "stopped" })
        : record.transition({ kind: "preempt" }, { reason: "DISK_FULL", detail: message }),
    );
  }

  async #fail({ reason, message }: Omit<Extract<JobOutcome, { kind: "failed" }>, "kind">): Promise<void> {
    const { record } = this;
    // Validation has no failure of its own: the caller has to mend what it cannot read.
    if (record.job.state.kind === "validating") {
      const problems = [{ where: "spec", what: message, hint: "see the server's log" }];
      await this.#surely(() => record.transition({ kind: "reject", reason, problems }, { reason, detail: message }));
    } else {
      await this.#surely(() => record.transition({ kind: "fail", reason, message }, { reason, detail: message }));
    }
  }

  /** A trial waits, with all that it made, for what its sweep decides. */
  async #hold(metrics: JobProduct["metrics"]): Promise<void> {
    const { record } = this;
    const why = { reason: "SWEEP", detail: "judged; its sweep decides what follows" } as const;
    await this.#surely(() =>
      record.job.state.kind === "cancelling"
        ? record.transition({ kind: "stopped" })
        : record.transition({ kind: "hold", metrics }, why),
    );
  }

  async #publish(product: JobProduct): Promise<void> {
    const { record } = this;
    const { publisher, onDefect } = this.#options;
    const { signal } = this.#stopping;
    try {
      await recordProduct(record, product);
      const { trial } = record.job.spec;
      if (trial !== undefined && record.job.judged.length < trial.shares.length)
        return await this.#hold(product.metrics);
      const result = await publishResult(record, product, publisher, signal);
      // A cancellation may have come in between; the version stays, promoted or not, as the events say.
      await this.#surely(() =>
        record.job.state.kind === "cancelling"
          ? record.transition({ kind: "stopped" })
          : record.transition({ kind: "succeed", result }),
      );
      await freeSpentFiles(record, onDefect);
    } catch (error) {
      if (this.#abandoned) return;
      if (signal.aborted) return this.#interrupt("preempt");
      if (isDiskFull(error) || (error instanceof AlbertError && error.reason === "DISK_FULL")) {
        return this.#setAside(DISK_FULL);
      }
      const lost = error instanceof AlbertError && error.reason === "THREAD_LOST";
      if (lost && record.job.state.kind !== "cancelling" && judgesLost(record) < MOST_JUDGES_LOST) {
        return this.#goOnAfterKill("what judged its model died over it");
      }
      const message = error instanceof AlbertError ? error.message : "storing what the job made failed";
      if (!(error instanceof AlbertError)) onDefect(error, record.job.id);
      await this.#fail({ reason: "ENGINE_ERROR", message });
    }
  }
}

/** Deaths of what judges a model after which its job is judged no more. */
const MOST_JUDGES_LOST = 2;

function judgesLost({ job }: JobWriter): number {
  return job.history.filter(
    ({ from, to, reason }) => from === "evaluating" && to.kind === "preempted" && reason === "WORKER_KILLED",
  ).length;
}

const DISK_FULL = "the server's disk is full";

function messageOf(outcome: JobOutcome): string {
  if (outcome.kind === "failed") return outcome.message;
  return (outcome.kind === "rejected" ? outcome.problems[0]?.what : undefined) ?? DISK_FULL;
}

/** A full disk says nothing against a job, unless its first check finds that it needs more room than there is. */
function isForWantOfRoom(outcome: JobOutcome, state: JobState): boolean {
  if (outcome.kind === "failed") return outcome.reason === "DISK_FULL";
  return outcome.kind === "rejected" && outcome.reason === "DISK_FULL" && state.kind !== "validating";
}

/** Frees the disk that a job which has succeeded does not need; a failure to do so changes nothing about the job. */
export async function freeSpentFiles(
  { job, directory }: JobWriter,
  onDefect: ExecutionOptions["onDefect"],
): Promise<void> {
  if (job.state.kind !== "succeeded") return;
  await removeSpentFiles(directory).catch((error: unknown) => onDefect(error, job.id));
}
