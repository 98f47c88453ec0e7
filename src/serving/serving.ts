import type { ServingConfig } from "../config/settings.ts";
import { AlbertError } from "../errors.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Stage } from "../metrics/requests.ts";
import { type Clock, systemClock } from "../platform/waiting/clock.ts";
import type { Engine } from "../runtime/engine.ts";
import type { TaskPlan } from "../tasks/plan.ts";
import { type Decision, decisionOf, modelTests, subjectOf, type TaskKind } from "../tasks/task-request.ts";
import type { Answered, AnswerRequest, ServedMeta, Timings } from "./answer.ts";
import { requestKey } from "./cache/request-key.ts";
import { ResponseCache } from "./cache/response-cache.ts";
import { deadlinePassed, draining } from "./errors.ts";
import type { LoadedVersion } from "./models/loaded-version.ts";
import { type MemoryReading, readMemory } from "./models/memory.ts";
import type { ServableModel } from "./models/reader.ts";
import { ModelRegistry } from "./models/registry.ts";
import type { ModelSelector, VersionRef } from "./models/selection.ts";
import { EventLoopBudget } from "./scheduler/event-loop-budget.ts";
import { Quarantine } from "./scheduler/quarantine.ts";
import { runInParts } from "./scheduler/run-in-parts.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import type { Work, WorkTiming } from "./scheduler/work.ts";
import { Texts } from "./texts/texts.ts";
import { traceStages } from "./trace-stages.ts";
import type { Trial } from "./traffic/canary-trials.ts";

// Takes one request through the room: version, place, plan, queue, answer, and the time of each. It takes plain data and
// knows no protocol.

export interface ServingOptions {
  readonly config: ServingConfig;
  /** Builds the engine of a version: session, device, measured token budget. */
  readonly openEngine: (model: ServableModel) => Promise<Engine>;
  /** Builds an engine on which a version is tried out while others serve; see `VersionLoaderOptions`. */
  readonly openDryRunEngine?: (model: ServableModel) => Promise<Engine>;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  readonly memory?: () => MemoryReading;
  /** In [0, 1). */
  readonly random?: () => number;
  /** Told of each answer, after it was made; it must be quick. */
  readonly onAnswered?: (request: AnswerRequest, answered: Answered<TaskKind>, version: LoadedVersion) => void;
  /** Receives errors that belong to no request, such as a shadow version's. */
  readonly onError?: (error: unknown) => void;
}

/** Label of requests that name no model that is loaded, so that callers cannot invent label values. */
const NO_MODEL = "_OTHER";

/** Shadow requests that may wait; beyond it a request is simply not shadowed. */
const MAX_SHADOWS = 16;

/**
 * Answers inference requests: finds the version, admits, tokenises, schedules, post-processes, and measures each of
 * these. Unary calls, streams and batches all come through `answer`, so that they share bounds, errors and metrics.
 */
export class Serving {
  readonly models: ModelRegistry;
  readonly scheduler: Scheduler;
  readonly quarantine: Quarantine;
  readonly texts: Texts;
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #eventLoop: EventLoopBudget;
  /** Absent where no answers are kept. */
  readonly #cache: ResponseCache | undefined;
  readonly #onAnswered: ServingOptions["onAnswered"];
  readonly #onError: (error: unknown) => void;

