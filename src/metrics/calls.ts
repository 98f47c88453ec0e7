import { Counter, Gauge, type Registry } from "prom-client";
import { keptHistogram } from "./series/kept-series.ts";

// The series about gRPC calls, whatever a call does.

/** Bounds that the OpenTelemetry conventions give for call durations. */
const CALL_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** What the gRPC listeners record about calls, whatever the call does. */
export interface CallMetrics {
  /**
   * @param method  full method such as `albert.v1.InferenceService/Classify`; `_OTHER` for one that does not exist
   * @param status  name of the gRPC status, such as `OK`
   * @param traceId  where its trace is kept: an example of how long calls take
   */
  finished(method: string, status: string, seconds: number, traceId?: string): void;
  /** A call was refused because its caller had reached this limit. */
  limited(limit: string): void;
  /** Streams now open on a listener ("public" or "admin"). */
  streamsOpen(listener: string, change: 1 | -1): void;
}

export function callMetrics(registry: Registry): CallMetrics {
  const duration = keptHistogram(registry, {
    name: "rpc_server_call_duration_seconds",
    help: "Duration of gRPC calls as the server sees them.",
    labelNames: ["rpc_method", "rpc_status_code"],
    buckets: CALL_BUCKETS,
  });
  const streams = new Gauge({
    name: "albert_streams_open",
    help: "Streaming calls now open.",
    labelNames: ["listener"],
    registers: [registry],
  });
  const refusals = new Counter({
    name: "albert_caller_limit_refusals_total",
    help: "Calls refused because their caller had reached one of its limits.",
    labelNames: ["limit"],
    registers: [registry],
  });
  return {
    limited: (limit) => refusals.inc({ limit }),
    finished: (method, status, seconds, traceId) => duration.observe([method, status], seconds, traceId),
    streamsOpen: (listener, change) => streams.inc({ listener }, change),
  };
}
