import { Counter, Gauge, type Registry } from "prom-client";
import { readGauge } from "./series/series.ts";

// The series about what is kept so that it need not be fetched or made again.

/** Sizes of caches on disk are looked up at most so often, however often the page is read. */
const SIZE_AGE_MS = 60_000;

/** What the caches record. */
export interface CacheMetrics {
  /** Something was looked for: `versions` and `datasets` in the store's local copies, `measurements` among what engines were found to cost. */
  looked(cache: string, hit: boolean): void;
  /** Reads the bytes of a cache on disk, at a scrape. A size that cannot be read is not shown. */
  measure(cache: string, read: () => Promise<number>): void;
}

export function cacheMetrics(registry: Registry, now: () => number = () => performance.now()): CacheMetrics {
  const lookups = new Counter({
    name: "albert_cache_lookups_total",
    help: "What was looked for in a cache, by whether it was there.",
    labelNames: ["cache", "result"],
    registers: [registry],
  });
  const sizes = new Map<string, () => Promise<number>>();
  let measuredAt = Number.NEGATIVE_INFINITY;
  new Gauge({
    name: "albert_cache_bytes",
    help: "Bytes of a cache on disk, at most a minute old.",
    labelNames: ["cache"],
    registers: [registry],
    async collect() {
      if (now() - measuredAt < SIZE_AGE_MS) return;
      measuredAt = now();
      for (const [cache, read] of sizes) {
        try {
          this.set({ cache }, await read());
        } catch {
          this.remove({ cache });
        }
      }
    },
  });
  return {
    looked: (cache, hit) => lookups.inc({ cache, result: hit ? "hit" : "miss" }),
    measure: (cache, read) => {
      sizes.set(cache, read);
      measuredAt = Number.NEGATIVE_INFINITY;
    },
  };
}

/** What the cache of answers records. */
export interface ResponseCacheMetrics {
  /** `hit`: the answer was kept; `shared`: an equal request was computing it; `miss`: it was computed. */
  asked(result: "hit" | "shared" | "miss"): void;
  /** Names the cache to read at each scrape; called once, by its owner. */
  observe(read: () => { readonly bytes: number; readonly answers: number }): void;
}

export function responseCacheMetrics(registry: Registry): ResponseCacheMetrics {
  const requests = new Counter({
    name: "albert_response_cache_requests_total",
    help: "Requests that were looked for among kept answers, by what was found.",
    labelNames: ["result"],
    registers: [registry],
  });
  let read = () => ({ bytes: 0, answers: 0 });
  readGauge(registry, "albert_response_cache_bytes", "Bytes of kept answers.", () => read().bytes);
  readGauge(registry, "albert_response_cache_answers", "Answers that are kept.", () => read().answers);
  return {
    asked: (result) => requests.inc({ result }),
    observe: (of) => {
      read = of;
    },
  };
}
