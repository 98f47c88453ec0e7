import type { ServingConfig } from "../config/settings.ts";
import { AlbertError } from "../errors.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Stage } from "../metrics/requests.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import type { Engine } from "../runtime/engine.ts";
import { type Decision, decisionOf, headsFor, planTask, type TaskKind } from "../tasks/task-request.ts";
import type { Answered, AnswerRequest, Timings } from "./answer.ts";
import { abortError, deadlinePassed } from "./errors.ts";
import { type MemoryReading, readMemory } from "./models/memory.ts";
import type { ServableModel } from "./models/reader.ts";
import { ModelRegistry } from "./models/registry.ts";
import type { ModelSelector, VersionRef } from "./models/selection.ts";
import { EventLoopBudget } from "./scheduler/event-loop-budget.ts";
import { Quarantine } from "./scheduler/quarantine.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import type { WorkTiming } from "./scheduler/work.ts";

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
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #eventLoop: EventLoopBudget;
  readonly #onError: (error: unknown) => void;

  constructor(options: ServingOptions) {
    const { config, metrics, clock = systemClock, random = Math.random, memory = readMemory } = options;
    this.#metrics = metrics;
    this.#clock = clock;
    this.#eventLoop = new EventLoopBudget(clock);
    this.#onError = options.onError ?? (() => undefined);
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
      return answered;
    } catch (error) {
      const { code, reason } = error instanceof AlbertError ? error : { code: "internal", reason: "BUG" };
      const stage = error instanceof AlbertError ? ((error.metadata["stage"] as Stage) ?? progress.stage) : "post";
      if (code === "deadline") requests.deadlineExceeded(stage);
      if (code === "cancelled") requests.cancelled(stage);
      if (reason === "NON_FINITE") this.#metrics.batches.poison("non-finite");
      this.#record(request, progress, this.#clock.now() - receivedAt, code, reason);
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
  }

  async #answer<K extends TaskKind>(
    request: AnswerRequest<K>,
    receivedAt: number,
    progress: Progress,
  ): Promise<Answered<K>> {
    const { priority = "interactive", deadlineAt = Number.POSITIVE_INFINITY, signal } = request;
    const heads = headsFor(request.task);
    const ref = this.models.acquire(heads === undefined ? request.model : { ...request.model, heads });
    progress.ref = ref;
    const { version } = ref;
    const leave = this.scheduler.enter(version.queue, priority, deadlineAt);
    try {
      const admittedAt = this.#clock.now();
      progress.stage = "tokenize";
      const plan = await this.#eventLoop.run(() => {
        if (signal?.aborted) throw abortError(signal, "tokenize");
        if (deadlineAt <= this.#clock.now()) throw deadlinePassed("tokenize");
        return planTask(request, version.task, request.limits);
      });
      this.#metrics.requests.input(request.task, plan.tokens, plan.windows, plan.truncated);
      const plannedAt = this.#clock.now();
      progress.stage = "queue";
      const { sequences } = plan;
      const work = { sequences, priority, deadline: deadlineAt, ...(signal === undefined ? {} : { signal }) };
      const { outputs, timing } = await this.scheduler.submit(version.queue, work);
      progress.stage = "post";
      const answer = plan.answer(outputs);
      const timings = addUp(receivedAt, admittedAt, plannedAt, timing, this.#clock.now());
      this.models.answered(version, timings.totalMs);
      this.#observe(timings);
      if (ref.shadow !== undefined) this.#shadow(request, ref.shadow, decisionOf(request.task, answer));
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
  #shadow<K extends TaskKind>(
    request: AnswerRequest<K>,
    { version, comparison }: NonNullable<VersionRef["shadow"]>,
    champion: Decision | undefined,
  ): void {
    if (champion === undefined || version.queue.unfinished.size >= MAX_SHADOWS) return;
    const release = version.retain();
    const compute = async () => {
      try {
        const plan = await this.#eventLoop.run(() => planTask(request, version.task, request.limits));
        const work = { sequences: plan.sequences, priority: "batch", deadline: Number.POSITIVE_INFINITY } as const;
        const { outputs } = await this.scheduler.submit(version.queue, work);
        const challenger = decisionOf(request.task, plan.answer(outputs));
        if (challenger !== undefined) this.models.compared(version, comparison, request.task, [champion, challenger]);
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

  #record(
    request: Pick<AnswerRequest, "task" | "priority">,
    { ref }: Progress,
    tookMs: number,
    code: string,
    reason: string,
  ): void {
    this.#metrics.requests.finished({
      task: request.task,
      priority: request.priority ?? "interactive",
      model: ref?.version.name ?? NO_MODEL,
      version: ref?.version.version ?? "",
      code,
      reason,
      seconds: tookMs / 1000,
    });
  }
}

/** The stage that a request has reached. */
interface Progress {
  stage: Stage;
  ref?: VersionRef;
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
