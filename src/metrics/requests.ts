import type { Registry } from "prom-client";
import { COUNT_BUCKETS, DURATION_BUCKETS, TOKEN_BUCKETS } from "./buckets.ts";
import { keptCounter, keptGauge, keptHistogram } from "./series/kept-series.ts";
import { removeSeries } from "./series/series.ts";

// The series about inference requests: outcomes, sizes and the time of each stage.

/** Stages of a request in order; their times add up to its total. */
export type Stage = "receive" | "tokenize" | "queue" | "assemble" | "run" | "post";

/** How a request ended: "ok", or the code and reason of its error. */
export interface RequestOutcome {
  readonly task: string;
  readonly priority: string;
  /** Name and version that served it; `_OTHER` where the request named none that is loaded. */
  readonly model: string;
  readonly version: string;
  readonly code: string;
  readonly reason: string;
  readonly seconds: number;
  /** Where its trace is kept: an example of how long requests take. */
  readonly traceId?: string | undefined;
}

/** What every inference request leaves behind, answered or not. */
export interface RequestMetrics {
  started(task: string): void;
  /** Closes what `started` opened: exactly once per request. */
  finished(outcome: RequestOutcome): void;
  stage(stage: Stage, seconds: number): void;
  input(task: string, tokens: number, windows: number, truncated: boolean): void;
  /** The deadline passed, or the caller went away, while the request was in `stage`. */
  deadlineExceeded(stage: Stage): void;
  cancelled(stage: Stage): void;
  /** Drops the series of a version that is no longer loaded. */
  forget(model: string, version: string): Promise<void>;
}

export function requestMetrics(registry: Registry): RequestMetrics {
  const total = keptCounter(registry, {
    name: "albert_requests_total",
    help: "Inference requests by how they ended.",
    labelNames: ["task", "alias", "version", "code", "reason"],
  });
  const duration = keptHistogram(registry, {
    name: "albert_request_duration_seconds",
    help: "Time from receiving a request to its answer or error.",
    labelNames: ["task", "priority"],
    buckets: DURATION_BUCKETS,
  });
  const stages = keptHistogram(registry, {
    name: "albert_stage_duration_seconds",
    help: "Time answered requests spent in each stage; the stages of a request add up to its duration.",
    labelNames: ["stage"],
    buckets: DURATION_BUCKETS,
  });
  const inflight = keptGauge(registry, {
    name: "albert_inflight_requests",
    help: "Requests received and not yet answered.",
    label: "task",
  });
  const goodput = keptCounter(registry, {
    name: "albert_goodput_requests_total",
    help: "Requests answered within their deadline.",
    labelNames: ["task"],
  });
  const tokens = keptHistogram(registry, {
    name: "albert_input_tokens",
    help: "Tokens of a request over all its windows, special tokens included.",
    labelNames: ["task"],
    buckets: TOKEN_BUCKETS,
  });
  const windows = keptHistogram(registry, {
    name: "albert_windows",
    help: "Sequences a request was cut into.",
    labelNames: ["task"],
    buckets: COUNT_BUCKETS,
  });
  const truncated = keptCounter(registry, {
    name: "albert_truncated_total",
    help: "Requests whose text was cut to the model's length.",
    labelNames: ["task"],
  });
  const deadlines = keptCounter(registry, {
    name: "albert_deadline_exceeded_total",
    help: "Requests whose deadline passed, by the stage they had reached.",
    labelNames: ["stage"],
  });
  const cancelled = keptCounter(registry, {
    name: "albert_cancelled_total",
    help: "Requests whose caller went away, by the stage they had reached.",
    labelNames: ["stage"],
  });
  return {
    started: (task) => inflight.add(task, 1),
    finished: ({ task, priority, model, version, code, reason, seconds, traceId }) => {
      inflight.add(task, -1);
      total.inc([task, model, version, code, reason]);
      duration.observe([task, priority], seconds, traceId);
      if (code === "ok") goodput.inc([task]);
    },
    stage: (stage, seconds) => stages.observe([stage], seconds),
    input: (task, tokenCount, windowCount, cut) => {
      tokens.observe([task], tokenCount);
      windows.observe([task], windowCount);
      if (cut) truncated.inc([task]);
    },
    deadlineExceeded: (stage) => deadlines.inc([stage]),
    cancelled: (stage) => cancelled.inc([stage]),
    forget: (model, version) => removeSeries(total.metric, { alias: model, version }),
  };
}
