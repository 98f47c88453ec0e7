import type { FieldViolation } from "../errors.ts";

// The limits of one caller, by the names that settings, the file of callers and refusals give them.

/** Every limit and what it bounds. */
export const CALLER_LIMITS = {
  requests_per_second: "calls, and items of batches and streams",
  tokens_per_second: "tokens of text",
  bytes_per_second: "bytes of messages",
  streams: "streams open at a time",
  jobs: "jobs that are not finished",
} as const;

export type LimitName = keyof typeof CALLER_LIMITS;

/** Limits of one caller; 0: none. */
export type CallerLimits = Readonly<Record<LimitName, number>>;

/** Limits by which one caller differs from all others. */
export type OwnLimits = Partial<CallerLimits>;

const MOST = 1_000_000_000_000;

/** What is wrong with limits that a person wrote, by fields below `at`. */
export function limitViolations(limits: Readonly<Record<string, unknown>>, at: string): FieldViolation[] {
  return Object.entries(limits).flatMap(([name, value]) => {
    const field = `${at}.${name}`;
    if (!Object.hasOwn(CALLER_LIMITS, name)) {
      return [{ field: at, description: `have no ${JSON.stringify(name)}: ${Object.keys(CALLER_LIMITS).join(", ")}` }];
    }
    const fits = typeof value === "number" && value >= 0 && value <= MOST;
    return fits ? [] : [{ field, description: `must be a number from 0 (no limit) to ${MOST}` }];
  });
}
