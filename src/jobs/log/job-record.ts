import type { AlbertError } from "../../errors.ts";
import { SerialQueue } from "../../platform/serial-queue.ts";
import { applyEvent, type Job, type JobIdentity, newJob } from "../job.ts";
import type { JobEvent, NewJobEvent } from "../job-event.ts";
import { isTerminal, type JobReason, type JobState, type JobTransition, nextState } from "../job-state.ts";
import { EventLog } from "./event-log.ts";

// A job together with its log: the only place where a job changes its state.

/** How logs are written. */
export interface JobAccess {
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Milliseconds since some fixed moment; never set. That of this process unless given. */
  readonly steadyClock?: () => number;
  /** Rejects when the jobs no longer belong to this process. */
  readonly checkFencing: () => Promise<void>;
  /** Called on every change of what a job needs or has made. */
  readonly onChange: () => void;
  /** Called for a job whose record is damaged, with the name under which its directory was set aside. */
  readonly onDamaged: (error: AlbertError, jobId: string, aside: string) => void;
}

/** Why a job changes its state: machine reason and words. */
export interface Why {
  readonly reason?: JobReason;
  readonly detail?: string;
}

/** A job to whose log its work writes, wherever that log is kept. */
export interface JobWriter {
  /** The job's own, for its files. */
  readonly directory: string;
  readonly job: Job;
  /** Appends an event and folds it in. */
  append(event: NewJobEvent): Promise<Job>;
  /** Brings the job into its next state. @throws AlbertError precondition (ILLEGAL_TRANSITION); nothing is written then */
  transition(transition: JobTransition, why?: Why): Promise<Job>;
}

/** The event that a change of state is. @throws AlbertError precondition (ILLEGAL_TRANSITION) */
export function stateChange(from: JobState, transition: JobTransition, why: Why = {}): NewJobEvent {
  const to = nextState(from, transition);
  const words = why.detail === undefined ? "" : `: ${why.detail}`;
  return {
    kind: "state_changed",
    summary: `${from.kind} -> ${to.kind}${words}`,
    transition: { from: from.kind, to, ...why },
  };
}

/** A job with its log. Every change of the job is an event of the log first. */
export class JobRecord implements JobWriter {
  readonly directory: string;
  readonly #log: EventLog;
  readonly #onChange: () => void;
  #job: Job;
  /** Each change starts from the outcome of the one before. */
  readonly #changes = new SerialQueue();

  private constructor(directory: string, job: Job, log: EventLog, onChange: () => void) {
    this.directory = directory;
    this.#log = log;
    this.#onChange = onChange;
    this.#job = job;
  }

  static async open(directory: string, identity: JobIdentity, access: JobAccess): Promise<JobRecord> {
    const { clock, checkFencing, steadyClock } = access;
    const log = await EventLog.open(`${directory}/events.log`, clock, checkFencing, steadyClock);
    const job = (await log.events()).reduce(applyEvent, newJob(identity));
    const record = new JobRecord(directory, job, log, access.onChange);
    await record.#restIfEnded();
    return record;
  }

  get job(): Job {
    return this.#job;
  }

  /** Appends an event and folds it in. */
  append(event: NewJobEvent): Promise<Job> {
    return this.#changes.run(() => this.#append(event));
  }

  /**
   * Brings the job into its next state.
   *
   * @param why  machine reason and words, where it is not the ordinary course of things
   * @throws AlbertError precondition (ILLEGAL_TRANSITION); nothing is written then
   */
  transition(transition: JobTransition, why: Why = {}): Promise<Job> {
    return this.#changes.run(() => this.#append(stateChange(this.#job.state, transition, why)));
  }

  /** Appends the event that `decide` makes of the job as it stands, if it makes one. */
  change(decide: (job: Job) => NewJobEvent | undefined): Promise<Job> {
    return this.#changes.run(async () => {
      const event = decide(this.#job);
      return event === undefined ? this.#job : this.#append(event);
    });
  }

  async #append(event: NewJobEvent): Promise<Job> {
    const written = await this.#log.append(event);
    const before = this.#job;
    this.#job = applyEvent(before, written);
    const { state, startVersion, teacherVersion, modelVersion } = this.#job;
    const same =
      before.startVersion === startVersion &&
      before.teacherVersion === teacherVersion &&
      before.modelVersion === modelVersion;
    if (before.state !== state || !same) this.#onChange();
    await this.#restIfEnded();
    return this.#job;
  }

  /** Nobody writes to the log of a job that has ended, and few read it. */
  async #restIfEnded(): Promise<void> {
    if (isTerminal(this.#job.state)) await this.#log.rest();
  }

  /** Events after a sequence number, then each new one; ends after the job has ended. */
  async *watch(afterSequence: number, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    let sequence = Math.max(0, afterSequence);
    while (!signal?.aborted) {
      const events = await this.#log.events();
      while (sequence < events.length) {
        yield events[sequence++]!;
        if (signal?.aborted) return;
      }
      if (sequence < this.#log.length) continue; // written since
      if (isTerminal(this.#job.state) || this.#log.closed) return;
      await this.#log.newer(sequence, signal);
    }
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}
