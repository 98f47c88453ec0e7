import { join, resolve } from "node:path";
import type { Allowances } from "../../access/allowances.ts";
import { programVersion } from "../../config/program-version.ts";
import type { Config } from "../../config/settings.ts";
import { compareVersions } from "../../deployment/comparison/compare-versions.ts";
import { DataFiles } from "../../deployment/data-files.ts";
import { Deployment } from "../../deployment/deployment.ts";
import { wholeData } from "../../deployment/gate/evaluation-data.ts";
import { measuredPrecisionLoss, type PrecisionLoss } from "../../deployment/gate/gate-report.ts";
import { type GateOptions, keepOutcome, runGate } from "../../deployment/gate/run-gate.ts";
import { jobPublisher } from "../../deployment/job-publisher.ts";
import { resolveBelow } from "../../deployment/path-roots.ts";
import { holderOf, Retention } from "../../deployment/retention/retention.ts";
import { storeModel } from "../../deployment/store-model.ts";
import { AlbertError } from "../../errors.ts";
import { ModelService } from "../../gen/albert/v1/models_pb.js";
import { DatasetService, TrainingService } from "../../gen/albert/v1/training_pb.js";
import { checkJobSpec } from "../../jobs/check-job-spec.ts";
import type { Job } from "../../jobs/job.ts";
import { splitRecipe } from "../../jobs/job-recipe.ts";
import type { JobService } from "../../jobs/job-service.ts";
import type { DataSource } from "../../jobs/job-spec.ts";
import { isActive, isTerminal } from "../../jobs/job-state.ts";
import { type JobServiceOptions, openJobService } from "../../jobs/open-job-service.ts";
import { taskOf } from "../../jobs/runner/job-control.ts";
import { checkSources, referenceOf, resolveFromStore } from "../../jobs/runner/resolved-spec.ts";
import { ThreadJobRunner } from "../../jobs/runner/thread-runner.ts";
import { openSharedJobService, sharedJobsDirectory } from "../../jobs/shared/open-shared-job-service.ts";
import { StandbyJobService } from "../../jobs/standby-job-service.ts";
import type { JobReading } from "../../metrics/jobs.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import { makeDirectory } from "../../platform/directories.ts";
import { directoryBytes } from "../../platform/directory-bytes.ts";
import { isUnwritable } from "../../platform/disk-space.ts";
import { defaultHeapBytes, inThread, type ThreadHost } from "../../platform/threads/hosted-thread.ts";
import { defaultProcessBytes, inProcess } from "../../platform/threads/thread-process.ts";
import { everyUnreferenced } from "../../platform/waiting/clock.ts";
import type { AnswerSample } from "../../serving/feedback/answer-sample.ts";
import type { ServableModel } from "../../serving/models/reader.ts";
import type { Serving } from "../../serving/serving.ts";
import { openStore } from "../../store/open-store.ts";
import type { Store } from "../../store/store.ts";
import { Uploads } from "../../store/uploads.ts";
import { versionName } from "../../store/versions.ts";
import type { Tracer } from "../../tracing/span.ts";
import { sweepFeatures } from "../../training/features/feature-cache.ts";
import type { ExecutorOptions } from "../../training/step/training-step.ts";
import type { ServiceRegistrar } from "../grpc/grpc-listener.ts";
import type { ServerLog } from "../log.ts";
import { datasetService } from "./data/dataset-service.ts";
import { openDatasetWork } from "./data/dataset-work.ts";
import { JobLimit } from "./job-limit.ts";
import { openJobPlaces } from "./job-places.ts";
import { modelService } from "./model-service.ts";
import { jobTraces, traceGate } from "./trace-changes.ts";
import { trackRuns } from "./track-runs.ts";
import { trainingService } from "./training-service.ts";

// Opens the store, its deployment and the jobs, and joins them to the services for administrators.