  constructor(options: ServingOptions) {
    const { config, metrics, clock = systemClock, random = Math.random, memory = readMemory } = options;
    this.#metrics = metrics;
    this.#clock = clock;
    this.#eventLoop = new EventLoopBudget(clock);
    this.texts = new Texts(clock, this.#eventLoop);
    this.#onAnswered = options.onAnswered;
    this.#onError = options.onError ?? (() => undefined);
    const { cacheBytes: maxBytes, cacheAgeMs: maxAgeMs } = config;
    this.#cache =
      maxBytes === 0 ? undefined : new ResponseCache({ maxBytes, maxAgeMs, clock, metrics: metrics.responseCache });
    this.quarantine = new Quarantine(clock, config.quarantineMs);
    const limits = { ...config, agingMs: config.patienceMs > 0 ? config.patienceMs : config.agingMs };
    this.scheduler = new Scheduler({ clock, limits, metrics, quarantine: this.quarantine, random });
    const { openEngine, openDryRunEngine } = options;
    const { scheduler } = this;
    this.models = new ModelRegistry({
      ...{ config, scheduler, openEngine, metrics, clock, memory, random },
      ...(openDryRunEngine === undefined ? {} : { openDryRunEngine }),
    });
  }

  /**
   * Answers one request, on the version that the selector names at this moment.
   *
   * @throws AlbertError as docs/errors.md lists; anything else is a bug
   */
  async answer<K extends TaskKind>(request: AnswerRequest<K>): Promise<Answered<K>> {
    const { requests } = this.#metrics;
    const receivedAt = request.receivedAt ?? this.#clock.now();
    const progress: Progress = { stage: "receive" };
    requests.started(request.task);
    try {
      const answered = await this.#answer(request, receivedAt, progress);
      this.#record(request, progress, this.#clock.now() - receivedAt, "ok", "");
      this.#tell(request, answered, progress.version);
      return answered;
    } catch (error) {
      const { code, reason } = error instanceof AlbertError ? error : { code: "internal", reason: "BUG" };
      const stage = error instanceof AlbertError ? ((error.metadata["stage"] as Stage) ?? progress.stage) : "post";
      if (code === "deadline") requests.deadlineExceeded(stage);
      if (code === "cancelled") requests.cancelled(stage);
      if (reason === "NON_FINITE") this.#metrics.batches.poison("non-finite");
      this.#record(request, progress, this.#clock.now() - receivedAt, code, reason);
      request.trace?.part({ name: stage, startedAt: receivedAt, endedAt: this.#clock.now(), error: reason });
      throw error;
    } finally {
      progress.ref?.release();
    }
  }

  /** Predicted milliseconds that sequences of these lengths take on an idle device, for the version a selector names. */
  predictMs(model: ModelSelector, lengths: readonly number[]): number {
    const ref = this.models.acquire(model);
    ref.release();
    return ref.version.queue.predictMs(lengths);
  }

  /** Refuses new requests from now on; those admitted are still answered. */
  drain(): void {
    this.scheduler.drain();
  }

  /** Answers what is left, then releases every model. Bounded by the drain time of versions. */
  async close(): Promise<void> {
    this.drain();
    await this.models.close();
    await this.texts.close();
  }

  /** Whoever listens costs no request its answer. */
  #tell<K extends TaskKind>(
    request: AnswerRequest<K>,
    answered: Answered<K>,
    version: LoadedVersion | undefined,
  ): void {
    if (this.#onAnswered === undefined || version === undefined) return;
    try {
      this.#onAnswered(request, answered, version);
    } catch (error) {
      this.#onError(error);
    }
  }

  async #answer<K extends TaskKind>(
    request: AnswerRequest<K>,
    receivedAt: number,
    progress: Progress,
  ): Promise<Answered<K>> {
    const key = () => request.routingKey ?? subjectOf(request.input);
    const { name, version, digest } = request.model;
    const ref = this.models.acquire({ name, version, digest, tests: modelTests(request), key });
    progress.ref = ref;
    progress.version = ref.version;
    const { trial, fallback, shadow } = ref;
    const beganAt = this.#clock.now();
    let answered: Answered<K>;
    try {
      answered = await this.#answerOn(ref.version, request, receivedAt, progress);
    } catch (error) {
      if (tellsOfVersion(error)) trial?.failed();
      if (fallback === undefined || !mayAnswerElsewhere(error)) throw error;
      // Whoever asks is no part of the experiment: what the canary cannot answer, the champion does.
      this.#metrics.canaries.fellBack(ref.version.name, error instanceof AlbertError ? error.reason : "BUG");
      if (!(error instanceof AlbertError)) this.#onError(error);
      progress.version = fallback.version;
      return this.#answerOn(fallback.version, request, receivedAt, progress);
    }
    // What was computed before tells nothing new of this version, and takes no time of its own.
    if (answered.meta.cached) return answered;
    trial?.answered(this.#clock.now() - beganAt);
    const decision = decisionOf(request.task, answered.answer);
    if (decision === undefined) return answered;
    if (shadow !== undefined) this.#compare(request, shadow, (other) => [decision, other]);
    // Of the canary's requests, those that count are compared.
    if (fallback !== undefined && trial !== undefined)
      this.#compare(request, fallback, (other) => [other, decision], trial);
    return answered;
  }

  /** Answers a request on one version, by an answer that is kept where there is one. */
  async #answerOn<K extends TaskKind>(
    version: LoadedVersion,
    request: AnswerRequest<K>,
    receivedAt: number,
    progress: Progress,
  ): Promise<Answered<K>> {
    const cache = this.#cache;
    const key = cache === undefined ? undefined : requestKey(version, request);
    if (cache === undefined || key === undefined) return this.#computeOn(version, request, receivedAt, progress);
    const { priority = "interactive", deadlineAt = Number.POSITIVE_INFINITY, signal, trace } = request;
    const askedAt = this.#clock.now();
    if (this.scheduler.draining) throw draining();
    if (deadlineAt <= askedAt) throw deadlinePassed("receive");
    const enter = () => this.scheduler.enter(version.queue, priority, deadlineAt, this.#eventLoop.predictedWaitMs());
    const { value, source } = await cache.answer(key, { priority, deadlineAt, signal, enter }, () =>
      this.#computeOn(version, request, receivedAt, progress),
    );
    if (source === "computed") return value;
    const timings = waited(receivedAt, askedAt, this.#clock.now());
    if (trace !== undefined) traceStages(trace, receivedAt, timings);
    return { answer: value.answer, meta: { ...value.meta, ...NOTHING_COMPUTED, timings } };
  }

  /** Computes a request's answer on one version. */
  async #computeOn<K extends TaskKind>(
    version: LoadedVersion,
    request: AnswerRequest<K>,
    receivedAt: number,
    progress: Progress,
  ): Promise<Answered<K>> {
    const { priority = "interactive", deadlineAt = Number.POSITIVE_INFINITY, signal } = request;
    const leave = this.scheduler.enter(version.queue, priority, deadlineAt, this.#eventLoop.predictedWaitMs());
    let forget = () => {};
    try {
      const admittedAt = this.#clock.now();
      progress.stage = "tokenize";
      const { plan, release } = await this.texts.plan(request, version, { deadlineAt, signal });
      forget = release;
      this.#metrics.requests.input(request.task, plan.tokens, plan.windows, plan.truncated);
      const plannedAt = this.#clock.now();
      progress.stage = "queue";
      const { trace } = request;
      const work = { priority, deadline: deadlineAt, signal, trace };
      const { answer, timing } = await this.#compute(plan, version, work, () => {
        progress.stage = "post";
      });
      const timings = addUp(receivedAt, admittedAt, plannedAt, timing, this.#clock.now());
      this.models.answered(version, timings.totalMs);
      this.#observe(timings);
      if (trace !== undefined) traceStages(trace, receivedAt, timings);
      return {
        answer,
        meta: {
          model: version.name,
          version: version.version,
          digest: version.digest,
          tokenizerDigest: version.tokenizerDigest,
          device: version.engine.device,
          head: plan.head,
          tokens: plan.tokens,
          paddedTokens: timing.paddedTokens,
          windows: plan.windows,
          truncated: plan.truncated,
          batchSize: timing.batchSize,
          prediction: timing.prediction,
          timings,
          cached: false,
        },
      };
    } finally {
      forget();
      leave();
    }
  }

  /** Computes a plan, and makes its answer. @param computed  called when only the answer is left to do */
  async #compute<Answer>(
    plan: TaskPlan<Answer>,
    { queue }: LoadedVersion,
    work: Omit<Work, "sequences">,
    computed: () => void = () => {},
  ): Promise<{ readonly answer: Answer; readonly timing: WorkTiming }> {
    if (plan.inParts !== undefined) {
      const target = { scheduler: this.scheduler, queue, eventLoop: this.#eventLoop, clock: this.#clock };
      return runInParts(plan.inParts(), target, work);
    }
    const { outputs, timing } = await this.scheduler.submit(queue, { ...work, sequences: plan.sequences });
    computed();
    return { answer: await this.#eventLoop.end(() => plan.answer(outputs)), timing };
  }

  /**
   * Computes an answered request on the other version too, behind all other work, and compares the decisions.
   *
   * @param other  computes it now
   * @param pair   the decisions of champion and challenger, of which `other`'s is given
   */
  #compare<K extends TaskKind>(
    request: AnswerRequest<K>,
    { version, comparison }: NonNullable<VersionRef["shadow"]>,
    pair: (other: Decision) => readonly [Decision, Decision],
    trial?: Trial,
  ): void {
    if (version.queue.unfinished.size >= MAX_SHADOWS) return;
    const release = version.retain();
    const compute = async () => {
      let forget = () => {};
      try {
        const caller = { deadlineAt: Number.POSITIVE_INFINITY, signal: undefined };
        const planned = await this.texts.plan(request, version, caller);
        forget = planned.release;
        const work = { priority: "batch", deadline: caller.deadlineAt } as const;
        const { answer } = await this.#compute(planned.plan, version, work);
        const other = decisionOf(request.task, answer);
        if (other === undefined) return;
        const agreed = this.models.compared(version, comparison, request.task, pair(other));
        trial?.compared(agreed);
      } catch (error) {
        if (error instanceof AlbertError && error.code === "overloaded") return;
        comparison.addFailure();
        this.#onError(error);
      } finally {
        forget();
        release();
      }
    };
    void compute();
  }

  #observe(timings: Timings): void {
    const { requests } = this.#metrics;
    requests.stage("receive", timings.receiveMs / 1000);
    requests.stage("tokenize", timings.tokenizeMs / 1000);
    requests.stage("queue", timings.queueMs / 1000);
    requests.stage("assemble", timings.assembleMs / 1000);
    requests.stage("run", timings.runMs / 1000);
    requests.stage("post", timings.postMs / 1000);
  }

  #record(
    request: Pick<AnswerRequest, "task" | "priority" | "trace">,
    { version }: Progress,
    tookMs: number,
    code: string,
    reason: string,
  ): void {
    const trace = request.trace?.context;
    this.#metrics.requests.finished({
      task: request.task,
      priority: request.priority ?? "interactive",
      model: version?.name ?? NO_MODEL,
      version: version?.version ?? "",
      code,
      reason,
      seconds: tookMs / 1000,
      traceId: trace?.sampled === true ? trace.traceId : undefined,
    });
  }
}

