import { Gauge, Histogram, type Registry } from "prom-client";
import { DURATION_BUCKETS } from "./buckets.ts";

// The series about search indexes, by their names in the configuration.

/** What the served indexes record. */
export interface IndexMetrics {
  /** An index came to answer with so many passages, or cannot answer: 0. */
  serves(index: string, passages: number): void;
  /** An index was searched. */
  searched(index: string, seconds: number): void;
}

export function indexMetrics(registry: Registry): IndexMetrics {
  const passages = new Gauge({
    name: "albert_index_passages",
    help: "Passages of a search index that can be found now; 0 where its file cannot be read.",
    labelNames: ["index"],
    registers: [registry],
  });
  const duration = new Histogram({
    name: "albert_index_search_duration_seconds",
    help: "Time of one search among the passages of an index, without encoding, waiting and reading.",
    labelNames: ["index"],
    buckets: [...DURATION_BUCKETS],
    registers: [registry],
  });
  return {
    serves: (index, count) => passages.set({ index }, count),
    searched: (index, seconds) => duration.observe({ index }, seconds),
  };
}