export interface AdminOptions {
  readonly config: Pick<Config, "server" | "store" | "training" | "jobs" | "tracking" | "runtime">;
  readonly log: ServerLog;
  readonly serving: Serving;
  readonly metrics: Pick<Metrics, "jobs" | "store" | "caches" | "canaries">;
  readonly prepareModel: (directory: string) => Promise<ServableModel>;
  /** On what the gate compares: what serves, with the threads of training. */
  readonly gateEngine: GateOptions["engine"];
  readonly executor: ExecutorOptions;
  /** Answers that wait to be judged; none are kept without. */
  readonly sample?: AnswerSample | undefined;
  /** What each caller may do; without, as much as it likes. */
  readonly allowances?: Allowances;
  /** Makes spans of jobs and of the gate; none are made without. */
  readonly tracer?: Tracer;
  /** The one job that this process works on, and then ends; without, it keeps the jobs and works on all. */
  readonly only?: OnlyJob;
}

/** A job of the store that a process is begun for. */
export interface OnlyJob {
  readonly id: string;
  /** Names the process in its claim. */
  readonly trainer: string;
  /** Told when the disk has no room for the job. */
  readonly onNoRoom: () => void;
}

/** What an administrator reaches: the store, what it deploys, and, where this process trains, jobs and their data. */
export interface Admin {
  readonly store: Store;
  readonly deployment: Deployment;
  /** What decides who may change a job; undefined for an unknown one. */
  job(id: string): { readonly model: string; readonly promotes: boolean } | undefined;
  /** What the precision that serves changes in a version's answers; undefined where the gate did not measure it. */
  precisionLoss(name: string, version: string): Promise<PrecisionLoss | undefined>;
  /**
   * The job that this process was begun for, as soon as nothing is to be done for it: it has ended, is paused, or waits for its sweep.
   *
   * @throws AlbertError not-found (JOB_NOT_FOUND), also where it is deleted meanwhile; the signal's reason once that is aborted
   */
  untilAtRest(signal: AbortSignal): Promise<Job>;
  /** Adds the services to a listener. */
  register(services: ServiceRegistrar): void;
  /** Stops jobs at their next step; all else goes on. */
  stopJobs(): Promise<void>;
  /** Stops jobs at their next step, stops following the store, and closes it. */
  close(): Promise<void>;
}

/** Room that a message needs besides the bytes of an upload's chunk. */
const CHUNK_OVERHEAD = 1024;

/**
 * Opens the store and everything that works on it. Jobs that the last process left unfinished go on.
 *
 * @throws AlbertError when the store or the jobs' directory cannot be opened, or another server works on the jobs (JOBS_LOCKED); nothing
 *   stays open
 */
