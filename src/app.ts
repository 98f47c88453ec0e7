import { indexFile } from "./config/index-files.ts";
import { programVersion } from "./config/program-version.ts";
import type { Config, RuntimeConfig } from "./config/settings.ts";
import { createMetrics, type Metrics } from "./metrics/metrics.ts";
import { isUnwritable } from "./platform/disk-space.ts";
import { SerialQueue } from "./platform/serial-queue.ts";
import { sweepTemporaryDirectories } from "./platform/temporary-directories.ts";
import type { DeviceKind, Engine } from "./runtime/engine.ts";
import { findOpenVino } from "./runtime/openvino/find-library.ts";
import type { OpenVinoPlaces } from "./runtime/openvino/openvino-session.ts";
import { openEngine, type RunningOptions } from "./runtime/packed-engine.ts";
import { DeviceTiming } from "./runtime/profile/device-timing.ts";
import { ProfileCache } from "./runtime/profile/profile-cache.ts";
import { chooseDevice, likelyDevices, probeDevices, servingDevices } from "./runtime/session/devices.ts";
import { ServedIndexes } from "./search/served/served-indexes.ts";
import { openAllowances } from "./server/access/limit-calls.ts";
import { type OpenAccess, openAccess } from "./server/access/open-access.ts";
import { type Admin, type OnlyJob, openAdmin } from "./server/admin/open-admin.ts";
import { followHealth } from "./server/health/follow-models.ts";
import type { ServedPrecision } from "./server/inference/models.ts";
import { inferenceService } from "./server/inference/service.ts";
import { InferenceServer, type ServerAddresses } from "./server/inference-server.ts";
import { logIncidents, type ServerLog } from "./server/log.ts";
import { openInferenceService } from "./server/open-inference/service.ts";
import { searchService } from "./server/search/service.ts";
import { Certificates } from "./server/tls/certificates.ts";
import { AnswerSample } from "./serving/feedback/answer-sample.ts";
import { judgeable } from "./serving/feedback/judgeable.ts";
import { openAll, tryAgain } from "./serving/given-models.ts";
import type { ServableModel } from "./serving/models/reader.ts";
import { ModelReader } from "./serving/models/reader.ts";
import { UNKNOWN_VERSION } from "./serving/models/registry.ts";
import { Serving } from "./serving/serving.ts";
import { traceSwaps } from "./serving/trace-swaps.ts";
import { openTracing } from "./tracing/open-telemetry.ts";
import type { Tracer } from "./tracing/span.ts";

// The composition root: opens the parts of a server in order, connects them, and closes them in reverse.

/** What the program is made from. */
export interface AppOptions {
  readonly config: Config;
  readonly log: ServerLog;
  /** Opens the engine of a model. ONNX Runtime on the configured device unless given. */
  readonly openEngine?: (model: ServableModel) => Promise<Engine>;
  /** What spans are made with where the configuration wants them; OpenTelemetry unless given. */
  readonly tracer?: Tracer;
  /** Called as soon as it listens, while models are still on their way: from then on there is something to drain. */
  readonly onListening?: (app: Pick<App, "close">) => void;
}

/** A model to serve from a directory, under a name. */
export interface ModelToServe {
  readonly name: string;
  readonly directory: string;
}

/** Name of the only version of a model that is served straight from a directory. */
const DIRECTORY_VERSION = "1";

