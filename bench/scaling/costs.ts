import type { RequestCounts, RequestKind } from "./modelled-s3.ts";

// What requests cost, and how times are summed up.

/**
 * US dollars for 1,000 requests of S3 Standard in US East (N. Virginia), by https://aws.amazon.com/s3/pricing/ in November 2026. Removals cost nothing,
 * and neither does data that goes to machines of the same region.
 */
export const PRICES: Readonly<Record<RequestKind, number>> = {
  GET: 0.0004,
  HEAD: 0.0004,
  PUT: 0.005,
  LIST: 0.005,
  DELETE: 0,
};

const MINUTES_PER_MONTH = 30 * 24 * 60;

export interface Requests {
  /** Requests in a minute, of each kind. */
  readonly perMinute: RequestCounts;
  readonly dollarsPerMonth: number;
}

/** Requests between two countings, as a rate and as money. */
export function requestsBetween(before: RequestCounts, after: RequestCounts, milliseconds: number): Requests {
  const perMinute = { ...after };
  let dollars = 0;
  for (const kind of Object.keys(PRICES) as RequestKind[]) {
    const exact = ((after[kind] - before[kind]) / milliseconds) * 60_000;
    dollars += (exact * MINUTES_PER_MONTH * PRICES[kind]) / 1000;
    perMinute[kind] = Math.round(exact);
  }
  return { perMinute, dollarsPerMonth: Number(dollars.toFixed(2)) };
}

/** Seconds: the middle, the slowest of a hundred, and the slowest, of so many. */
export function summaryOf(milliseconds: readonly number[]) {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
    return value === undefined ? null : Number((value / 1000).toFixed(1));
  };
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), most: at(1) };
}