export async function openAdmin(options: AdminOptions): Promise<Admin> {
  const { config, serving, log, metrics, prepareModel, tracer } = options;
  const { role } = config.server;
  const roots = config.training.datasetRoots;
  const resolvePath = (path: string, field = "path") => resolveBelow(roots, path, field);
  const { directory, cacheDirectory } = config.store;
  const store = await openStore(directory, {
    resolvePath,
    onOperation: metrics.store.operated,
    onCacheLookup: metrics.caches.looked,
    ...(cacheDirectory === "" ? {} : { cacheDirectory: resolve(cacheDirectory) }),
  });
  for (const cache of ["versions", "datasets"] as const) metrics.caches.measure(cache, () => store.cacheBytes(cache));
  metrics.caches.measure("features", () => directoryBytes(featureDirectory(config)));
  const data = new DataFiles(store.datasets, roots);
  const live = serving.models;
  const deployment = new Deployment({
    store,
    live,
    serves: role !== "training",
    canaries: {
      ...metrics.canaries,
      decided: (model, decision, version, reason) => {
        metrics.canaries.decided(model, decision);
        log.info({ model, version, decision, reason }, "a canary was decided on");
      },
    },
    pollMs: config.store.pollMs,
    onError: (error, model) => {
      metrics.store.followFailed();
      log.error({ err: error, model }, "the store's champions could not be followed");
    },
    onFallback: (fallback, champion) =>
      log.error(
        { model: champion.model, champion: champion.version, serving: fallback.version },
        "the champion cannot serve: the version before it serves until it can",
      ),
    prepareModel,
  });
  const precisionLoss = (version: { readonly model: string; readonly version: number }) =>
    measuredPrecisionLoss(store.versions, version, config.runtime.precision);
  const gate: GateOptions = {
    store,
    engine: options.gateEngine,
    background: config.training.priority === "low",
    host: threadHost(config.jobs),
    onReport: (report, startedAt) => {
      metrics.store.judged(report.verdict);
      if (tracer !== undefined) traceGate(tracer, report, startedAt);
    },
  };
  let retention: Retention | undefined;
  let jobs: JobService | undefined;
  const trace = tracer === undefined ? () => {} : jobTraces(tracer, () => jobs?.list() ?? []);
  const onChange = () => {
    void retention?.update();
    trace();
  };
  let holder = "";
  try {
    if (role !== "inference") {
      holder = options.only?.trainer ?? (await heldBy(config));
      jobs = await openJobsOrStandBy(options, { store, data, deployment, gate, resolvePath, onChange, holder });
    }
  } catch (error) {
    await jobs?.close();
    await store.close();
    throw error;
  }
  // What a process for one job needs of the store is registered by those that keep the jobs.
  retention = openRetention(options, store, options.only === undefined ? jobs : undefined, holder);
  const uploads = new Uploads({
    directory: join(workDirectory(config), "uploads"),
    datasets: store.datasets,
    maxBytes: config.training.maxDatasetBytes,
  });
  if (jobs !== undefined) {
    const running = jobs;
    metrics.jobs.observe(() => running.list().map(jobReading));
    void sweepUploads(uploads, log);
    void sweepFeatures(featureDirectory(config)).catch((error: unknown) =>
      log.warn({ err: error }, "what interrupted jobs had made of their data could not be removed"),
    );
  }
  const tracking =
    jobs === undefined
      ? undefined
      : trackRuns({
          ...{ config, jobs, store, log, metrics: metrics.jobs },
          ...(options.only === undefined && config.jobs.queue === "own" ? {} : { trainer: holder }),
        });
  // One for all listeners: what one of them lets in counts for the others.
  const jobLimit = jobs === undefined ? undefined : new JobLimit(jobs, options.allowances);
  return {
    store,
    deployment,
    register(services) {
      services.add(
        ModelService,
        modelService({
          store,
          live,
          sample: options.sample,
          deployment,
          importCheckpoint: async (model, path) =>
            storeModel(store, model, await resolveBelow(config.store.checkpointRoots, path, "path")),
          collectGarbage: (dryRun) => retention.collect(dryRun),
          precisionLoss,
          runGate: (request, signal) => validateVersion(request, gate, data, signal),
          compare: async ({ before, after, task, ...source }, signal) => {
            const compared = await wholeData(data, sourceOf(source), "path");
            return compareVersions(gate, { before, after, task: taskOf(task, "task"), data: compared }, signal);
          },
        }),
      );
      if (jobs === undefined || jobLimit === undefined) return;
      services.add(TrainingService, trainingService(jobs, store.datasets, jobLimit));
      services.add(
        DatasetService,
        datasetService({
          store,
          jobs,
          holder,
          uploads,
          maxChunkBytes: config.server.maxMessageBytes - CHUNK_OVERHEAD,
          work: openDatasetWork({
            ...{ data, store, background: gate.background, host: threadHost(config.jobs) },
            directory: join(workDirectory(config), "edits"),
          }),
        }),
      );
    },
    precisionLoss: (model, version) => precisionLoss({ model, version: Number(version) }),
    job(id) {
      const spec = jobs?.list().find((job) => job.id === id)?.spec;
      return spec === undefined ? undefined : { model: spec.model, promotes: spec.promote === "auto-if-better" };
    },
    async untilAtRest(signal) {
      const { id } = options.only!; // promised to nobody else
      const service = jobs!;
      service.get(id);
      for await (const _ of service.watch(id, 0, signal)) if (isAtRest(service.get(id))) break;
      signal.throwIfAborted();
      return service.get(id);
    },
    stopJobs: async () => jobs?.stop(),
    async close() {
      await jobs?.stop();
      await tracking?.close();
      await jobs?.close();
      await retention.close();
      await deployment.close();
      await store.close();
    },
  };
}

/** Whether nothing is to be done for a job, unless somebody says so. */
function isAtRest({ state }: Job): boolean {
  return isTerminal(state) || state.kind === "paused" || state.kind === "held";
}