/** Everything that answers requests, without anything that listens. */
export function createInference(
  { config, log, openEngine }: AppOptions,
  devices: () => Promise<readonly DeviceKind[]> = configuredDevices(config),
  lossOf: ServedPrecision["lossOf"] = async () => undefined,
) {
  const metrics = createMetrics(programVersion());
  const profiles = new ProfileCache((hit) => metrics.caches.looked("measurements", hit));
  const engines = (options: Pick<RunningOptions, "background" | "calibrationMs">) =>
    engineFactory(config.runtime, log, { ...options, profiles });
  const sample = answerSample(config.feedback);
  const serving = new Serving({
    config: config.serving,
    ...(sample === undefined
      ? {}
      : {
          onAnswered: (request, answered, version) => {
            const answer = judgeable(request, answered, version);
            if (answer !== undefined) sample.offer(answer);
          },
        }),
    ...(openEngine === undefined
      ? { openEngine: engines({}), openDryRunEngine: engines({ background: true, calibrationMs: 0 }) }
      : { openEngine }),
    metrics,
    onError: (error) => log.warn({ err: error }, "a shadow version failed a request"),
  });
  const isServing = () => serving.models.ready;
  const reader = new ModelReader(isServing, deviceTiming(config.runtime, log, isServing));
  const prepareModel = async (directory: string) =>
    reader.prepare(directory, { devices: await devices(), precision: config.runtime.precision });
  const handlers = inferenceService({
    serving,
    limits: { ...config.inputs, maxMessageBytes: config.server.maxMessageBytes },
    precision: { precision: config.runtime.precision, lossOf },
    maxQueueMs: config.serving.maxQueueMs,
    logIncident: logIncidents(log),
  });
  const openInference = (ready: () => boolean) =>
    openInferenceService({
      ...{ serving, calls: handlers, ready, version: programVersion() },
      limits: config.inputs,
      maxQueueMs: config.serving.maxQueueMs,
      logIncident: logIncidents(log),
    });
  const search = (indexes: ServedIndexes) => {
    const { maxChars, maxWindows } = config.inputs;
    const limits = { maxCharacters: maxChars, maxWindows };
    return searchService({ serving, indexes, metrics: metrics.indexes, limits, maxQueueMs: config.serving.maxQueueMs });
  };
  return {
    metrics,
    serving,
    sample,
    handlers,
    openInference,
    search,
    prepareModel,
    /** Points a name at the model of a directory. */
    serve: async ({ name, directory }: ModelToServe) => {
      await serving.models.swap({ name, version: DIRECTORY_VERSION, open: () => prepareModel(directory) });
    },
    close: async () => {
      await serving.close();
      reader.close();
      metrics.close();
    },
  };
}

/** Where answers are kept to be judged; undefined where none are. */
function answerSample({ answers, maxAgeHours, maxChars }: Config["feedback"]): AnswerSample | undefined {
  return answers === 0 ? undefined : new AnswerSample({ most: answers, maxAgeMs: maxAgeHours * 3_600_000, maxChars });
}

/** The devices that models may run on, which are looked for once, when they are first needed. */
export function configuredDevices({ runtime }: Config): () => Promise<readonly DeviceKind[]> {
  let devices: Promise<readonly DeviceKind[]> | undefined;
  const hasOpenVino = () => runtime.openvinoLibrary !== "" || findOpenVino() !== undefined;
  // int8 is for the processor; a card that was named with it was refused with the configuration.
  const likely = runtime.precision === "int8" ? (["cpu"] as const) : likelyDevices();
  return () => {
    const probe = (kinds: readonly DeviceKind[]) => probeDevices(kinds, openVinoPlaces(runtime));
    devices ??= servingDevices(runtime.device, probe, hasOpenVino, likely);
    return devices;
  };
}

/** Chooses among several devices for each shape of model, and says in the log what it measured. */
function deviceTiming(runtime: RuntimeConfig, log: ServerLog, isServing: () => boolean): DeviceTiming {
  const options = { ...sessionOptions(runtime), calibrationMs: 0 };
  return new DeviceTiming({
    openEngine: (model) => openEngine(model, { ...options, background: isServing() }),
    onChosen: ({ device, times }, { config: { numHiddenLayers, hiddenSize } }) => {
      const found = times.map((each) => `${each.device} ${"ms" in each ? `${each.ms} ms` : `failed: ${each.reason}`}`);
      const shape = `${numHiddenLayers} layers of ${hiddenSize}`;
      log.info({ device, times }, `models of ${shape} run on ${device} (${found.join(", ")} for the same batches)`);
    },
  });
}

/** How every session is opened. */
function sessionOptions(runtime: RuntimeConfig): Pick<RunningOptions, "threads" | "openVino"> {
  const openVino = openVinoPlaces(runtime);
  return runtime.intraThreads > 0 ? { threads: runtime.intraThreads, openVino } : { openVino };
}

function openVinoPlaces({ openvinoLibrary, openvinoCacheDirectory }: RuntimeConfig): OpenVinoPlaces {
  return {
    ...(openvinoLibrary === "" ? {} : { library: openvinoLibrary }),
    ...(openvinoCacheDirectory === "" ? {} : { cacheDirectory: openvinoCacheDirectory }),
  };
}

/** Sessions with the configured threads, on what each model was prepared for. */
function engineFactory(
  runtime: RuntimeConfig,
  log: ServerLog,
  options: Pick<RunningOptions, "background" | "calibrationMs" | "profiles">,
): (model: ServableModel) => Promise<Engine> {
  const session = sessionOptions(runtime);
  return (model) => {
    const onWorkerLost = (reason: string) =>
      log.error({ model: model.manifest.name, reason }, "a session's worker is being replaced");
    return openEngine(model, { ...session, onWorkerLost, ...options });
  };
}

