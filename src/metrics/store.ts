import { Counter, Histogram, type Registry } from "prom-client";
import { DURATION_BUCKETS } from "./buckets.ts";

// The series about the store of versions and data sets.

/** How a store operation ended: done; another writer came first (a lost race, not a fault); or it failed. */
export type StoreOutcome = "ok" | "conflict" | "error";

/** What the store of versions and datasets, and the processes that follow it, record. */
export interface StoreMetrics {
  /** @param operation  one of the object store's methods, such as "fetch" */
  operated(operation: string, outcome: StoreOutcome, seconds: number): void;
  /** A collection removed what nothing refers to. */
  collected(versions: number, files: number, bytes: number): void;
  /** A look at the store's champions failed, or a version that another process promoted could not be activated. */
  followFailed(): void;
  /** The gate has judged a version. */
  judged(verdict: string): void;
}

export function storeMetrics(registry: Registry): StoreMetrics {
  const registers = [registry];
  const operations = new Counter({
    name: "albert_store_operations_total",
    help: "Operations on the place where the store keeps its bytes; conflict: another writer came first.",
    labelNames: ["operation", "outcome"],
    registers,
  });
  const durations = new Histogram({
    name: "albert_store_operation_seconds",
    help: "Time of operations on the place where the store keeps its bytes, whatever their outcome.",
    labelNames: ["operation"],
    buckets: [...DURATION_BUCKETS],
    registers,
  });
  const versions = new Counter({
    name: "albert_store_removed_versions_total",
    help: "Versions removed because nothing keeps them.",
    registers,
  });
  const files = new Counter({
    name: "albert_store_removed_files_total",
    help: "Files removed because nothing refers to them.",
    registers,
  });
  const bytes = new Counter({
    name: "albert_store_freed_bytes_total",
    help: "Bytes freed by removing what nothing keeps.",
    registers,
  });
  const failures = new Counter({
    name: "albert_store_follow_failures_total",
    help: "Failures to read the store's champions or to activate a version that another process promoted.",
    registers,
  });
  const verdicts = new Counter({
    name: "albert_gate_verdicts_total",
    help: "Versions that the gate of this process judged, by verdict.",
    labelNames: ["verdict"],
    registers,
  });
  return {
    operated: (operation, outcome, seconds) => {
      operations.inc({ operation, outcome });
      durations.observe({ operation }, seconds);
    },
    collected: (removedVersions, removedFiles, freedBytes) => {
      versions.inc(removedVersions);
      files.inc(removedFiles);
      bytes.inc(freedBytes);
    },
    followFailed: () => failures.inc(),
    judged: (verdict) => verdicts.inc({ verdict }),
  };
}
