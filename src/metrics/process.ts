import { Counter, Gauge, type Registry } from "prom-client";
import { openFileLimit, openFiles } from "../platform/open-files.ts";
import { eventLoopMetrics } from "./event-loop.ts";
import { memoryMetrics } from "./memory.ts";
import { readGauge } from "./series/series.ts";

// The series about the process itself: processor time, memory, event loop, readiness.

/** The process itself: its processor time, memory and event loop, and whether it takes work. */
export interface ProcessMetrics {
  ready(ready: boolean): void;
  draining(draining: boolean): void;
  /** Stops sampling. */
  close(): void;
}

/** @param version  version of this program, for `albert_build_info` */
export function processMetrics(registry: Registry, version: string): ProcessMetrics {
  const registers = [registry];
  const eventLoop = eventLoopMetrics(registry);
  const memory = memoryMetrics(registry);
  new Counter({
    name: "process_cpu_seconds_total",
    help: "Processor time of all threads, user and system.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: "process_start_time_seconds",
    help: "When the process started, in seconds since 1970.",
    registers,
  }).set(Date.now() / 1000 - process.uptime());
  readGauge(registry, "process_open_fds", "Open files and connections; 0 where the system does not tell.", openFiles);
  readGauge(
    registry,
    "process_max_fds",
    "Most open files and connections it may have; 0 where the system does not tell.",
    openFileLimit,
  );
  new Gauge({
    name: "albert_build_info",
    help: "1, labelled with the version of the program and of Node.",
    labelNames: ["version", "node"],
    registers,
  }).set({ version, node: process.versions.node }, 1);
  const ready = new Gauge({ name: "albert_ready", help: "1 while the process takes requests.", registers });
  const draining = new Gauge({ name: "albert_draining", help: "1 while the process shuts down.", registers });
  return {
    ready: (value) => ready.set(value ? 1 : 0),
    draining: (value) => draining.set(value ? 1 : 0),
    close: () => {
      eventLoop.close();
      memory.close();
    },
  };
}