function jobReading({ spec, state, progress, updatedMs }: Job): JobReading {
  const { step, totalSteps, loss, tokensPerSecond, etaSeconds } = progress;
  const numbers = { step, totalSteps, loss, tokensPerSecond, etaSeconds, updatedMs };
  // What is at work is a sweep's trials: it takes no steps, and may be silent for as long as one of them needs.
  const active = isActive(state) && spec.kind !== "sweep";
  return { kind: spec.kind, model: spec.model, state: state.kind, active, ...numbers };
}

/** An upload without a new chunk for this long is removed. */
const ABANDONED_UPLOAD_MS = 7 * 86_400_000;

async function sweepUploads(uploads: Uploads, log: ServerLog): Promise<void> {
  try {
    const removed = await uploads.sweep(ABANDONED_UPLOAD_MS);
    if (removed.length > 0) log.info({ uploads: removed }, "removed uploads that were not continued for a week");
  } catch (error) {
    log.warn({ err: error }, "old uploads could not be removed");
  }
}

interface JobParts {
  readonly store: Store;
  readonly data: DataFiles;
  readonly deployment: Deployment;
  readonly gate: GateOptions;
  readonly resolvePath: (path: string, field?: string) => Promise<string>;
  readonly onChange: () => void;
  /** Names this server in the store as long as its directory stays. */
  readonly holder: string;
}

/** The name under which this server's directory is known in the store. */
async function heldBy(config: Pick<Config, "store" | "training">): Promise<string> {
  const directory = workDirectory(config);
  try {
    await makeDirectory(directory);
    return await holderOf(directory);
  } catch (error) {
    if (!isUnwritable(error)) throw error;
    return ""; // without it this server announces no needs of its jobs, of which it has none yet
  }
}

function openRetention(
  { config, serving, log, metrics, only }: AdminOptions,
  store: Store,
  jobs: JobService | undefined,
  holder: string,
): Retention {
  const { keepVersions, keepAliasChanges } = config.store;
  return new Retention({
    store,
    live: serving.models,
    ...(jobs === undefined ? {} : { jobs: { list: () => jobs.list(), holder } }),
    keepVersions,
    keepAliasChanges,
    intervalMs: only === undefined ? config.store.collectMs : 0,
    onCollected: ({ removedVersions, removedBlobs, freedBytes }) => {
      if (removedBlobs === 0 && removedVersions.length === 0) return;
      metrics.store.collected(removedVersions.length, removedBlobs, freedBytes);
      const versions = removedVersions.map(versionName);
      log.info({ versions, blobs: removedBlobs, bytes: freedBytes }, "removed what nothing refers to");
    },
    onError: (error) => log.error({ err: error }, "what nothing keeps in the store could not be removed"),
  });
}

/**
 * Jobs, or where their disk cannot be written what stands in for them until it can: serving needs no write. A server that
 * only trains has nothing else to do, and does not start.
 */
async function openJobsOrStandBy(options: AdminOptions, parts: JobParts): Promise<JobService> {
  const { log, config } = options;
  try {
    return await openJobs(options, parts);
  } catch (cause) {
    if (!isUnwritable(cause) || config.server.role === "training") throw cause;
    log.error({ err: cause }, "the jobs' directory cannot be written: this server serves, and trains once it can");
    return new StandbyJobService({
      cause,
      open: () => openJobs(options, parts),
      every: everyUnreferenced,
      onAttempt: (error) => {
        if (error === undefined) log.info({}, "the jobs' directory can be written again: jobs go on");
        else if (!isUnwritable(error)) log.error({ err: error }, "the jobs cannot be opened");
      },
    });
  }
}

/** What jobs have made of their data, for jobs on the same. */
function featureDirectory(config: Pick<Config, "store" | "training">): string {
  return join(workDirectory(config), "features");
}

