import type { SwapPhase } from "../../metrics/models.ts";
import type { Clock } from "../../platform/waiting/clock.ts";
import type { SwapReport } from "./status.ts";
import type { LoadRecord } from "./version-slot.ts";

// What one change of version cost: its phases, and the latencies before, during and after. It only
// records; long-term latencies are in the metrics.

/** How long before and after a swap counts as "before" and "after". */
const NEIGHBOURHOOD_MS = 60_000;

/** What is known of a swap once the name points at the new version. */
type Change = Pick<SwapReport, "name" | "to" | "result" | "generation" | "timeMs"> & { readonly from?: string };

/** Follows one change of version from the start of loading to the release of the old version. */
export class SwapTiming {
  readonly #phases: Partial<Record<SwapPhase, number>>;
  readonly #change: Change;
  readonly #rssBeforeBytes: number;
  readonly #clock: Clock;
  readonly #latencies: Latencies;
  readonly #began: number;
  /** Percentiles of intervals that are over, which are computed once: reports are asked for many times in a swap. */
  readonly #p99Before: number | undefined;
  #drained: { readonly at: number; readonly rssBytes: number; readonly p99During: number | undefined } | undefined;
  #requestsFailed = 0;

  /** @param load  of the new version */
  constructor(change: Change, load: LoadRecord, clock: Clock, latencies: Latencies) {
    const { began, phaseSeconds, rssBeforeBytes } = load;
    this.#change = change;
    this.#began = began;
    this.#rssBeforeBytes = rssBeforeBytes;
    this.#phases = { ...phaseSeconds };
    this.#clock = clock;
    this.#latencies = latencies;
    this.#p99Before = latencies.percentile(99, began - NEIGHBOURHOOD_MS, began);
  }

  phase(phase: SwapPhase, seconds: number): void {
    this.#phases[phase] = seconds;
  }

  /** The old version has answered its last request. */
  drained(rssBytes: number): void {
    const at = this.#clock.now();
    this.#drained = { at, rssBytes, p99During: this.#p99Since(at) };
  }

  /** Requests that were in the old version when it was closed under them. */
  failed(requests: number): void {
    this.#requestsFailed += requests;
  }

  get report(): SwapReport {
    const drained = this.#drained;
    const before = this.#p99Before;
    const during = drained === undefined ? this.#p99Since(this.#clock.now()) : drained.p99During;
    const after =
      drained === undefined ? undefined : this.#latencies.percentile(99, drained.at, drained.at + NEIGHBOURHOOD_MS);
    return {
      ...this.#change,
      rssBeforeBytes: this.#rssBeforeBytes,
      phaseSeconds: { ...this.#phases },
      ...(before === undefined ? {} : { p99BeforeMs: before }),
      ...(during === undefined ? {} : { p99DuringMs: during }),
      ...(after === undefined ? {} : { p99AfterMs: after }),
      ...(drained === undefined ? {} : { rssAfterBytes: drained.rssBytes }),
      requestsFailed: this.#requestsFailed,
    };
  }

  /** From the start of loading to a moment. */
  #p99Since(end: number): number | undefined {
    return this.#latencies.percentile(99, this.#began, end);
  }
}

/**
 * When recent requests ended and how long they took, for percentiles over an interval. Bounded: the oldest
 * are forgotten.
 */
export class Latencies {
  readonly #capacity: number;
  readonly #ended: Float64Array;
  readonly #tookMs: Float64Array;
  #count = 0;

  constructor(capacity = 8192) {
    this.#capacity = capacity;
    this.#ended = new Float64Array(capacity);
    this.#tookMs = new Float64Array(capacity);
  }

  record(endedAt: number, tookMs: number): void {
    this.#ended[this.#count % this.#capacity] = endedAt;
    this.#tookMs[this.#count % this.#capacity] = tookMs;
    this.#count++;
  }

  /**
   * Nearest-rank percentile of the requests that ended in `from <= moment < to`.
   *
   * @returns undefined when none did
   */
  percentile(percent: number, from: number, to: number): number | undefined {
    const took: number[] = [];
    for (let i = 0; i < Math.min(this.#count, this.#capacity); i++) {
      if (this.#ended[i]! >= from && this.#ended[i]! < to) took.push(this.#tookMs[i]!);
    }
    took.sort((a, b) => a - b);
    return took[Math.max(0, Math.ceil((percent / 100) * took.length) - 1)];
  }
}
