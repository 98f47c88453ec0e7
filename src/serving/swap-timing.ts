import type { Clock } from "./clock.ts";
import type { Latencies } from "./latencies.ts";
import type { SwapPhase, SwapReport } from "./serving-state.ts";

/** How long before and after a swap counts as "before" and "after". */
const NEIGHBOURHOOD_MS = 60_000;

/** What is known of a swap once the name has been flipped. */
type Flip = Pick<SwapReport, "name" | "to" | "result" | "generation" | "timeMs" | "rssBeforeBytes"> & {
  readonly from?: string;
};

/** Follows one change of version from the start of loading to the release of the old version. */
export class SwapTiming {
  readonly #phases: Partial<Record<SwapPhase, number>>;
  readonly #flip: Flip;
  readonly #clock: Clock;
  readonly #latencies: Latencies;
  readonly #began: number;
  #drained: { readonly at: number; readonly rssBytes: number } | undefined;
  #requestsFailed = 0;

  /** @param began  moment on the clock at which loading began */
  constructor(
    flip: Flip,
    began: number,
    phases: Partial<Record<SwapPhase, number>>,
    clock: Clock,
    latencies: Latencies,
  ) {
    this.#flip = flip;
    this.#began = began;
    this.#phases = { ...phases };
    this.#clock = clock;
    this.#latencies = latencies;
  }

  phase(phase: SwapPhase, seconds: number): void {
    this.#phases[phase] = seconds;
  }

  /** The old version has answered its last request. */
  drained(rssBytes: number): void {
    this.#drained = { at: this.#clock.now(), rssBytes };
  }

  /** Requests that were in the old version when it was closed under them. */
  failed(requests: number): void {
    this.#requestsFailed += requests;
  }

  get report(): SwapReport {
    const end = this.#drained?.at ?? this.#clock.now();
    const before = this.#latencies.percentile(99, this.#began - NEIGHBOURHOOD_MS, this.#began);
    const during = this.#latencies.percentile(99, this.#began, end);
    const after = this.#drained === undefined ? undefined : this.#latencies.percentile(99, end, end + NEIGHBOURHOOD_MS);
    return {
      ...this.#flip,
      phaseSeconds: { ...this.#phases },
      ...(before === undefined ? {} : { p99BeforeMs: before }),
      ...(during === undefined ? {} : { p99DuringMs: during }),
      ...(after === undefined ? {} : { p99AfterMs: after }),
      ...(this.#drained === undefined ? {} : { rssAfterBytes: this.#drained.rssBytes }),
      requestsFailed: this.#requestsFailed,
    };
  }
}
