import { performance } from "node:perf_hooks";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { AlbertError } from "../../errors.ts";
import type { ResponseMetaSchema } from "../../gen/albert/v1/inference_pb.js";
import type { Metrics } from "../../metrics/metrics.ts";
import type { Stage } from "../../metrics/requests.ts";
import type { Lease, LiveModels } from "../../serving/live-models.ts";
import type { LoadedVersion } from "../../serving/loaded-version.ts";
import type { Scheduler } from "../../serving/scheduler.ts";
import type { Priority } from "../../serving/ticket.ts";
import type { CallContext } from "../call.ts";
import type { InferenceRequestMessage, Operation, RequestLimits } from "./operation.ts";
import { EnumFields, type ReadOptions, readOptions } from "./request-options.ts";
import { compareWithShadow } from "./shadow-request.ts";
import { StageClock } from "./stage-clock.ts";

export interface RequestDeskOptions {
  readonly live: LiveModels;
  readonly scheduler: Scheduler;
  readonly metrics: Pick<Metrics, "requests">;
  readonly limits: RequestLimits;
}

/** Fields of `ResponseMeta`. */
export type MetaFields = MessageInitShape<typeof ResponseMetaSchema>;

/**
 * The life of one request, the same for every kind and however it arrived: choose the version, take a place, plan, wait
 * for a device, answer. Every request is counted once and leaves nothing behind, whatever happens to it.
 */
export class RequestDesk {
  readonly #options: RequestDeskOptions;

  constructor(options: RequestDeskOptions) {
    this.#options = options;
  }

  /** @throws AlbertError as in docs/errors.md */
  answer<Request extends InferenceRequestMessage, Answer, Reply extends object>(
    operation: Operation<Request, Answer, Reply>,
    request: Request,
    context: CallContext,
  ): Promise<Reply & { readonly meta: MetaFields }> {
    const fields = new EnumFields();
    const read = readOptions(request.options, fields);
    return this.attend(operation.task, read, context, async (lease, stages) => {
      const { version } = lease;
      const { scheduler, limits, live, metrics } = this.#options;
      const { priority, run } = read;
      stages.begin("tokenize");
      const planWith = (model: LoadedVersion) => operation.plan(request, { model: model.task, limits, run, fields });
      const plan = planWith(version);
      metrics.requests.input(operation.task, plan.tokens, plan.windows, plan.truncated);
      context.signal.throwIfAborted();
      stages.begin("queue");
      const { sequences } = plan;
      const work = { sequences, priority, deadline: context.deadlineAt, signal: context.signal };
      const { outputs, timing } = await scheduler.submit(version.lane, work);
      stages.ran(timing.assembleMs, timing.runMs);
      stages.begin("post");
      const answer = plan.answer(outputs);
      const reply = operation.reply(answer, request);
      if (lease.shadow !== undefined && operation.decide !== undefined) {
        compareWithShadow({ lease, operation, answer, planWith, live, scheduler });
      }
      const meta: MetaFields = {
        ...identity(version, context),
        // Trunk outputs are no heads.
        head: plan.head.startsWith("@") ? "" : plan.head,
        tokens: plan.tokens,
        windows: plan.windows,
        truncated: plan.truncated,
        batchSize: timing.batchSize,
        paddedTokens: Math.round(timing.paddedTokens),
      };
      return { ...reply, meta };
    });
  }

  /**
   * Runs `work` with a lease and a place, between the books: counts, stages and the outcome are recorded around it.
   * Fills in `meta.timings`.
   */
  async attend<Reply extends { readonly meta: MetaFields }>(
    task: string,
    { selector, priority }: Pick<ReadOptions, "selector" | "priority">,
    context: CallContext,
    work: (lease: Lease, stages: StageClock) => Promise<Reply>,
  ): Promise<Reply> {
    const { live, scheduler, metrics } = this.#options;
    const stages = new StageClock(context.receivedAt);
    metrics.requests.started(task);
    let lease: Lease | undefined;
    let leave: (() => void) | undefined;
    let failure: AlbertError | "bug" | undefined;
    try {
      lease = live.acquire(selector);
      leave = scheduler.enter(lease.version.lane, priority, context.deadlineAt);
      const reply = await work(lease, stages);
      const timings = stages.end();
      for (const [stage, ms] of stages.spent()) metrics.requests.stage(stage, ms / 1000);
      live.answered(lease.version, timings.totalMs);
      context.annotate({ model: lease.version.name, version: lease.version.version, ...timings });
      return { ...reply, meta: { ...reply.meta, timings } };
    } catch (error) {
      // What the scheduler takes for a departed caller may be a passed deadline: the call knows.
      const cause: unknown = context.signal.aborted ? context.signal.reason : error;
      failure = cause instanceof AlbertError ? cause : "bug";
      this.#countFailure(failure, stages.current);
      throw cause;
    } finally {
      leave?.();
      lease?.release();
      this.#finish(task, priority, lease?.version, failure, (performance.now() - context.receivedAt) / 1000);
    }
  }

  #countFailure(failure: AlbertError | "bug", stage: Stage): void {
    if (failure === "bug") return;
    if (failure.code === "deadline") this.#options.metrics.requests.deadlineExceeded(stage);
    if (failure.code === "cancelled") this.#options.metrics.requests.cancelled(stage);
  }

  #finish(
    task: string,
    priority: Priority,
    version: LoadedVersion | undefined,
    failure: AlbertError | "bug" | undefined,
    seconds: number,
  ): void {
    const [code, reason] =
      failure === undefined ? ["ok", ""] : failure === "bug" ? ["internal", "BUG"] : [failure.code, failure.reason];
    this.#options.metrics.requests.finished({
      task,
      priority,
      model: version?.name ?? "_OTHER",
      version: version?.version ?? "_OTHER",
      code: code!,
      reason: reason!,
      seconds,
    });
  }
}

/** Which version answered which call. */
export function identity(version: LoadedVersion, context: CallContext): MetaFields {
  return {
    model: version.name,
    version: version.version,
    digest: version.digest,
    tokenizerDigest: version.tokenizerDigest,
    device: version.engine.device,
    requestId: context.requestId,
  };
}