/** What an answer that was computed for another request has cost this one. */
const NOTHING_COMPUTED: Pick<ServedMeta, "paddedTokens" | "batchSize" | "prediction" | "cached"> = {
  paddedTokens: 0,
  batchSize: 0,
  prediction: { waitMs: 0, runMs: 0, position: 0 },
  cached: true,
};

/** The times of a request that was answered by what another had computed: it waited for that, or did nothing. */
function waited(receivedAt: number, askedAt: number, endedAt: number): Timings {
  const [receiveMs, queueMs, totalMs] = [askedAt - receivedAt, endedAt - askedAt, endedAt - receivedAt];
  return { receiveMs, tokenizeMs: 0, queueMs, assembleMs: 0, runMs: 0, postMs: 0, totalMs };
}

/** The stage that a request has reached. */
interface Progress {
  stage: Stage;
  ref?: VersionRef;
  /** The version that answers. */
  version?: LoadedVersion;
}

/** Whether an error may be the version's own doing: not where the caller left, or the server had too much to do. */
function tellsOfVersion(error: unknown): boolean {
  return !(error instanceof AlbertError) || !["cancelled", "overloaded"].includes(error.code);
}

/** Whether another version could still answer: the caller waits, and its time is not over. */
function mayAnswerElsewhere(error: unknown): boolean {
  return !(error instanceof AlbertError) || !["cancelled", "deadline"].includes(error.code);
}

/** What the scheduler does not account for between planning and the end is post-processing. */
function addUp(
  receivedAt: number,
  admittedAt: number,
  plannedAt: number,
  { queueMs, assembleMs, runMs }: WorkTiming,
  endedAt: number,
): Timings {
  return {
    receiveMs: admittedAt - receivedAt,
    tokenizeMs: plannedAt - admittedAt,
    queueMs,
    assembleMs,
    runMs,
    postMs: Math.max(0, endedAt - plannedAt - queueMs - assembleMs - runMs),
    totalMs: endedAt - receivedAt,
  };
}