async function openJobs({ config, serving, log, executor, only }: AdminOptions, parts: JobParts): Promise<JobService> {
  const { store, resolvePath, gate } = parts;
  const directory = workDirectory(config);
  const cache = featureDirectory(config);
  const resolveSpec = resolveFromStore({ store, cache, executor, program: programVersion(), resolvePath });
  const { queue, leaseMs, atWorkPerSubmitter, retentionDays } = config.jobs;
  const common: Omit<JobServiceOptions, "directory"> = {
    lock: {
      onWait: (holder) =>
        log.warn({ host: holder?.host, pid: holder?.pid }, "waiting to see whether another server works on the jobs"),
      onLost: (error) =>
        log.error({ err: error }, "this server was silent for so long that another has taken its jobs"),
    },
    runner: new ThreadJobRunner(resolveSpec, {
      background: config.training.priority === "low",
      host: threadHost(config.jobs),
    }),
    publisher: jobPublisher({ ...gate, ...parts }),
    startOf: async (spec) => {
      if (splitRecipe(spec, "spec.recipe.").own.randomInit !== undefined) return undefined;
      return versionName(await store.resolve(...referenceOf(spec)));
    },
    checkSpec: async (spec) => {
      checkJobSpec(spec);
      await checkSources(spec, parts);
    },
    pressure: { predictedWaitMs: () => serving.scheduler.predictedWaitMs(), boundMs: config.training.yieldMs },
    onChange: parts.onChange,
    onDamaged: (error, jobId, aside) =>
      log.error({ err: error, job: jobId, aside }, "a job's record is damaged: it was set aside, the others go on"),
    onDefect: (error, jobId) => {
      if (error instanceof AlbertError && error.reason === "JOB_CLAIM_LOST")
        log.warn({ err: error, job: jobId }, "another server has taken over the job that this one worked on");
      else log.error({ err: error, job: jobId }, "a job failed in an unexpected way");
    },
    ...{ atWorkPerSubmitter, retentionMs: retentionDays * DAY_MS },
  };
  if (queue === "own" && only === undefined) return openJobService({ ...common, directory: join(directory, "jobs") });
  const places = only === undefined ? await openJobPlaces(config.jobs, log) : undefined;
  const opened = openSharedJobService({
    ...common,
    directory: sharedJobsDirectory(directory),
    store: store.jobs,
    trainer: parts.holder,
    ...(places === undefined ? {} : { places, takes: () => false }),
    ...(only === undefined ? {} : { takes: ({ id }) => id === only.id, onNoRoom: () => only.onNoRoom() }),
    times: { leaseMs, heartbeatMs: leaseMs / SIGNS_PER_LEASE },
    pollMs: config.store.pollMs,
    onError: (error) => log.error({ err: error }, "the queue of jobs could not be looked at; it is tried again"),
  });
  return opened.catch(async (error: unknown) => {
    await places?.close();
    throw error;
  });
}

const DAY_MS = 86_400_000;
/** Signs of life that a server gives in the time after which it is taken for gone. */
const SIGNS_PER_LEASE = 5;

async function validateVersion(
  request: { model: string; version: number; task: string; dataset: string; path: string },
  gate: GateOptions,
  data: DataFiles,
  signal: AbortSignal,
) {
  const { versions } = gate.store;
  const task = taskOf(request.task, "task");
  const candidate = await versions.get(request.model, request.version);
  const outcome = await runGate(
    gate,
    { candidate, task, data: await wholeData(data, sourceOf(request), "path") },
    signal,
  );
  await keepOutcome(gate.store, candidate, outcome);
  return outcome.report;
}

function sourceOf({ dataset, path }: { readonly dataset: string; readonly path: string }): DataSource {
  return dataset === "" ? { kind: "path", path } : { kind: "dataset", digest: dataset };
}

/** Where jobs, the gate and validations run, and the memory of each. */
function threadHost({ isolation, heapBytes, memoryBytes }: Config["jobs"]): ThreadHost {
  const heap = { heapBytes: heapBytes > 0 ? heapBytes : defaultHeapBytes() };
  if (isolation === "thread") return inThread(heap);
  return inProcess({ ...heap, memoryBytes: memoryBytes > 0 ? memoryBytes : defaultProcessBytes() });
}

/** Where jobs and uploads live: next to the store's own files unless the configuration says otherwise. */
function workDirectory({ store, training }: Pick<Config, "store" | "training">): string {
  return resolve(training.directory === "" ? store.directory : training.directory);
}
