import { AlbertError } from "../../errors.ts";
import type { Job } from "../job.ts";
import type { JobEvent } from "../job-event.ts";
import type { JobService } from "../job-service.ts";
import { isActive, isTerminal } from "../job-state.ts";
import { partAfter, type RunPart, WHOLE_RUN } from "../log/run-curves.ts";
import {
  type MlflowBatch,
  type MlflowClient,
  type MlflowEntry,
  MlflowRefused,
  type MlflowRun,
} from "./mlflow-client.ts";
import { JOB_TAG, newRun, SEQUENCE_TAG, specParams, statusOf, trackedEvent } from "./tracked-run.ts";

// Tells a tracking server of the jobs of this server, behind their backs.

export interface RunTrackingOptions {
  readonly client: MlflowClient;
  /** Name of the experiment that holds the runs. */
  readonly experiment: string;
  readonly jobs: Pick<JobService, "list" | "watch">;
  /** Names this server among those that share a queue; absent where the jobs are its own. */
  readonly trainer?: string;
  /** The card of a version, "name@7"; undefined where there is none. */
  readonly card: (version: string) => Promise<string | undefined>;
  /** Calls back at a fixed interval in milliseconds until the returned function is called. */
  readonly every: (milliseconds: number, callback: () => void) => () => void;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** Told once when the server can no longer be reached, and undefined once it can be again. */
  readonly onReach: (error: unknown) => void;
  /** Told of each job that the tracking server refuses. */
  readonly onRefused: (error: MlflowRefused, jobId: string) => void;
  /** Counts points of curves: those that were told, and those that never will be. */
  readonly onPoints: (outcome: "sent" | "lost", count: number) => void;
}

/** Between two looks at the jobs, in milliseconds. */
const LOOK_MS = 2000;
/** Before a server that could not be reached is tried again, in milliseconds: twice as long each time. */
const [FIRST_RETRY_MS, LONGEST_RETRY_MS] = [2000, 60_000];
/** Jobs that ended within this time before the start are told too: an earlier process may have had no time to. */
const CATCH_UP_MS = 86_400_000;
/** What the last look may take when the server ends, in milliseconds. */
const LAST_LOOK_MS = 2000;
/** Entries of a log that one call tells; an entry holds some ten points, and a call may hold 1,000. */
const EVENTS_A_CALL = 50;
const MOST_METRICS = 1000;
const MOST_ENTRIES = 100;

/** A run that this server tells about. */
interface Told {
  /** Undefined once the server has refused it: what the job says further is lost. */
  run: MlflowRun | undefined;
  /** Up to which entry of the job's log the run tells. */
  sequence: number;
  readonly params: Set<string>;
  /** The one of several runs that was at work at that entry. */
  part: RunPart;
  status: string;
}

/**
 * Logs jobs to MLflow. The queue of what is to be told is the log of each job itself: it is on disk anyway, survives both servers, and
 * does not grow for it. The run says in a tag up to which entry it tells, so that whoever goes on repeats nothing. A job never waits
 * for any of this.
 */
export class RunTracking {
  readonly #options: RunTrackingOptions;
  readonly #clock: () => number;
  readonly #startMs: number;
  readonly #told = new Map<string, Told>();
  /** Sequence up to which nothing is to be told of jobs that ended long before the start, or that another server tells of. */
  readonly #passedOver = new Map<string, number>();
  readonly #stop: () => void;
  readonly #closing = new AbortController();
  #experiment: string | undefined;
  #looking: Promise<void> | undefined;
  #failures = 0;
  #retryMs = 0;
  #closed = false;

  constructor(options: RunTrackingOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#startMs = this.#clock();
    this.#stop = options.every(LOOK_MS, () => void this.look());
  }

