import { Registry, type RegistryContentType } from "prom-client";
import { type BatchMetrics, batchMetrics } from "./batches.ts";
import { type CacheMetrics, cacheMetrics, type ResponseCacheMetrics, responseCacheMetrics } from "./caches.ts";
import { type CallMetrics, callMetrics } from "./calls.ts";
import { type CanaryMetrics, canaryMetrics } from "./canaries.ts";
import { type IndexMetrics, indexMetrics } from "./indexes.ts";
import { type JobMetrics, jobMetrics } from "./jobs.ts";
import { type ModelMetrics, modelMetrics } from "./models.ts";
import { type ProcessMetrics, processMetrics } from "./process.ts";
import { type QueueMetrics, queueMetrics } from "./queue.ts";
import { type RequestMetrics, requestMetrics } from "./requests.ts";
import { type StoreMetrics, storeMetrics } from "./store.ts";

// All series of the process, one member per subject, on one registry.

/**
 * Everything the process counts, one member per subject. Each instance has a registry of its own, so that two servers in
 * one process (as in tests) do not add up.
 */
export interface Metrics {
  readonly calls: CallMetrics;
  readonly requests: RequestMetrics;
  readonly queue: QueueMetrics;
  readonly batches: BatchMetrics;
  readonly models: ModelMetrics;
  readonly canaries: CanaryMetrics;
  readonly jobs: JobMetrics;
  readonly store: StoreMetrics;
  readonly caches: CacheMetrics;
  readonly responseCache: ResponseCacheMetrics;
  readonly indexes: IndexMetrics;
  readonly process: ProcessMetrics;
  /** The page a scraper reads: Prometheus' text, or OpenMetrics, which has examples of traces beside durations. */
  page(format?: PageFormat): Promise<{ contentType: string; body: string }>;
  close(): void;
}

export type PageFormat = "text" | "openmetrics";

/** @param version  version of this program */
export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  // Without it a series takes no examples. It is never shown itself.
  (registry as Registry<RegistryContentType>).setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const process = processMetrics(registry, version);
  return {
    calls: callMetrics(registry),
    requests: requestMetrics(registry),
    queue: queueMetrics(registry),
    batches: batchMetrics(registry),
    models: modelMetrics(registry),
    canaries: canaryMetrics(registry),
    jobs: jobMetrics(registry),
    store: storeMetrics(registry),
    caches: cacheMetrics(registry),
    responseCache: responseCacheMetrics(registry),
    indexes: indexMetrics(registry),
    process,
    page: async (format = "text") => {
      const shown = shownAs(format, registry);
      return { contentType: shown.contentType, body: await shown.metrics() };
    },
    close: () => process.close(),
  };
}

/** The series as one format shows them. The writer of OpenMetrics takes `_total` from the names of counters for good, so each page gets objects of its own that stand before them. */
function shownAs(format: PageFormat, registry: Registry): Registry<RegistryContentType> {
  const view = new Registry<RegistryContentType>();
  view.setContentType(format === "text" ? Registry.PROMETHEUS_CONTENT_TYPE : Registry.OPENMETRICS_CONTENT_TYPE);
  for (const metric of registry.getMetricsAsArray()) view.registerMetric(Object.create(metric));
  return view;
}
