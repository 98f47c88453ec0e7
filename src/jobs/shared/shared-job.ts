import { randomUUID } from "node:crypto";
import { setTimeout as timer } from "node:timers/promises";
import { AlbertError, corrupt } from "../../errors.ts";
import { SerialQueue } from "../../platform/serial-queue.ts";
import type { StoredJobs } from "../../store/jobs/stored-jobs.ts";
import { applyEvent, type Job, type JobIdentity, newJob } from "../job.ts";
import type { JobEvent, NewJobEvent } from "../job-event.ts";
import { isActive, isTerminal, type JobTransition } from "../job-state.ts";
import { type JobWriter, stateChange, type Why } from "../log/job-record.ts";
import { Waiters } from "../log/waiters.ts";
import { type Claim, claimLost, holds } from "./claims.ts";

// A job whose log lies in the store: reading it, and writing to it without ever forking it.

/** One piece of a log: events that became visible together. */
interface LogPiece {
  readonly form: 1;
  /** Different for each piece, so that two writers never write the same bytes. */
  readonly writer: string;
  readonly events: readonly JobEvent[];
}

/** The pieces up to a job's end, in one object. */
interface LogEnd {
  readonly form: 1;
  readonly pieces: number;
  readonly events: readonly JobEvent[];
}

export interface SharedJobOptions {
  readonly store: StoredJobs;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Milliseconds since some fixed moment; never set. */
  readonly steadyClock: () => number;
  /** Called on every change of what a job needs or has made. */
  readonly onChange: () => void;
  /** Called when this server has written of a job what matters to the others: more than that it goes on. */
  readonly onOwnChange?: (id: string) => void;
  /** Waits before something is tried again; by the machine's own timers unless given. */
  readonly wait?: Wait;
}

/** Resolves after so many milliseconds, or when the signal is aborted. */
export type Wait = (milliseconds: number, signal?: AbortSignal) => Promise<void>;

const timerWait: Wait = (milliseconds, signal) =>
  timer(milliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => {});

/** What a change of a job is, given how the job stands; undefined for none. */
export type Decision = (job: Job) => readonly NewJobEvent[] | undefined;

/** Before a write is tried again that the store did not take for a moment, in milliseconds. */
const RETRY_MS = 1000;
/** Pieces that are read at a time where many are there. */
const MOST_AHEAD = 16;
/** Of so many pieces that are new, the last may be the job's end: the log is read in one then, where it has been put together. */
const ENDED_BY_THEN = 4;
/** Before a piece is looked for again that another writer has written. */
const BEHIND_MS = 50;

/**
 * A job that any server may see, and any may change: to cancel it, say. Its log is a chain of numbered pieces, each written under the
 * next free number by put-if-absent. A writer that another came before reads what that one wrote and decides again.
 */
export class SharedJob {
  /** The job's own on this machine. */
  readonly directory: string;
  readonly #options: SharedJobOptions;
  #job: Job;
  #pieces = 0;
  /** Undefined once the job has ended: few read its log then. */
  #events: JobEvent[] | undefined = [];
  /** When the newest event was seen, on the steady clock; undefined where it lay there when the job was opened. */
  #seenMs: number | undefined;
  /** Each change starts from the outcome of the one before. */
  readonly #changes = new SerialQueue();
  readonly #waiting = new Waiters();
  #closed = false;

  private constructor(directory: string, identity: JobIdentity, options: SharedJobOptions) {
    this.directory = directory;
    this.#options = options;
    this.#job = newJob(identity);
  }

  /** Reads a job. @throws AlbertError corrupt (RECORD_CORRUPT) when its log is damaged */
  static async open(directory: string, identity: JobIdentity, options: SharedJobOptions): Promise<SharedJob> {
    const job = new SharedJob(directory, identity, options);
    job.#takeEnd(await options.store.end<LogEnd>(identity.id));
    await job.refresh();
    job.#seenMs = undefined;
    return job;
  }

  /** The first piece of a log, which is written before the job is visible. */
  static async begin(
    { store, clock }: Pick<SharedJobOptions, "store" | "clock">,
    identity: JobIdentity,
    event: NewJobEvent,
  ): Promise<void> {
    const events: readonly JobEvent[] = [{ ...event, sequence: 1, timeMs: clock() }];
    const piece: LogPiece = { form: 1, writer: randomUUID(), events };
    await store.putPiece(identity.id, 1, piece); // one that another attempt at this request wrote says the same
  }

  get job(): Job {
    return this.#job;
  }

