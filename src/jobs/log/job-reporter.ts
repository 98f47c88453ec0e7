import { invariant } from "../../errors.ts";
import { SerialQueue } from "../../platform/serial-queue.ts";
import { type FullDiskOptions, untilWritten } from "../full-disk.ts";
import type { NewJobEvent } from "../job-event.ts";
import type { JobHooks, JobPhase } from "../job-runner.ts";
import type { JobWriter } from "./job-record.ts";
import { jobEventOf, MetricsThrottle } from "./training-events.ts";

/** Writes the events of a run into its job's log, in order. The run does not wait for the writes. */
export class JobReporter {
  readonly #record: JobWriter;
  readonly #onDefect: (error: unknown) => void;
  readonly #throttle: MetricsThrottle;
  readonly #writes = new SerialQueue();
  readonly #stopping: AbortSignal;
  readonly #fullDisk: FullDiskOptions;

  /**
   * @param clock     milliseconds since some fixed moment; never set
   * @param onDefect  receives what could not be written
   * @param stopping  aborted when nothing waits for room on the disk any more
   */
  constructor(
    record: JobWriter,
    clock: () => number,
    onDefect: (error: unknown) => void,
    stopping: AbortSignal,
    fullDisk: FullDiskOptions,
  ) {
    this.#record = record;
    this.#onDefect = onDefect;
    this.#throttle = new MetricsThrottle(clock);
    this.#stopping = stopping;
    this.#fullDisk = fullDisk;
  }

  /** Writes after all that was added before. @returns when it is written, or has failed */
  add(write: (record: JobWriter) => Promise<unknown>): Promise<void> {
    return this.#writes.run(() => write(this.#record)).then(() => {}, this.#onDefect);
  }

  /** As `add`, for what must not be lost: a full disk is waited for. */
  addSurely(write: (record: JobWriter) => Promise<unknown>): Promise<void> {
    return this.add((record) => untilWritten(() => write(record), this.#stopping, this.#fullDisk));
  }

  /** Resolves once everything is written. */
  async drained(): Promise<void> {
    await this.#writes.drained();
  }

  /** The hooks that a run calls. */
  hooks(): JobHooks {
    const append = (event: NewJobEvent) => this.add((record) => record.append(event));
    return {
      startChosen: (version) =>
        this.addSurely((record) =>
          record.append({ kind: "start_chosen", summary: `starts from ${version}`, detail: { version } }),
        ),
      teacherChosen: (version) =>
        this.addSurely((record) =>
          record.append({ kind: "teacher_chosen", summary: `learns from ${version}`, detail: { version } }),
        ),
      phase: (phase) => void this.addSurely((record) => advance(record, phase)),
      activity: (summary) => void append({ kind: "activity", summary }),
      planned: (plan) =>
        void append({
          kind: "planned",
          summary: `${plan.steps} steps over ${Math.round(plan.tokens)} tokens`,
          progress: { totalSteps: plan.steps },
          detail: { ...plan },
        }),
      event: (event) => {
        if (!this.#throttle.passes(event)) return;
        void this.add(async (record) => {
          const entry = jobEventOf(event, record.job.progress);
          if (entry !== undefined) await record.append(entry);
        });
      },
      yielded: (milliseconds) =>
        void append({
          kind: "yielded",
          summary: `stood back for serving for ${Math.round(milliseconds)} ms`,
          detail: { milliseconds },
        }),
    };
  }
}

/** A resumed job is past validation already; a cancelled one changes no more. */
async function advance(record: JobWriter, phase: JobPhase): Promise<void> {
  const { kind } = record.job.state;
  if (phase === "validated" && kind === "validating") await record.transition({ kind: "validated" });
  else if (phase === "prepared" && kind === "preparing") await record.transition({ kind: "prepared" });
  else if (phase === "trained" && kind === "running") await record.transition({ kind: "trained" });
  else invariant(kind === "cancelling" || phase === "validated", `a ${kind} job was reported as ${phase}`);
}
