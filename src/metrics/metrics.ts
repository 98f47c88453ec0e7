import { Registry } from "prom-client";
import { type BatchMetrics, batchMetrics } from "./batches.ts";
import { type CallMetrics, callMetrics } from "./calls.ts";
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
  readonly jobs: JobMetrics;
  readonly store: StoreMetrics;
  readonly process: ProcessMetrics;
  /** The page a scraper reads. */
  page(): Promise<{ contentType: string; body: string }>;
  close(): void;
}

/** @param version  version of this program */
export function createMetrics(version: string): Metrics {
  const registry = new Registry();
  const process = processMetrics(registry, version);
  return {
    calls: callMetrics(registry),
    requests: requestMetrics(registry),
    queue: queueMetrics(registry),
    batches: batchMetrics(registry),
    models: modelMetrics(registry),
    jobs: jobMetrics(registry),
    store: storeMetrics(registry),
    process,
    page: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
    close: () => process.close(),
  };
}
