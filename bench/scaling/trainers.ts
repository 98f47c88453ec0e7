import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobEvent } from "../../src/jobs/job-event.ts";
import type { JobOutcome } from "../../src/jobs/job-outcome.ts";
import type { JobRunner } from "../../src/jobs/job-runner.ts";
import type { JobService } from "../../src/jobs/job-service.ts";
import type { JobSpec } from "../../src/jobs/job-spec.ts";
import type { ModelPublisher } from "../../src/jobs/runner/publish-result.ts";
import { beginSharedJobService } from "../../src/jobs/shared/open-shared-job-service.ts";
import { decodeRecord } from "../../src/model/formats/records.ts";
import { StoredJobs } from "../../src/store/jobs/stored-jobs.ts";
import type { TrainingEvent } from "../../src/training/events.ts";
import { type Requests, requestsBetween, summaryOf } from "./costs.ts";
import { type Life, ModelledS3, type RequestCounts } from "./modelled-s3.ts";
import { World } from "./world.ts";

// Many servers that train on one queue: what it asks of the store, how long a job waits for a free server, and how long after a death it goes on.

export interface TrainersOptions {
  readonly seed: number;
  readonly trainers: number;
  /** Share of the servers that have work on average; above 1 the queue grows. */
  readonly load: number;
  /** Jobs that wait from the start. */
  readonly backlog: number;
  /** Length of a job, on average. */
  readonly jobMs: number;
  readonly checkpointMs: number;
  /** Between two deaths of a server that does not come back, somewhere; another one starts instead. */
  readonly deathEveryMs: number;
  readonly pollMs: number;
  readonly leaseMs: number;
  /** Simulated time before anything is counted, and then. */
  readonly warmUpMs: number;
  readonly lastsMs: number;
}

export interface TrainersReport {
  readonly requests: Requests;
  readonly jobsEnded: number;
  readonly busy: number;
  /** Seconds from the creation of a job until a server works on it, of jobs that met a free server. */
  readonly begun: ReturnType<typeof summaryOf>;
  readonly deaths: number;
  /** Seconds from the death of a job's owner until its claim is ended, and until another works on it. */
  readonly noticed: ReturnType<typeof summaryOf>;
  readonly takenOver: ReturnType<typeof summaryOf>;
  /** Claims that came second, for each that stood. */
  readonly claimsLost: number;
}

interface Trainer {
  readonly name: string;
  readonly life: Life;
  readonly service: JobService;
  /** The job in hand. */
  job: string | undefined;
}

const BEGINNING_MS = 60_000;
/** Between two points of a job's curve. */
const METRICS_MS = 10_000;
/** Signs of life in a lease, as `albert serve` gives them. */
const SIGNS_PER_LEASE = 5;
const PUBLISHER: ModelPublisher = {
  keep: async () => "",
  keepReport: async () => {},
  publish: async () => ({ version: "m@1" }),
  runGate: async () => ({ verdict: "inconclusive", better: false, report: {} }),
  promoteIfUnchanged: async () => false,
};

