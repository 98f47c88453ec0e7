import { setTimeout as delay } from "node:timers/promises";
import { TokenBucket } from "limiter";
import { LRUCache } from "lru-cache";
import { AlbertError, spreadRetry } from "../errors.ts";
import { CALLER_LIMITS, type CallerLimits, type LimitName, type OwnLimits } from "./caller-limits.ts";

// How much each caller may still do. Rates are token buckets. What a request costs is known only after it was let in (its
// bytes once they have come, its tokens once the text is cut), so a caller may run into debt by what it has in hand, and is
// let in again when time has paid for it: over time it gets its rate, and no request is too large ever to be let in.

const RATES = { requests: "requests_per_second", tokens: "tokens_per_second", bytes: "bytes_per_second" } as const;

/** What a rate counts. */
export type Rate = keyof typeof RATES;

/** Callers whose use is remembered; of more, those that were seen last. */
const MOST_CALLERS = 10_000;

/** A refused caller may come back when one of its streams, or one of its jobs, may have ended. */
const RETRY_STREAM_MS = 1000;
const RETRY_JOB_MS = 60_000;

/** The advice when to come back is varied downwards too; nobody shall come back too early. */
const NOT_TOO_EARLY = 4 / 3;

/** A pause in a stream is not longer than this between two looks. */
const LOOK_EVERY_MS = 1000;

export interface AllowancesOptions {
  /** Limits of each caller that has none of its own. */
  readonly limits: CallerLimits;
  /** For how many seconds of its rate a caller may come at once. */
  readonly burstSeconds: number;
  readonly onRefused?: (limit: LimitName) => void;
}

/** What one caller may still do. */
export interface Allowance {
  /** Takes one request. @throws AlbertError overloaded CALLER_LIMIT */
  take(): void;
  /** Takes one request when it may be had. @throws the signal's reason */
  turn(signal: AbortSignal): Promise<void>;
  /** Counts what a request that was let in has cost. */
  spend(rate: Rate, amount: number): void;
  /** @returns ends the stream. @throws AlbertError overloaded CALLER_LIMIT */
  openStream(): () => void;
}

/** The allowances of all callers of a server, whichever listener they come by. Holds no more than so many of them. */
export class Allowances {
  readonly #options: AllowancesOptions;
  readonly #callers = new LRUCache<string, CallerAllowance>({ max: MOST_CALLERS });
  /** As many entries as callers have streams open: these are not forgotten. */
  readonly #streams = new Map<string, number>();

  constructor(options: AllowancesOptions) {
    this.#options = options;
  }

  /** Callers that are remembered now. */
  get size(): number {
    return this.#callers.size;
  }

  /** Whether anything is limited for a call of a caller with these limits of its own. */
  bounds(own: OwnLimits | undefined, streaming: boolean): boolean {
    const limits = own === undefined ? this.#options.limits : { ...this.#options.limits, ...own };
    return Object.values(RATES).some((name) => limits[name] > 0) || (streaming && limits.streams > 0);
  }

  /** The allowance of a caller, whom `name` tells from all others. */
  of(name: string, own: OwnLimits | undefined): Allowance {
    const known = this.#callers.get(name);
    if (known !== undefined && known.own === own) return known;
    const fresh = new CallerAllowance(name, own, this.#options, this.#streams, this.refusal.bind(this));
    this.#callers.set(name, fresh);
    return fresh;
  }

  /** How many unfinished jobs such a caller may have; 0: as many as it likes. */
  jobsOf(own: OwnLimits | undefined): number {
    return own?.jobs ?? this.#options.limits.jobs;
  }

  /** The refusal of a caller that has as many jobs as it may have. */
  refuseJob(value: number): AlbertError {
    return this.refusal("jobs", value, RETRY_JOB_MS);
  }

  refusal(limit: LimitName, value: number, waitMs: number): AlbertError {
    this.#options.onRefused?.(limit);
    const message = `this caller may have at most ${value} ${CALLER_LIMITS[limit]}${limit.endsWith("second") ? " a second" : ""}`;
    return new AlbertError("overloaded", message, {
      reason: "CALLER_LIMIT",
      metadata: { limit, value: String(value) },
      retryAfterMs: spreadRetry(Math.max(1, waitMs) * NOT_TOO_EARLY),
    });
  }
}

class CallerAllowance implements Allowance {
  readonly own: OwnLimits | undefined;
  readonly #name: string;
  readonly #limits: CallerLimits;
  readonly #buckets: Readonly<Record<Rate, TokenBucket | undefined>>;
  readonly #streams: Map<string, number>;
  readonly #refusal: Allowances["refusal"];

  constructor(
    name: string,
    own: OwnLimits | undefined,
    { limits, burstSeconds }: AllowancesOptions,
    streams: Map<string, number>,
    refusal: Allowances["refusal"],
  ) {
    this.own = own;
    this.#name = name;
    this.#limits = { ...limits, ...own };
    this.#streams = streams;
    this.#refusal = refusal;
    const bucket = (rate: Rate) => fullBucket(this.#limits[RATES[rate]], burstSeconds);
    this.#buckets = { requests: bucket("requests"), tokens: bucket("tokens"), bytes: bucket("bytes") };
  }

  take(): void {
    const missing = this.#missing();
    if (missing !== undefined) {
      const limit = RATES[missing.rate];
      throw this.#refusal(limit, this.#limits[limit], missing.waitMs);
    }
    this.#buckets.requests?.tryRemoveTokens(1);
  }

  async turn(signal: AbortSignal): Promise<void> {
    for (let missing = this.#missing(); missing !== undefined; missing = this.#missing()) {
      const pauseMs = Math.min(missing.waitMs, LOOK_EVERY_MS);
      await delay(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
    this.#buckets.requests?.tryRemoveTokens(1);
  }

  spend(rate: Rate, amount: number): void {
    const bucket = this.#buckets[rate];
    if (bucket === undefined) return;
    bucket.drip();
    bucket.content -= amount;
  }

  openStream(): () => void {
    const open = this.#streams.get(this.#name) ?? 0;
    const { streams } = this.#limits;
    if (streams > 0 && open >= streams) throw this.#refusal("streams", streams, RETRY_STREAM_MS);
    this.#streams.set(this.#name, open + 1);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      const left = (this.#streams.get(this.#name) ?? 1) - 1;
      if (left > 0) this.#streams.set(this.#name, left);
      else this.#streams.delete(this.#name);
    };
  }

  /** The rate that lets nothing in now, and for how long. */
  #missing(): { readonly rate: Rate; readonly waitMs: number } | undefined {
    const { requests, tokens, bytes } = this.#buckets;
    const waits = [
      { rate: "tokens", waitMs: tokens?.getWaitTime(0) ?? 0 },
      { rate: "bytes", waitMs: bytes?.getWaitTime(0) ?? 0 },
      { rate: "requests", waitMs: requests?.getWaitTime(1) ?? 0 },
    ] as const;
    return waits.find(({ waitMs }) => waitMs > 0);
  }
}

/** A bucket for so many seconds of a rate, at least one whole request; undefined for no limit. */
function fullBucket(perSecond: number, burstSeconds: number): TokenBucket | undefined {
  if (perSecond === 0) return undefined;
  const bucketSize = Math.max(1, perSecond * burstSeconds);
  const bucket = new TokenBucket({ bucketSize, tokensPerInterval: perSecond, interval: "second" });
  bucket.content = bucketSize;
  return bucket;
}
