import type { Registry } from "prom-client";
import { COUNT_BUCKETS, DURATION_BUCKETS, RATIO_BUCKETS, TOKEN_BUCKETS } from "./buckets.ts";
import { keptCounter, keptHistogram } from "./series/kept-series.ts";
import { readGauge } from "./series/series.ts";

// The series about batches: sizes, durations, wasted work and inputs that made the runtime fail.

/** One batch that a device computed. */
export interface BatchObservation {
  readonly device: string;
  readonly sequences: number;
  readonly tokens: number;
  /** Places of attention's rectangular view that held no token. */
  readonly paddedTokens: number;
  readonly runSeconds: number;
  readonly predictedSeconds: number;
}

/** Why a batch took no more sequences: its budget was used up, or nothing (that would pay) was left to take. */
export type CloseCause = "full" | "idle";
/** Why device time was spent on an answer that no caller received. */
export type WasteCause = "cancelled" | "deadline" | "poison";
/** What a poisonous input did: made the runtime refuse, killed its worker, or came back as NaN. */
export type PoisonCause = "backend" | "worker" | "non-finite";

/** What the batcher records. */
export interface BatchMetrics {
  ran(batch: BatchObservation): void;
  closed(cause: CloseCause): void;
  wasted(cause: WasteCause, seconds: number): void;
  poison(cause: PoisonCause): void;
  /** Names the quarantine whose size is read at each scrape. */
  observeQuarantine(size: () => number): void;
}

export function batchMetrics(registry: Registry): BatchMetrics {
  const sequences = keptHistogram(registry, {
    name: "albert_batch_sequences",
    help: "Sequences per batch.",
    labelNames: ["device"],
    buckets: COUNT_BUCKETS,
  });
  const tokens = keptHistogram(registry, {
    name: "albert_batch_tokens",
    help: "Tokens per batch.",
    labelNames: ["device"],
    buckets: TOKEN_BUCKETS,
  });
  const tokensTotal = keptCounter(registry, {
    name: "albert_tokens_total",
    help: "Tokens computed (real), and empty places in attention's rectangular view (padded).",
    labelNames: ["kind"],
  });
  const padding = keptHistogram(registry, {
    name: "albert_padding_ratio",
    help: "Share of attention's rectangular view that held no token, per batch.",
    buckets: RATIO_BUCKETS,
  });
  const run = keptHistogram(registry, {
    name: "albert_run_seconds",
    help: "Time the device took for one batch.",
    labelNames: ["device"],
    buckets: DURATION_BUCKETS,
  });
  const error = keptHistogram(registry, {
    name: "albert_cost_prediction_error_ratio",
    help: "How far the predicted time of a batch was from the measured one, as a share of the measured one.",
    labelNames: ["device"],
    buckets: RATIO_BUCKETS,
  });
  const close = keptCounter(registry, {
    name: "albert_batch_close_total",
    help: "Batches by why they took no more sequences.",
    labelNames: ["cause"],
  });
  const wasted = keptCounter(registry, {
    name: "albert_wasted_run_seconds_total",
    help: "Device time spent on answers that no caller received.",
    labelNames: ["cause"],
  });
  const poison = keptCounter(registry, {
    name: "albert_poison_total",
    help: "Inputs that made the runtime fail, by what they did.",
    labelNames: ["cause"],
  });
  let quarantineSize = () => 0;
  const help = "Inputs now refused because they made the runtime fail.";
  readGauge(registry, "albert_quarantine_entries", help, () => quarantineSize());
  return {
    ran: (batch) => {
      const { device } = batch;
      sequences.observe([device], batch.sequences);
      tokens.observe([device], batch.tokens);
      tokensTotal.inc(["real"], batch.tokens);
      tokensTotal.inc(["padded"], batch.paddedTokens);
      padding.observe([], batch.paddedTokens / Math.max(1, batch.tokens + batch.paddedTokens));
      run.observe([device], batch.runSeconds);
      if (batch.runSeconds > 0) {
        error.observe([device], Math.abs(batch.predictedSeconds - batch.runSeconds) / batch.runSeconds);
      }
    },
    closed: (cause) => close.inc([cause]),
    wasted: (cause, seconds) => wasted.inc([cause], seconds),
    poison: (cause) => poison.inc([cause]),
    observeQuarantine: (size) => {
      quarantineSize = size;
    },
  };
}
