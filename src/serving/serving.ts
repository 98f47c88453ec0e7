import type { ServingConfig } from "../config/settings.ts";
import { AlbertError } from "../errors.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Stage } from "../metrics/requests.ts";
import type { DeviceKind, Engine } from "../runtime/engine.ts";
import type { TaskModel, TaskPlan } from "../tasks/plan.ts";
import { type Clock, systemClock } from "./clock.ts";
import { abortError, deadlinePassed } from "./errors.ts";
import { type MemoryReading, readMemory } from "./models/memory.ts";
import { ModelRegistry, type VersionRef } from "./models/registry.ts";
import type { ModelSelector } from "./models/selection.ts";
import type { ServableModel } from "./models/servable-model.ts";
import type { Decision } from "./models/shadow.ts";
import { EventLoopBudget } from "./scheduler/event-loop-budget.ts";
import { Quarantine } from "./scheduler/quarantine.ts";
import type { Priority, WorkTiming } from "./scheduler/queued-request.ts";
import { Scheduler } from "./scheduler/scheduler.ts";

/** One inference request, free of any protocol. */
export interface ServingRequest<Answer> {
  /** What kind of request this is, for metrics: "classify", "answer_question", ... */
  readonly task: string;
  readonly model: ModelSelector;
  /** Validates the request and turns it into sequences for the version that will answer. Synchronous and pure. */
  readonly plan: (model: TaskModel) => TaskPlan<Answer>;
  /** `interactive` unless given. */
  readonly priority?: Priority;
  /** Moment after which nobody wants the answer, on the clock of `performance.now()`. Absent: none. */
  readonly deadlineAt?: number;
  /** When the request arrived, on the same clock. Absent: now. */
  readonly receivedAt?: number;
  /** Aborts when the caller goes away; a reason that is an AlbertError becomes the request's error. */
  readonly signal?: AbortSignal;
  /** What an answer decided, for comparison with a shadow version's. Absent: the request is never shadowed. */
  readonly decide?: (answer: Answer) => Decision;
}

/** Milliseconds per stage; they add up to `totalMs`. */
export interface Timings {
  readonly receiveMs: number;
  readonly tokenizeMs: number;
  readonly queueMs: number;
  readonly assembleMs: number;
  readonly runMs: number;
  readonly postMs: number;
  readonly totalMs: number;
}

/** Which version answered, and what it cost. */
export interface ServedMeta {
  readonly model: string;
  readonly version: string;
  readonly digest: string;
  readonly tokenizerDigest: string;
  readonly device: DeviceKind;
  readonly head: string;
  readonly tokens: number;
  /** Empty places of attention's rectangular view that this request paid for. */
  readonly paddedTokens: number;
  readonly windows: number;
  readonly truncated: boolean;
  /** Sequences of all callers in the largest batch that ran a part of this request. */
  readonly batchSize: number;
  /** Wait and run time that the scheduler predicted when it accepted the request, and the place it got in the queue. */
  readonly prediction: WorkTiming["prediction"];
  readonly timings: Timings;
}

export interface Served<Answer> {
  readonly answer: Answer;
  readonly meta: ServedMeta;
}

export interface ServingOptions {
  readonly config: ServingConfig;
  /** Builds the engine of a version: session, device, measured token budget. */
  readonly openEngine: (model: ServableModel) => Promise<Engine>;
  /** Builds an engine on which a version is tried out while others serve; see `VersionLoaderOptions`. */
  readonly rehearse?: (model: ServableModel) => Promise<Engine>;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  readonly memory?: () => MemoryReading;
  /** In [0, 1). */
  readonly random?: () => number;
  /** Told of errors that belong to no request, such as a shadow version's. */
  readonly onError?: (error: unknown) => void;
}

/** Label of requests that name no model that is loaded, so that callers cannot invent label values. */
const NO_MODEL = "_OTHER";

/** Shadow requests that may wait; beyond it a request is simply not shadowed. */
const MAX_SHADOWS = 16;

/**
 * Answers inference requests: finds the version, admits, tokenises, schedules, post-processes, and measures each of
 * these. Unary calls, streams and batches all come through `serve`, so that they share bounds, errors and metrics.
 */
export class Serving {
  readonly models: ModelRegistry;
  readonly scheduler: Scheduler;
  readonly quarantine: Quarantine;
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #turns: EventLoopBudget;
  readonly #onError: (error: unknown) => void;

  constructor(options: ServingOptions) {
    const { config, metrics, clock = systemClock, random = Math.random, memory = readMemory } = options;
    this.#metrics = metrics;
    this.#clock = clock;
    this.#turns = new EventLoopBudget(clock);
    this.#onError = options.onError ?? (() => undefined);
    this.quarantine = new Quarantine(clock, config.quarantineMs);
    this.scheduler = new Scheduler({ clock, limits: config, metrics, quarantine: this.quarantine, random });
    const { openEngine, rehearse } = options;
    const { scheduler } = this;
    this.models = new ModelRegistry({
      ...{ config, scheduler, openEngine, metrics, clock, memory, random },
      ...(rehearse === undefined ? {} : { rehearse }),
    });
  }

