import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { Gauge, type Registry } from "prom-client";

/** Interval at which the event loop's timeliness is sampled. */
const RESOLUTION_MS = 10;

/** The process itself: memory, the event loop, and whether it takes work. */
export interface ProcessMetrics {
  ready(ready: boolean): void;
  draining(draining: boolean): void;
  /** Stops sampling. */
  close(): void;
}

/** @param version  version of this program, for `albert_build_info` */
export function processMetrics(registry: Registry, version: string): ProcessMetrics {
  const registers = [registry];
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // The histogram holds the whole time between two samples; what exceeds the interval is the delay.
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3);
  new Gauge({
    name: "nodejs_eventloop_delay_seconds",
    help: "How late the main thread's event loop was since the last scrape.",
    labelNames: ["quantile"],
    registers,
    collect() {
      this.set({ quantile: "0.5" }, seconds(delay.count === 0 ? 0 : delay.percentile(50)));
      this.set({ quantile: "0.99" }, seconds(delay.count === 0 ? 0 : delay.percentile(99)));
      this.set({ quantile: "1" }, seconds(delay.count === 0 ? 0 : delay.max));
      delay.reset();
    },
  });
  let lastUtilization = performance.eventLoopUtilization();
  new Gauge({
    name: "nodejs_eventloop_utilization",
    help: "Share of the time since the last scrape in which the main thread was busy.",
    registers,
    collect() {
      const now = performance.eventLoopUtilization();
      this.set(performance.eventLoopUtilization(now, lastUtilization).utilization);
      lastUtilization = now;
    },
  });
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Memory of the process that is held in RAM.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: "albert_external_memory_bytes",
    help: "Memory of buffers that JavaScript objects hold outside its heap.",
    registers,
    collect() {
      this.set(process.memoryUsage().external);
    },
  });
  new Gauge({
    name: "albert_build_info",
    help: "1, labelled with the version of the program.",
    labelNames: ["version"],
    registers,
  }).set({ version }, 1);
  const ready = new Gauge({ name: "albert_ready", help: "1 while the process takes requests.", registers });
  const draining = new Gauge({ name: "albert_draining", help: "1 while the process shuts down.", registers });
  return {
    ready: (value) => ready.set(value ? 1 : 0),
    draining: (value) => draining.set(value ? 1 : 0),
    close: () => delay.disable(),
  };
}