  /** Tells what is new. One look at a time; never rejects. */
  look(): Promise<void> {
    if (this.#closed || this.#clock() < this.#retryMs) return Promise.resolve();
    this.#looking ??= this.#look(this.#closing.signal).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Tells the last, as far as that takes no time to speak of; another process tells the rest. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#stop();
    const timer = setTimeout(() => this.#closing.abort(), LAST_LOOK_MS);
    await this.#looking;
    if (this.#failures === 0) await this.look();
    this.#closed = true;
    clearTimeout(timer);
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      for (const job of [...this.#options.jobs.list()].reverse()) {
        if (signal.aborted) return;
        if (this.#isNew(job)) await this.#tell(job, signal);
      }
      if (this.#failures > 0) this.#options.onReach(undefined);
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (this.#failures++ === 0) this.#options.onReach(error);
      this.#retryMs = this.#clock() + Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.#failures - 1));
    }
  }

  /** Whether there is something to tell of a job, and this server is the one to tell it. */
  #isNew(job: Job): boolean {
    const { id, lastSequence, history, owner, state, updatedMs } = job;
    const { trainer } = this.#options;
    if (lastSequence <= (this.#told.get(id)?.sequence ?? this.#passedOver.get(id) ?? 0)) return false;
    if (!history.some(({ to }) => isActive(to))) return false; // it has not begun
    if (owner !== undefined && owner.trainer !== trainer) {
      this.#told.delete(id); // whoever has it goes on from the tag of its run
      return false;
    }
    if (owner !== undefined || this.#told.has(id)) return true;
    if (!isTerminal(state)) return trainer === undefined;
    const isRecent = updatedMs >= this.#startMs - CATCH_UP_MS;
    if (isRecent && (trainer === undefined || updatedMs < this.#startMs)) return true;
    this.#passedOver.set(id, lastSequence);
    return false;
  }

  async #tell(job: Job, signal: AbortSignal): Promise<void> {
    try {
      const told = this.#told.get(job.id) ?? (await this.#attach(job, signal));
      this.#told.set(job.id, told);
      while (told.sequence < job.lastSequence) {
        const last = Math.min(job.lastSequence, told.sequence + EVENTS_A_CALL);
        const events = await this.#read(job.id, told.sequence + 1, last);
        if (events.length === 0) return; // the jobs are closed
        await this.#tellEvents(job, told, events, signal);
      }
      await this.#tellState(job, told, signal);
    } catch (error) {
      if (!(error instanceof AlbertError) || error.code !== "not-found") throw error; // else it was deleted meanwhile
    }
  }

  /** Does something for a job's run; a refusal is the end of it. */
  async #unlessRefused<T>(
    job: Job,
    told: Pick<Told, "run"> | undefined,
    ask: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof MlflowRefused)) throw error;
      if (told !== undefined) told.run = undefined;
      this.#options.onRefused(error, job.id);
      return undefined;
    }
  }

  /** The run of a job: the one that an earlier process made, or a new one. */
  async #attach(job: Job, signal: AbortSignal): Promise<Told> {
    const { client, experiment } = this.#options;
    const run = await this.#unlessRefused(job, undefined, async () => {
      this.#experiment ??= await client.experiment(experiment, signal);
      const found = await client.find(this.#experiment, { key: JOB_TAG, value: job.id }, signal);
      return found ?? client.create(this.#experiment, newRun(job), signal);
    });
    const sequence = Number(run?.tags.find(({ key }) => key === SEQUENCE_TAG)?.value ?? 0);
    const params = new Set(run?.params.map(({ key }) => key));
    return { run, sequence, params, part: await this.#partAt(job.id, sequence), status: run?.status ?? "" };
  }

  async #partAt(id: string, sequence: number): Promise<RunPart> {
    const before = sequence === 0 ? [] : await this.#read(id, 1, sequence);
    return partAfter(before, WHOLE_RUN);
  }

  async #tellEvents(job: Job, told: Told, events: readonly JobEvent[], signal: AbortSignal): Promise<void> {
    const batch = { metrics: [] as MlflowBatch["metrics"][number][], tags: new Map<string, MlflowEntry>() };
    const params: MlflowEntry[] = told.params.size === 0 ? specParams(job) : [];
    for (const event of events) {
      told.part = partAfter([event], told.part);
      const tracked = trackedEvent(event, told.part);
      batch.metrics.push(...tracked.metrics);
      params.push(...tracked.params);
      for (const tag of tracked.tags) batch.tags.set(tag.key, tag);
    }
    const last = events.at(-1)!.sequence;
    batch.tags.set(SEQUENCE_TAG, { key: SEQUENCE_TAG, value: String(last) });
    const fresh = [...new Map(params.map((entry) => [entry.key, entry])).values()].filter(
      ({ key }) => !told.params.has(key),
    );
    const { run } = told;
    if (run !== undefined) {
      const whole = { ...batch, params: fresh, tags: [...batch.tags.values()] };
      await this.#unlessRefused(job, told, () => this.#send(run, whole, signal));
    }
    for (const { key } of fresh) told.params.add(key);
    this.#options.onPoints(told.run === undefined ? "lost" : "sent", batch.metrics.length);
    told.sequence = last;
  }

  /** Sends in the pieces that a call may hold; the tag that says how far the run tells goes last. */
  async #send({ id }: MlflowRun, { metrics, params, tags }: MlflowBatch, signal: AbortSignal): Promise<void> {
    const pieces = Math.max(1, Math.ceil(metrics.length / MOST_METRICS), Math.ceil(params.length / MOST_ENTRIES));
    for (let i = 0; i < pieces; i++) {
      const piece = {
        metrics: metrics.slice(i * MOST_METRICS, (i + 1) * MOST_METRICS),
        params: params.slice(i * MOST_ENTRIES, (i + 1) * MOST_ENTRIES),
        tags: i === pieces - 1 ? tags : [],
      };
      await this.#options.client.log(id, piece, signal);
    }
  }

  async #tellState(job: Job, told: Told, signal: AbortSignal): Promise<void> {
    const status = statusOf(job);
    const { run } = told;
    if (run === undefined || told.status === status) return;
    const { client, card } = this.#options;
    if (status === "FINISHED" && job.modelVersion !== "") {
      const text = await card(job.modelVersion).catch(() => undefined);
      if (text !== undefined) await this.#keepCard(run, text, signal);
    }
    const endMs = isTerminal(job.state) ? job.updatedMs : undefined;
    await this.#unlessRefused(job, told, () => client.update(run.id, status, endMs, signal));
    told.status = status;
  }

  /** A tracking server that takes no artifacts has the run all the same. */
  async #keepCard(run: MlflowRun, text: string, signal: AbortSignal): Promise<void> {
    await this.#options.client.keepText(run, "model-card.md", text, signal).catch((error: unknown) => {
      if (!(error instanceof MlflowRefused)) throw error;
    });
  }

  async #read(id: string, first: number, last: number): Promise<JobEvent[]> {
    const events: JobEvent[] = [];
    for await (const event of this.#options.jobs.watch(id, first - 1)) {
      events.push(event);
      if (event.sequence >= last) break;
    }
    return events;
  }
}