  /** Whether somebody waits for news of it. */
  get isWatched(): boolean {
    return this.#waiting.any;
  }

  /** Learns what other servers wrote. @returns how many reads of the store that took */
  refresh(): Promise<number> {
    return this.#changes.run(() => this.#follow());
  }

  /** Learns whether the job has ended in the hands of another server, by one read. @returns how many reads it took */
  refreshIfEnded(): Promise<number> {
    return this.#changes.run(async () => {
      this.#takeEnd(await this.#options.store.end<LogEnd>(this.#job.id));
      await this.#restIfEnded(false);
      return 1;
    });
  }

  /**
   * Changes the job as a decision says. The decision is made again where another server wrote first.
   *
   * @param patience  until it is aborted, a store that cannot be reached is waited for; without, its error is the caller's
   * @returns the job after the change; undefined where the decision is for none
   */
  change(decide: Decision, patience?: AbortSignal): Promise<Job | undefined> {
    return this.#changes.run(async () => {
      const { store, wait } = this.#options;
      for (;;) {
        const decided = decide(this.#job);
        if (decided === undefined || decided.length === 0) return undefined;
        const piece: LogPiece = { form: 1, writer: randomUUID(), events: this.#numbered(decided) };
        const number = this.#pieces + 1;
        const put = () => store.putPiece(this.#job.id, number, piece);
        if (await untilReached(put, patience, wait)) {
          const before = this.#job;
          this.#take(piece);
          await this.#restIfEnded(true);
          if (mattersToOthers(before, this.#job)) this.#options.onOwnChange?.(this.#job.id);
          return this.#job;
        }
        await untilReached(() => this.#follow(), patience, wait);
        if (this.#pieces < number) await this.#requireThere();
      }
    });
  }

  /** Events after a sequence number, then each new one; ends after the job has ended. */
  async *watch(afterSequence: number, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    let sequence = Math.max(0, afterSequence);
    while (!signal?.aborted) {
      const events = this.#events ?? (await this.#readAll());
      while (sequence < events.length) {
        yield events[sequence++]!;
        if (signal?.aborted) return;
      }
      if (sequence < this.#job.lastSequence) continue; // written since
      if (isTerminal(this.#job.state) || this.#closed) return;
      await this.#newer(sequence, signal);
    }
  }

  /** Ends those who watch. */
  close(): void {
    this.#closed = true;
    this.#waiting.wake();
  }

  /** @returns how many reads it took */
  async #follow(): Promise<number> {
    const { store } = this.#options;
    const { id } = this.#job;
    let reads = 0;
    for (let ahead = 1; ; ahead = Math.min(2 * ahead, MOST_AHEAD)) {
      if (ahead === ENDED_BY_THEN) {
        reads++;
        this.#takeEnd(await store.end<LogEnd>(id));
      }
      const numbers = Array.from({ length: ahead }, (_, i) => this.#pieces + 1 + i);
      reads += ahead;
      const pieces = await Promise.all(numbers.map((number) => store.piece<LogPiece>(id, number)));
      const missing = pieces.indexOf(undefined);
      for (const piece of pieces.slice(0, missing < 0 ? ahead : missing) as LogPiece[]) {
        // What a repair of the store left in the place of a damaged piece has no events.
        if (!Array.isArray(piece.events)) throw damagedPiece(id, this.#pieces + 1);
        this.#take(piece);
      }
      if (missing >= 0) break;
    }
    await this.#restIfEnded(false);
    return reads;
  }

  #takeEnd(end: LogEnd | undefined): void {
    if (end === undefined || end.pieces <= this.#pieces) return;
    this.#pieces = end.pieces;
    this.#fold(end.events.slice(this.#job.lastSequence));
  }

  #take({ events }: LogPiece): void {
    this.#pieces++;
    this.#fold(events);
  }

  #fold(events: readonly JobEvent[]): void {
    const before = this.#job;
    this.#job = events.reduce(applyEvent, before);
    this.#events?.push(...events);
    this.#seenMs = this.#options.steadyClock();
    const { state, startVersion, teacherVersion, modelVersion } = this.#job;
    const same =
      before.state === state &&
      before.startVersion === startVersion &&
      before.teacherVersion === teacherVersion &&
      before.modelVersion === modelVersion;
    if (!same) this.#options.onChange();
    this.#waiting.wake();
  }

  #numbered(events: readonly NewJobEvent[]): JobEvent[] {
    const timeMs = this.#options.clock();
    const sinceMs = this.#seenMs === undefined ? undefined : Math.round(this.#options.steadyClock() - this.#seenMs);
    return events.map((event, i) => ({
      ...event,
      sequence: this.#job.lastSequence + 1 + i,
      timeMs,
      ...(sinceMs === undefined ? {} : { sinceMs: i === 0 ? sinceMs : 0 }),
    }));
  }

  /**
   * Nobody writes to the log of a job that has ended, and few read it: it is put together, and leaves the memory.
   *
   * @param isOurs  whether this server wrote the end; others put the log together only where that server did not come to it
   */
  async #restIfEnded(isOurs: boolean): Promise<void> {
    const events = this.#events;
    if (!isTerminal(this.#job.state)) {
      if (events === undefined) this.#events = [...(await this.#readAll())]; // it was resumed
      return;
    }
    if (events === undefined) return;
    const { store } = this.#options;
    const end: LogEnd = { form: 1, pieces: this.#pieces, events };
    if (isOurs || (await store.end(this.#job.id)) === undefined) {
      await store.putEnd(this.#job.id, end).catch(() => {}); // the pieces are there
    }
    this.#events = undefined;
  }

  /** Every event that is known, from the store. */
  async #readAll(): Promise<readonly JobEvent[]> {
    const { store } = this.#options;
    const { id } = this.#job;
    const end = await store.end<LogEnd>(id);
    const events = [...(end?.events ?? [])];
    for (let number = (end?.pieces ?? 0) + 1; number <= this.#pieces; number++) {
      events.push(...((await store.piece<LogPiece>(id, number))?.events ?? []));
    }
    return events;
  }

  /** Another wrote the next piece, and it cannot be read yet; or the job is gone. */
  async #requireThere(): Promise<void> {
    if ((await this.#options.store.identity(this.#job.id)) === undefined) {
      throw new AlbertError("not-found", "there is no job of this id", { reason: "JOB_NOT_FOUND" });
    }
    await (this.#options.wait ?? timerWait)(BEHIND_MS);
  }

  async #newer(sequence: number, signal?: AbortSignal): Promise<void> {
    if (this.#job.lastSequence > sequence || this.#closed) return;
    await this.#waiting.wait(signal);
  }
}

/** Whether other servers do something else after a change of a job. How far an owner has come, they read when somebody asks. */
function mattersToOthers(before: Job, after: Job): boolean {
  const where = ({ state }: Job) => (isActive(state) ? "at work" : state.kind);
  const kept = ["owner", "released", "pauseAsked", "annotation", "judged"] as const;
  return where(before) !== where(after) || kept.some((name) => before[name] !== after[name]);
}

function damagedPiece(id: string, number: number): AlbertError {
  return corrupt(`piece ${number} of the log of job ${id} was set aside: it was damaged`, { reason: "RECORD_CORRUPT" });
}

/** A job in the hands of this server: what it writes is refused as soon as its claim is not the job's present one. */
export class OwnedJob implements JobWriter {
  readonly claim: Claim;
  readonly #shared: SharedJob;
  readonly #open: AbortSignal;
  readonly #onLost: (error: AlbertError) => void;

  /**
   * @param open    aborted when the store is waited for no more
   * @param onLost  told, before the write is refused, that another server has the job
   */
  constructor(shared: SharedJob, claim: Claim, open: AbortSignal, onLost: (error: AlbertError) => void) {
    this.claim = claim;
    this.#shared = shared;
    this.#open = open;
    this.#onLost = onLost;
  }

  get job(): Job {
    return this.#shared.job;
  }

  get directory(): string {
    return this.#shared.directory;
  }

  append(event: NewJobEvent): Promise<Job> {
    return this.#write(() => [event]);
  }

  transition(transition: JobTransition, why: Why = {}): Promise<Job> {
    return this.#write(({ state }) => [stateChange(state, transition, why)]);
  }

  async #write(decide: (job: Job) => readonly NewJobEvent[]): Promise<Job> {
    await this.#shared.change((job) => {
      if (holds(job, this.claim)) return decide(job);
      const error = claimLost(job);
      this.#onLost(error);
      throw error;
    }, this.#open);
    return this.job;
  }
}

/** Runs what needs the store; with patience, until it can be reached. */
export async function untilReached<T>(
  run: () => Promise<T>,
  patience: AbortSignal | undefined,
  wait: Wait = timerWait,
): Promise<T> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      const passes = error instanceof AlbertError && error.code === "unavailable";
      if (!passes || patience === undefined || patience.aborted) throw error;
      await wait(RETRY_MS, patience);
    }
  }
}