/** A running program. */
export interface App {
  readonly addresses: ServerAddresses;
  readonly serving: Serving;
  readonly indexes: ServedIndexes;
  readonly metrics: Metrics;
  /**
   * Shuts down in the reverse order of opening. Always ends.
   *
   * @returns whether every call finished by itself
   */
  close(drainDelayMs?: number): Promise<boolean>;
}

/**
 * Builds and starts the whole program: listens first, so that health can be asked from the first moment, then loads the
 * models, reading one while another is built. With a store, the given models are put into it, and its champions serve. A model that does not
 * come up is reported and tried again while the others serve.
 *
 * @throws AlbertError when an address is taken or no model at all can be served; nothing stays open
 */
export async function startApp(options: AppOptions, models: readonly ModelToServe[]): Promise<App> {
  const { config, log } = options;
  const devices = configuredDevices(config);
  // Found while the rest starts; the first part that needs it gets the error.
  if (options.openEngine === undefined) devices().catch(() => {});
  void sweep(log);
  if (config.serving.patienceMs > 0) log.warn({}, "serving.patience_ms is deprecated: call it serving.aging_ms");
  let admin: Admin | undefined;
  const inference = createInference(options, devices, async (name, version) => admin?.precisionLoss(name, version));
  const { serving, metrics, handlers, openInference, search } = inference;
  const live = serving.models;
  const allowances = openAllowances(config.limits, metrics.calls.limited);
  const indexes = servedIndexes(options, metrics);
  let server: InferenceServer | undefined;
  let tracer: Tracer | undefined;
  let certificates: Certificates | undefined;
  let access: OpenAccess | undefined;
  const watching = new AbortController();
  // Before anything listens: a caller must not be told that a model which is still on its way does not exist.
  const endStartup = live.beginStartup();
  let closing: Promise<boolean> | undefined;
  const close = (drainDelayMs?: number) => {
    closing ??= closeAll(drainDelayMs);
    return closing;
  };
  const closeAll = async (drainDelayMs?: number) => {
    // A job has as long as calls have to come to the end of its step and to write its checkpoint.
    admin?.stopJobs().catch((error: unknown) => log.error({ err: error }, "jobs could not be stopped"));
    const clean = (await server?.close(drainDelayMs)) ?? true;
    watching.abort();
    certificates?.close();
    await access?.close();
    await admin?.close();
    await indexes.close();
    await inference.close();
    await tracer?.close();
    return clean;
  };
  try {
    if (config.tracing.exporter === "otlp") {
      tracer = options.tracer ?? (await openTracing({ version: programVersion() }));
      traceSwaps(live, tracer, watching.signal);
    }
    if (config.tls.certificateFile !== "") certificates = await Certificates.open(config.tls, log);
    if (config.store.directory !== "") admin = await openStoreOf(options, inference, { devices, tracer, allowances });
    access = await openAccess(
      config.auth,
      { defaultModel: (asked) => live.defaultName(asked), job: (id) => admin?.job(id) },
      log,
    );
    server = await InferenceServer.open({
      config,
      metrics,
      log,
      allowances,
      ...(config.server.role === "training" ? {} : { inference: handlers, openInference, search: search(indexes) }),
      ...(admin === undefined ? {} : { admin }),
      ...(certificates === undefined ? {} : { certificates }),
      ...(tracer === undefined ? {} : { tracer }),
      ...(access === undefined ? {} : { access: access.access }),
    });
    options.onListening?.({ close });
    // A server that only trains answers administrators from the moment it listens.
    const isReady = () => config.server.role === "training" || live.ready;
    const updateHealth = followHealth(live, isReady, server.health, metrics, watching.signal, log);
    await Promise.all([openModels(options, models, inference, admin, watching.signal), indexes.begin()]);
    endStartup();
    updateHealth();
  } catch (error) {
    await close(0);
    throw error;
  }
  return { addresses: server.addresses, serving, indexes, metrics, close };
}

/** The indexes to answer from. One that cannot be read is told in the log, and tried again. */
function servedIndexes({ config, log }: Pick<AppOptions, "config" | "log">, { indexes }: Metrics): ServedIndexes {
  return new ServedIndexes(config.search.indexes.map(indexFile), {
    onChange: ({ name, summary }) => {
      indexes.serves(name, summary?.passages ?? 0);
      if (summary === undefined) return;
      log.info({ index: name, digest: summary.digest, passages: summary.passages }, "a search index answers");
    },
    onError: (name, error) =>
      log.error({ err: error, index: name }, "a search index cannot be read; the others answer, it is tried again"),
  });
}

