import { constants, PerformanceObserver } from "node:perf_hooks";
import { Histogram, type Registry } from "prom-client";
import { memoryLimitBytes } from "../platform/memory-limit.ts";
import { DURATION_BUCKETS } from "./buckets.ts";
import { readGauge } from "./series/series.ts";

/** Names of V8's collections, by the numbers that Node reports. */
const COLLECTIONS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: "minor",
  [constants.NODE_PERFORMANCE_GC_MAJOR]: "major",
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: "incremental",
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: "weak_callbacks",
};

/** What Node reports of a collection, and its types leave out. */
interface Collection {
  /** Milliseconds. */
  readonly duration: number;
  readonly detail: { readonly kind: number };
}

/** Memory of the process, its limit, and the main thread's garbage collections. */
export function memoryMetrics(registry: Registry): { close(): void } {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) => readGauge(registry, name, help, read);
  gauge("process_resident_memory_bytes", "Memory of the process that is held in RAM.", () => process.memoryUsage.rss());
  gauge(
    "nodejs_heap_used_bytes",
    "Memory of the main thread's JavaScript heap that is in use.",
    () => process.memoryUsage().heapUsed,
  );
  gauge("nodejs_heap_bytes", "Memory of the main thread's JavaScript heap.", () => process.memoryUsage().heapTotal);
  gauge(
    "albert_external_memory_bytes",
    "Memory of buffers that JavaScript objects hold outside its heap.",
    () => process.memoryUsage().external,
  );
  gauge("albert_memory_limit_bytes", "Memory that the process may use: of its container, else of the machine.", () =>
    memoryLimitBytes(),
  );
  const collections = new Histogram({
    name: "nodejs_gc_duration_seconds",
    help: "Time of the main thread's garbage collections.",
    labelNames: ["kind"],
    buckets: [...DURATION_BUCKETS],
    registers,
  });
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { duration, detail } = entry as unknown as Collection; // of the one type that is observed
      collections.observe({ kind: COLLECTIONS[detail.kind] ?? "other" }, duration / 1000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return { close: () => observer.disconnect() };
}
