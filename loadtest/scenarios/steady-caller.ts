import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";

/** One answered or failed call. */
export interface Sample {
  /** When it should have been sent, in milliseconds since 1970. */
  readonly intendedMs: number;
  /** From that moment to the answer: a caller that comes late, or a server that stalls, counts in full. */
  readonly latencyMs: number;
  /** Version that answered; absent when the call failed. */
  readonly version?: string;
  readonly error?: unknown;
}

/** Calls something at fixed moments, whether or not earlier calls have been answered, and keeps what came of each. */
export class SteadyCaller {
  readonly samples: Sample[] = [];
  readonly #ask: (index: number) => Promise<string>;
  readonly #intervalMs: number;
  readonly #running: Promise<void>;
  #stopped = false;

  /** @param ask  makes call number `index` and tells the version that answered */
  constructor(ratePerSecond: number, ask: (index: number) => Promise<string>) {
    this.#ask = ask;
    this.#intervalMs = 1000 / ratePerSecond;
    this.#running = this.#run();
  }

  /** Sends nothing more and waits for every answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Calls that should have been sent between two moments. */
  between(fromMs: number, toMs: number): Sample[] {
    return this.samples.filter(({ intendedMs }) => intendedMs >= fromMs && intendedMs < toMs);
  }

  async #run(): Promise<void> {
    const calls: Promise<void>[] = [];
    const began = performance.timeOrigin + performance.now();
    for (let index = 0; !this.#stopped; index++) {
      const intendedMs = began + index * this.#intervalMs;
      const waitMs = intendedMs - (performance.timeOrigin + performance.now());
      if (waitMs > 0) await setTimeout(waitMs);
      calls.push(this.#call(index, intendedMs));
    }
    await Promise.all(calls);
  }

  async #call(index: number, intendedMs: number): Promise<void> {
    const outcome = await this.#ask(index).then(
      (version) => ({ version }),
      (error: unknown) => ({ error }),
    );
    const latencyMs = performance.timeOrigin + performance.now() - intendedMs;
    this.samples.push({ intendedMs, latencyMs, ...outcome });
  }
}

/** Requests, failures and percentiles of some calls, in milliseconds. */
export function summary(samples: readonly Sample[]) {
  const sorted = samples.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
    return value === undefined ? null : Number(value.toFixed(2));
  };
  const failed = samples.filter(({ error }) => error !== undefined).length;
  return { requests: samples.length, failed, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