/**
 * Brings up the given models, with a store also what else it has. One that fails is NOT_SERVING by its name and tried again.
 *
 * @throws AlbertError of the first given model that failed, where nothing serves at all
 */
async function openModels(
  { log }: Pick<AppOptions, "log">,
  models: readonly ModelToServe[],
  { serving, serve }: Pick<ReturnType<typeof createInference>, "serving" | "serve">,
  admin: Admin | undefined,
  signal: AbortSignal,
): Promise<void> {
  serving.models.expect(models.map(({ name }) => name));
  const seeds = new SerialQueue();
  const open = admin === undefined ? serve : (model: ModelToServe) => seeds.run(() => seed(admin, model, log));
  const failed = await openAll(models, open);
  await admin?.deployment.start();
  const [first] = failed.values();
  if (first !== undefined && !serving.models.list().some(({ current }) => current !== undefined)) throw first;
  const report = (model: ModelToServe, error: unknown) => {
    log.error(
      { err: error, model: model.name },
      "a model cannot be served as given; the others serve, it is tried again",
    );
    if (admin === undefined) return; // what serves models knows of the failure
    void serving.models.reportUnreadable(model.name, UNKNOWN_VERSION, error);
  };
  const openLater = async (model: ModelToServe) => {
    await open(model);
    log.info({ model: model.name }, "a model that could not be served before came up");
    if (admin === undefined) return;
    await serving.models.unload(model.name, UNKNOWN_VERSION);
    admin.deployment.follow(model.name);
  };
  for (const [model, error] of failed) {
    report(model, error);
    void tryAgain(model, { open: openLater, onFailure: report, signal });
  }
}

/** Puts a model into the store, unless that cannot be written: then what the store has of it serves. */
async function seed({ deployment }: Admin, { name, directory }: ModelToServe, log: ServerLog): Promise<void> {
  try {
    await deployment.seed(name, directory);
  } catch (error) {
    if (!isUnwritable(error)) throw error;
    log.error({ err: error, model: name }, "the store cannot be written: what it has of this model serves");
  }
}

/** What the store's part needs of what was opened before it. */
interface OpenedBefore {
  readonly devices: () => Promise<readonly DeviceKind[]>;
  readonly tracer?: Tracer | undefined;
  readonly allowances?: ReturnType<typeof openAllowances>;
  readonly only?: OnlyJob;
}

/** The store and all that works on it; training and the gate run on the first device that may serve, with their own threads. */
export async function openStoreOf(
  { config, log }: AppOptions,
  { serving, sample, metrics, prepareModel }: ReturnType<typeof createInference>,
  { devices, tracer, allowances, only }: OpenedBefore,
): Promise<Admin> {
  const { threads } = config.training;
  const firstDevice = async () => (await devices())[0]!; // there is always one
  const limit = threads > 0 ? { threads } : {};
  return openAdmin({
    config,
    log,
    serving,
    sample,
    metrics,
    prepareModel,
    gateEngine: async () => ({
      device: await firstDevice(),
      precision: config.runtime.precision,
      openVino: openVinoPlaces(config.runtime),
      ...limit,
    }),
    executor: {
      kind: "onnx",
      device: await trainingDevice(config, firstDevice),
      precision: config.training.precision,
      openVino: openVinoPlaces(config.runtime),
      ...limit,
    },
    ...(allowances === undefined ? {} : { allowances }),
    ...(tracer === undefined ? {} : { tracer }),
    ...(only === undefined ? {} : { only }),
  });
}

/** Where jobs train. OpenVINO, whose numbers differ in the last bits, must be named: a job ends in the same bytes wherever that is installed. */
async function trainingDevice(
  { training, runtime }: Config,
  firstDevice: () => Promise<DeviceKind>,
): Promise<DeviceKind> {
  const named = training.device;
  if (named !== "auto") {
    return chooseDevice(named, (kinds) => probeDevices(kinds, openVinoPlaces(runtime)));
  }
  const device = await firstDevice();
  return device === "openvino" ? "cpu" : device;
}

/** Removes what processes that were killed left in the directory for temporary files; serving does not depend on it. */
async function sweep(log: ServerLog): Promise<void> {
  try {
    const removed = await sweepTemporaryDirectories();
    if (removed.length > 0) log.info({ directories: removed }, "removed temporary files of processes that are gone");
  } catch (error) {
    log.warn({ err: error }, "temporary files of processes that are gone could not be removed");
  }
}
