import { createMetrics, type Metrics } from "../../../src/metrics/metrics.ts";
import type { ModelQueue } from "../../../src/serving/scheduler/model-queue.ts";
import { Quarantine } from "../../../src/serving/scheduler/quarantine.ts";
import { Scheduler, type SchedulerLimits } from "../../../src/serving/scheduler/scheduler.ts";
import type { Work, WorkResult } from "../../../src/serving/scheduler/work.ts";
import { FakeEngine, type FakeEngineOptions, sequence } from "../fake-engine.ts";
import { VirtualClock } from "../virtual-clock.ts";

/** Limits that nothing in a test reaches by accident. */
export const ROOMY: SchedulerLimits = {
  maxRequests: 1_000_000,
  maxQueueTokens: 1_000_000,
  maxQueueMs: 1e9,
  lookahead: 64,
  agingMs: 1e9,
};

/** What became of one piece of work. */
export type Outcome = { readonly kind: "answered"; readonly result: WorkResult } | { kind: "failed"; error: unknown };

/** A scheduler on a virtual clock with engines that a test drives by hand. */
export class SchedulerRig {
  readonly clock = new VirtualClock();
  readonly metrics: Metrics = createMetrics("test");
  readonly quarantine: Quarantine;
  readonly scheduler: Scheduler;

  constructor(limits: Partial<SchedulerLimits> = {}, quarantineMs = 60_000) {
    this.quarantine = new Quarantine(this.clock, quarantineMs);
    this.scheduler = new Scheduler({
      clock: this.clock,
      limits: { ...ROOMY, ...limits },
      metrics: this.metrics,
      quarantine: this.quarantine,
      random: () => 0.5,
    });
  }

  queue(options: FakeEngineOptions = {}, digest = "digest"): { queue: ModelQueue; engine: FakeEngine } {
    const engine = new FakeEngine(options);
    const queue = this.scheduler.open({
      digest,
      engine,
      batchTokens: 0,
      probe: () => engine.run([sequence(3, 1)]),
    });
    return { queue, engine };
  }

  /** Submits and collects the outcome; `outcome` stays undefined until there is one. */
  submit(queue: ModelQueue, work: Partial<Work> & Pick<Work, "sequences">): { outcome?: Outcome } {
    const holder: { outcome?: Outcome } = {};
    this.scheduler.submit(queue, { priority: "interactive", deadline: Number.POSITIVE_INFINITY, ...work }).then(
      (result) => {
        holder.outcome = { kind: "answered", result };
      },
      (error) => {
        holder.outcome = { kind: "failed", error };
      },
    );
    return holder;
  }

  /** Finishes everything engines hold, and what comes after it, until all is quiet. */
  async finishAll(...engines: FakeEngine[]): Promise<void> {
    await this.clock.settle();
    for (let held = engines.flatMap((engine) => engine.held); held.length > 0; ) {
      for (const batch of held) batch.finish();
      await this.clock.settle();
      held = engines.flatMap((engine) => engine.held);
    }
  }

  close(): void {
    this.metrics.close();
  }
}

/** The ids (second token) of each batch an engine was handed. */
export function ranIds(engine: FakeEngine): number[][] {
  return engine.ran.map((batch) => batch.map(({ inputIds }) => inputIds[1]!));
}
