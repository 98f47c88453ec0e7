import { AlbertError } from "../../errors.ts";
import type { Job } from "../job.ts";
import { isTerminal } from "../job-state.ts";
import type { JobPlaces, PlacedJobs } from "../shared/open-shared-job-service.ts";
import type { Cluster, ClusterObjects } from "./cluster.ts";
import { decidePlaces, isPodOf, type Move, type PlaceRules, podEvent } from "./decide-places.ts";
import { type JobTemplate, manifestOf, nameOf } from "./job-template.ts";

// Gives each job of a queue its pod in a cluster. It decides where a process runs that takes the job, and nothing else: the pod claims
// the job, works on it and writes its log like any server of the queue.

export interface KubernetesPlacesOptions extends Omit<PlaceRules, "except" | "knownClaims"> {
  readonly cluster: Cluster;
  readonly template: JobTemplate;
  /** Milliseconds since some fixed moment; never set. */
  readonly steadyClock?: () => number;
  /** Before a cluster is asked again that could not be, or a Job offered again that it refused, in milliseconds. */
  readonly retryMs?: number;
  /** Told once when the cluster cannot be asked, with why, and undefined once it can be again. */
  readonly onReach: (error: unknown) => void;
  /** Told of a Job that was made. */
  readonly onCreated?: (name: string, job: Job) => void;
}

/** The cluster is read anew after so long, whatever it told of changes, in milliseconds. */
const READ_MS = 10_000;
/** How long a refusal or a silence of the cluster is left alone unless given, in milliseconds. */
const RETRY_MS = 5000;

export class KubernetesPlaces implements JobPlaces {
  readonly #options: KubernetesPlacesOptions;
  readonly #clock: () => number;
  /** As last read; undefined where that is to be done anew. */
  #objects: ClusterObjects | undefined;
  #readMs = 0;
  /** See `PlaceRules.knownClaims`. */
  #knownClaims: ReadonlyMap<string, number> = new Map();
  /** Jobs that the cluster refused, and when they may be offered again. */
  readonly #refused = new Map<string, number>();
  readonly #pauseMs: number;
  #retryMs = 0;
  #failed = false;
  #tending: Promise<void> | undefined;
  #closed = false;

  constructor(options: KubernetesPlacesOptions) {
    this.#options = options;
    this.#pauseMs = options.retryMs ?? RETRY_MS;
    this.#clock = options.steadyClock ?? (() => performance.now());
  }

  /** Says that something changed in the cluster. */
  readonly noteChange = (): void => {
    this.#objects = undefined;
  };

  tend(jobs: PlacedJobs): void {
    if (this.#closed || this.#clock() < this.#retryMs) return;
    this.#tending ??= this.#tend(jobs)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#tending = undefined;
      });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.cluster.close();
    await this.#tending;
  }

  async #tend(jobs: PlacedJobs): Promise<void> {
    const objects = await this.#read(jobs);
    const nowMs = this.#clock();
    for (const [id, untilMs] of this.#refused) if (untilMs <= nowMs) this.#refused.delete(id);
    const moves = decidePlaces(jobs.list(), objects, {
      ...this.#options,
      except: new Set(this.#refused.keys()),
      knownClaims: this.#knownClaims,
    });
    for (const move of moves) {
      if (this.#closed) return;
      await this.#make(move, jobs);
    }
    if (this.#failed) this.#options.onReach(undefined);
    this.#failed = false;
  }

  /**
   * The cluster, and after it the jobs: so what the cluster shows of a job is never newer than what is known of the job, and a Job
   * whose job has just ended is not taken for one that ended too soon.
   */
  async #read(jobs: PlacedJobs): Promise<ClusterObjects> {
    const nowMs = this.#clock();
    if (this.#objects !== undefined && nowMs - this.#readMs < READ_MS && !this.#missesOwner(jobs)) return this.#objects;
    const claims = jobs
      .list()
      .flatMap(({ id, owner, generation = 0 }) => (owner === undefined ? [] : [[id, generation] as const]));
    const reading: ClusterObjects = { jobs: [], pods: [] };
    this.#objects = reading; // a change from now on wants another reading
    const objects = await this.#options.cluster.read();
    await jobs.lookAnew();
    this.#knownClaims = new Map(claims);
    this.#readMs = nowMs;
    if (this.#objects === reading) this.#objects = objects;
    return objects;
  }

  /** Whether a pod claimed a job that was not there when the cluster was read. */
  #missesOwner(jobs: PlacedJobs): boolean {
    const pods = new Set(this.#objects?.pods.map(({ metadata }) => metadata.name));
    const { queue } = this.#options;
    return jobs
      .list()
      .some(
        (job) =>
          job.owner !== undefined &&
          !isTerminal(job.state) &&
          isPodOf(job.owner.trainer, nameOf(job, queue)) &&
          !pods.has(job.owner.trainer),
      );
  }

  async #make(move: Move, jobs: PlacedJobs): Promise<void> {
    const { cluster } = this.#options;
    switch (move.kind) {
      case "create":
        return this.#create(move.job, jobs);
      case "remove-orphan":
        if (move.jobId !== "" && (await jobs.exists(move.jobId))) return;
        this.noteChange();
        return cluster.remove(move.place);
      case "remove":
        this.noteChange();
        return cluster.remove(move.place);
      case "write":
        await this.#write(move.job.id, move.decide, jobs);
        return;
    }
  }

  async #create(job: Job, jobs: PlacedJobs): Promise<void> {
    const { cluster, template, queue, kueue, onCreated } = this.#options;
    const name = nameOf(job, queue);
    this.noteChange();
    try {
      if (!(await cluster.create(manifestOf(template, job, { queue, kueue })))) return;
      const summary = `runs in a pod: its Job is ${name} in the namespace ${cluster.namespace}`;
      await this.#write(job.id, () => [podEvent(name, undefined, { reason: "Created", summary })], jobs);
      onCreated?.(name, job);
    } catch (error) {
      if (!(error instanceof AlbertError) || error.reason !== "CLUSTER_REFUSED") throw error;
      this.#refused.set(job.id, this.#clock() + this.#pauseMs);
      const event = podEvent(name, undefined, {
        reason: "Refused",
        summary: `no Job could be made for it: ${error.message}`,
      });
      await this.#write(job.id, (now) => (now.pod === event.detail.mark ? undefined : [event]), jobs);
    }
  }

  /** A job that was deleted meanwhile has no log to write to. */
  async #write(id: string, decide: Parameters<PlacedJobs["write"]>[1], jobs: PlacedJobs): Promise<void> {
    try {
      await jobs.write(id, decide);
    } catch (error) {
      if (!(error instanceof AlbertError) || error.reason !== "JOB_NOT_FOUND") throw error;
    }
  }

  #fail(error: unknown): void {
    this.#objects = undefined;
    this.#retryMs = this.#clock() + this.#pauseMs;
    if (this.#failed || this.#closed) return;
    this.#failed = true;
    this.#options.onReach(error);
  }
}
