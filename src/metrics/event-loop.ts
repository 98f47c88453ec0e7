import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Registry } from "prom-client";
import { readGauge } from "./series/series.ts";

/** Interval at which the event loop's timeliness is sampled. */
const RESOLUTION_MS = 10;

/** How late and how busy the main thread is, since the last scrape. */
export function eventLoopMetrics(registry: Registry): { close(): void } {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // The histogram holds the whole time between two samples; what exceeds the interval is the delay.
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3);
  const late = { median: 0, p99: 0, max: 0 };
  const gauge = (name: string, help: string, read: () => number) => readGauge(registry, name, help, read);
  // One page shows one interval: the first of the three reads it, and the next one begins.
  gauge(
    "nodejs_eventloop_delay_p50_seconds",
    "Median delay of the main thread's event loop since the last scrape.",
    () => {
      const sampled = delay.count > 0;
      late.median = sampled ? seconds(delay.percentile(50)) : 0;
      late.p99 = sampled ? seconds(delay.percentile(99)) : 0;
      late.max = sampled ? seconds(delay.max) : 0;
      delay.reset();
      return late.median;
    },
  );
  gauge(
    "nodejs_eventloop_delay_p99_seconds",
    "99th percentile of the delay of the main thread's event loop since the last scrape.",
    () => late.p99,
  );
  gauge(
    "nodejs_eventloop_delay_max_seconds",
    "Largest delay of the main thread's event loop since the last scrape.",
    () => late.max,
  );
  let last = performance.eventLoopUtilization();
  gauge(
    "nodejs_eventloop_utilization",
    "Share of the time since the last scrape in which the main thread was busy.",
    () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
  );
  return { close: () => delay.disable() };
}
