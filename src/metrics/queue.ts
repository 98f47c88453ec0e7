import { Counter, Gauge, type Registry } from "prom-client";
import { DURATION_BUCKETS } from "./buckets.ts";
import { keptHistogram } from "./series/kept-series.ts";

// The series about the queue in front of the devices.

/** What waits at this moment in one priority class. */
export interface QueueDepth {
  readonly requests: number;
  readonly tokens: number;
  /** Device time the waiting work is predicted to take. */
  readonly predictedSeconds: number;
  readonly oldestAgeSeconds: number;
}

/** The queue in front of the devices: its depth is read when scraped, its events are recorded as they happen. */
export interface QueueMetrics {
  /** Names the queue to read at each scrape; called once, by the queue's owner. */
  observe(depths: () => ReadonlyMap<string, QueueDepth>): void;
  waited(priority: string, seconds: number): void;
  /** A request was refused before it entered the queue. */
  shed(reason: string, priority: string): void;
}

export function queueMetrics(registry: Registry): QueueMetrics {
  let read: () => ReadonlyMap<string, QueueDepth> = () => new Map();
  const gauge = (name: string, help: string, value: (depth: QueueDepth) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["priority"],
      registers: [registry],
      collect() {
        for (const [priority, depth] of read()) this.set({ priority }, value(depth));
      },
    });
  gauge("albert_queue_requests", "Requests that wait for a device.", (depth) => depth.requests);
  gauge("albert_queue_tokens", "Tokens that wait for a device.", (depth) => depth.tokens);
  gauge(
    "albert_queue_predicted_seconds",
    "Device time the waiting requests are predicted to take.",
    (depth) => depth.predictedSeconds,
  );
  gauge(
    "albert_queue_oldest_age_seconds",
    "How long the oldest waiting request has waited.",
    (depth) => depth.oldestAgeSeconds,
  );
  const wait = keptHistogram(registry, {
    name: "albert_queue_wait_seconds",
    help: "Time answered requests waited for the device, between entering the queue and their last output.",
    labelNames: ["priority"],
    buckets: DURATION_BUCKETS,
  });
  const shed = new Counter({
    name: "albert_shed_total",
    help: "Requests refused because of load, by reason.",
    labelNames: ["reason", "priority"],
    registers: [registry],
  });
  return {
    observe: (depths) => {
      read = depths;
    },
    waited: (priority, seconds) => wait.observe([priority], seconds),
    shed: (reason, priority) => shed.inc({ reason, priority }),
  };
}