export async function simulateTrainers(options: TrainersOptions): Promise<TrainersReport> {
  const directory = await mkdtemp(join(tmpdir(), "albert-scaling-"));
  try {
    return await new Queue(options, directory).simulate();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

class Queue {
  readonly #options: TrainersOptions;
  readonly #directory: string;
  readonly #world: World;
  readonly #s3: ModelledS3;
  readonly #trainers = new Set<Trainer>();
  #names = 0;
  #jobs = 0;
  #measuring = false;
  readonly #createdMs = new Map<string, { readonly atMs: number; readonly metFree: boolean }>();
  readonly #deadMs = new Map<string, number>();
  readonly #found = { begun: [] as number[], noticed: [] as number[], takenOver: [] as number[] };
  readonly #count = { ended: 0, deaths: 0, claims: 0 };
  #claimsAsked = 0;

  constructor(options: TrainersOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
    this.#world = new World(options.seed);
    this.#s3 = new ModelledS3(this.#world);
    this.#s3.onWritten = (key, bytes) => this.#written(key, bytes);
  }

  async simulate(): Promise<TrainersReport> {
    const { trainers, load, backlog, jobMs, deathEveryMs, warmUpMs, lastsMs } = this.#options;
    const world = this.#world;
    for (let i = 0; i < trainers; i++) this.#start();
    await world.runUntil(5000);
    for (let i = 0; i < backlog; i++) this.#create();
    const arrive = () => {
      this.#create();
      world.after(world.exponential(jobMs / (load * trainers)), arrive);
    };
    world.after(0, arrive);
    for (let i = 0; i < Math.round(Math.min(1, load) * trainers) - backlog; i++) this.#create();
    await world.runUntil(warmUpMs);
    this.#measuring = true;
    const from: RequestCounts = { ...this.#s3.counts };
    const beganMs = world.nowMs;
    const die = () => {
      this.#kill();
      world.after(world.exponential(deathEveryMs), die);
    };
    world.after(world.exponential(deathEveryMs), die);
    let busy = 0;
    let looks = 0;
    const stop = world.every(10_000, () => {
      looks++;
      busy += [...this.#trainers].filter(({ job }) => job !== undefined).length / trainers;
    });
    await world.runUntil(beganMs + lastsMs);
    stop();
    const requests = requestsBetween(from, this.#s3.counts, lastsMs);
    for (const { life } of this.#trainers) life.alive = false;
    return {
      requests,
      jobsEnded: this.#count.ended,
      busy: Number((busy / Math.max(1, looks)).toFixed(2)),
      begun: summaryOf(this.#found.begun),
      deaths: this.#count.deaths,
      noticed: summaryOf(this.#found.noticed),
      takenOver: summaryOf(this.#found.takenOver),
      claimsLost: Number(((this.#claimsAsked - this.#count.claims) / Math.max(1, this.#count.claims)).toFixed(2)),
    };
  }

  /** Starts a server, at some moment within the time between two looks. */
  #start(): void {
    const { pollMs, leaseMs } = this.#options;
    const world = this.#world;
    const name = `t${this.#names++}`;
    const life: Life = { alive: true };
    const store = new StoredJobs(this.#s3.seenBy(life));
    const putPiece = store.putPiece.bind(store);
    store.putPiece = (id, number, piece) => {
      const [first] = (piece as { readonly events: readonly JobEvent[] }).events;
      if (first?.kind === "claimed") this.#claimsAsked++;
      return putPiece(id, number, piece);
    };
    const open = async () => {
      const directory = join(this.#directory, name);
      await mkdir(directory);
      const trainer: { -readonly [K in keyof Trainer]: Trainer[K] } = {
        ...{ name, life, job: undefined },
        service: undefined as unknown as JobService,
      };
      trainer.service = await beginSharedJobService(
        {
          ...{ directory, store, trainer: name, pollMs, publisher: PUBLISHER },
          runner: this.#runner(life),
          times: { leaseMs, heartbeatMs: leaseMs / SIGNS_PER_LEASE },
          checkSpec() {},
          clock: () => Math.round(world.nowMs),
          steadyClock: () => world.nowMs,
          every: (ms, callback) => world.every(ms, () => life.alive && callback()),
          onDefect: (error) => life.alive && world.failed(error),
          onError: (error) => life.alive && world.failed(error),
        },
        { afterOrderlyEnd: true, announceEnd: async () => {}, release: async () => {} },
      );
      if (life.alive) this.#trainers.add(trainer);
    };
    world.after(world.random() * pollMs, () => void open().catch((error) => world.failed(error)));
  }

  /** Work that only takes time, with a point of its curve now and then and a checkpoint of two small files. */
  #runner(life: Life): JobRunner {
    const { jobMs, checkpointMs } = this.#options;
    const world = this.#world;
    return {
      start: (_, directory, hooks) => {
        const stop = new AbortController();
        const work = async (): Promise<JobOutcome> => {
          // Those that were there from the start are somewhere in their middle.
          const endMs = world.nowMs + jobMs * (world.nowMs < BEGINNING_MS ? world.random() : 0.5 + world.random());
          hooks.phase("validated");
          await world.wait(2000, stop.signal);
          hooks.phase("prepared");
          let checkpointedMs = world.nowMs;
          for (let step = 1; world.nowMs < endMs && life.alive && !stop.signal.aborted; step++) {
            await world.wait(METRICS_MS, stop.signal);
            hooks.event({ ...METRICS, step });
            if (world.nowMs - checkpointedMs < checkpointMs) continue;
            checkpointedMs = world.nowMs;
            const place = join(directory, "work/checkpoints", `step-${String(step).padStart(9, "0")}`);
            await mkdir(place, { recursive: true });
            for (const file of ["parameters", "state"]) await writeFile(join(place, file), `${step} ${file}`);
            hooks.event({ kind: "checkpoint_written", step, bytes: 2, seconds: 0 });
          }
          if (!life.alive) return new Promise(() => {});
          if (stop.signal.aborted) return { kind: "stopped" };
          hooks.phase("trained");
          return { kind: "finished", metrics: { eval_accuracy: 0.9 }, modelDirectory: directory };
        };
        return { done: work(), stop: () => stop.abort(), setYield() {} };
      },
      plan: () => Promise.reject(new Error("nobody plans here")),
      close: async () => {},
    };
  }

  #create(): void {
    const living = [...this.#trainers];
    const asked = living[Math.floor(this.#world.random() * living.length)];
    if (asked === undefined) return;
    const by = `submitter-${this.#jobs % 7}`;
    const metFree = living.some(({ job }) => job === undefined);
    const atMs = this.#world.nowMs;
    const spec: JobSpec = { ...SPEC, seed: this.#jobs++ };
    void asked.service.create("", spec, by).then(
      ({ job }) => this.#createdMs.set(job.id, this.#createdMs.get(job.id) ?? { atMs, metFree }),
      (error) => asked.life.alive && this.#world.failed(error),
    );
  }

  #kill(): void {
    const busy = [...this.#trainers].filter(({ job }) => job !== undefined);
    const victim = busy[Math.floor(this.#world.random() * busy.length)];
    if (victim === undefined) return;
    this.#count.deaths++;
    victim.life.alive = false;
    this.#trainers.delete(victim);
    this.#deadMs.set(victim.job!, this.#world.nowMs);
    this.#start();
  }

  /** Learns from what is written who works on what: the simulation itself asks nobody. */
  #written(key: string, bytes: Uint8Array): void {
    const [folder, id = ""] = key.split("/");
    if (folder !== "job-logs") return;
    const nowMs = this.#world.nowMs;
    const { events } = decodeRecord<{ readonly events: readonly JobEvent[] }>(bytes, "a piece");
    for (const { kind, detail, transition } of events) {
      const deadMs = this.#deadMs.get(id);
      if (kind === "released" && deadMs !== undefined) this.#found.noticed.push(nowMs - deadMs);
      if (kind === "claimed") {
        if (this.#measuring) this.#count.claims++;
        else this.#claimsAsked = 0;
        const owner = [...this.#trainers].find(({ name }) => name === detail?.["trainer"]);
        if (owner !== undefined) owner.job = id;
        const created = this.#createdMs.get(id);
        if (deadMs !== undefined) this.#found.takenOver.push(nowMs - deadMs);
        else if (created?.metFree === true && this.#measuring) this.#found.begun.push(nowMs - created.atMs);
        this.#deadMs.delete(id);
      }
      if (transition !== undefined && ["succeeded", "failed", "cancelled"].includes(transition.to.kind)) {
        if (this.#measuring) this.#count.ended++;
        for (const trainer of this.#trainers) if (trainer.job === id) trainer.job = undefined;
      }
    }
  }
}

const SPEC: JobSpec = {
  ...{ kind: "fine-tune", model: "m", task: "sst-2", init: "", recipe: {}, seed: 1, promote: "manual" },
  ...{ priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {} },
};

const METRICS: Extract<TrainingEvent, { kind: "step_metrics" }> = {
  ...{ step: 0, epoch: 0, loss: 0.5, learningRate: 1e-5, gradNorm: 1, examplesSeen: 1, tokensSeen: 1 },
  ...{ tokensPerSecond: 1, paddingShare: 0, dataWaitShare: 0, residentBytes: 1, metrics: {} },
  kind: "step_metrics",
  etaSeconds: [0, 0],
};