  /**
   * Answers one request, on the version that the selector names at this moment.
   *
   * @throws AlbertError as docs/errors.md lists; anything else is a bug
   */
  async serve<Answer>(request: ServingRequest<Answer>): Promise<Served<Answer>> {
    const { requests } = this.#metrics;
    const receivedAt = request.receivedAt ?? this.#clock.now();
    const progress: Progress = { stage: "receive" };
    requests.started(request.task);
    try {
      const served = await this.#answer(request, receivedAt, progress);
      this.#record(request, progress, this.#clock.now() - receivedAt, "ok", "");
      return served;
    } catch (error) {
      const { code, reason } = error instanceof AlbertError ? error : { code: "internal", reason: "BUG" };
      const stage = error instanceof AlbertError ? ((error.metadata["stage"] as Stage) ?? progress.stage) : "post";
      if (code === "deadline") requests.deadlineExceeded(stage);
      if (code === "cancelled") requests.cancelled(stage);
      if (reason === "NON_FINITE") this.#metrics.batches.poison("non-finite");
      this.#record(request, progress, this.#clock.now() - receivedAt, code, reason);
      throw error;
    } finally {
      progress.lease?.release();
    }
  }

  /** Predicted milliseconds that sequences of these lengths take on an idle device, for the version a selector names. */
  predictMs(model: ModelSelector, lengths: readonly number[]): number {
    const lease = this.models.acquire(model);
    lease.release();
    return lease.version.lane.predictMs(lengths);
  }

  /** Refuses new requests from now on; those admitted are still answered. */
  drain(): void {
    this.scheduler.drain();
  }

  /** Answers what is left, then releases every model. Bounded by the drain time of versions. */
  async close(): Promise<void> {
    this.drain();
    await this.models.close();
  }

  async #answer<Answer>(
    request: ServingRequest<Answer>,
    receivedAt: number,
    progress: Progress,
  ): Promise<Served<Answer>> {
    const { priority = "interactive", deadlineAt = Number.POSITIVE_INFINITY, signal } = request;
    const lease = this.models.acquire(request.model);
    progress.lease = lease;
    const { version } = lease;
    const leave = this.scheduler.enter(version.lane, priority, deadlineAt);
    try {
      const admittedAt = this.#clock.now();
      progress.stage = "tokenize";
      const plan = await this.#turns.run(() => {
        if (signal?.aborted) throw abortError(signal, "tokenize");
        if (deadlineAt <= this.#clock.now()) throw deadlinePassed("tokenize");
        return request.plan(version.task);
      });
      this.#metrics.requests.input(request.task, plan.tokens, plan.windows, plan.truncated);
      const plannedAt = this.#clock.now();
      progress.stage = "queue";
      const { sequences } = plan;
      const work = { sequences, priority, deadline: deadlineAt, ...(signal === undefined ? {} : { signal }) };
      const { outputs, timing } = await this.scheduler.submit(version.lane, work);
      progress.stage = "post";
      const answer = plan.answer(outputs);
      const timings = addUp(receivedAt, admittedAt, plannedAt, timing, this.#clock.now());
      this.models.answered(version, timings.totalMs);
      this.#observe(timings);
      if (lease.shadow !== undefined && request.decide !== undefined) {
        this.#shadow(request, lease.shadow, request.decide(answer), request.decide);
      }
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
        },
      };
    } finally {
      leave();
    }
  }

  /** Computes the same request on the challenger, behind all other work, and compares the decisions. */
  #shadow<Answer>(
    request: ServingRequest<Answer>,
    { version, comparison }: NonNullable<VersionRef["shadow"]>,
    champion: Decision,
    decide: (answer: Answer) => Decision,
  ): void {
    if (version.lane.tickets.size >= MAX_SHADOWS) return;
    const release = version.lease();
    const compute = async () => {
      try {
        const plan = await this.#turns.run(() => request.plan(version.task));
        const work = { sequences: plan.sequences, priority: "batch", deadline: Number.POSITIVE_INFINITY } as const;
        const { outputs } = await this.scheduler.submit(version.lane, work);
        this.models.compared(version, comparison, request.task, [champion, decide(plan.answer(outputs))]);
      } catch (error) {
        if (error instanceof AlbertError && error.code === "overloaded") return;
        comparison.addFailure();
        this.#onError(error);
      } finally {
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

  #record<Answer>(
    request: ServingRequest<Answer>,
    { lease }: Progress,
    tookMs: number,
    code: string,
    reason: string,
  ): void {
    this.#metrics.requests.finished({
      task: request.task,
      priority: request.priority ?? "interactive",
      model: lease?.version.name ?? NO_MODEL,
      version: lease?.version.version ?? "",
      code,
      reason,
      seconds: tookMs / 1000,
    });
  }
}

/** How far a request has come. */
interface Progress {
  stage: Stage;
  lease?: VersionRef;
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
