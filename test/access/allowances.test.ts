import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Allowances } from "../../src/access/allowances.ts";
import type { CallerLimits, LimitName } from "../../src/access/caller-limits.ts";
import type { AlbertError } from "../../src/errors.ts";

const NONE: CallerLimits = { requests_per_second: 0, tokens_per_second: 0, bytes_per_second: 0, streams: 0, jobs: 0 };

let refused: LimitName[];
const allowances = (limits: Partial<CallerLimits>, burstSeconds = 2) =>
  new Allowances({ limits: { ...NONE, ...limits }, burstSeconds, onRefused: (limit) => refused.push(limit) });
const refusal = (act: () => void): AlbertError | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return error as AlbertError;
  }
};
const takenBy = (take: () => void, most = 1000): number => {
  for (let count = 0; count < most; count++) if (refusal(take) !== undefined) return count;
  return most;
};

beforeEach(() => {
  refused = [];
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => vi.useRealTimers());

describe("a caller's rate", () => {
  it("lets its burst in at once, then as much as time pays for", () => {
    const caller = allowances({ requests_per_second: 10 }).of("a", undefined);
    expect(takenBy(() => caller.take())).toBe(20);
    vi.advanceTimersByTime(1000);
    expect(takenBy(() => caller.take())).toBe(10);
    vi.advanceTimersByTime(60_000);
    expect(takenBy(() => caller.take())).toBe(20);
  });

  it("says which limit it was and when to come back, never too early", () => {
    const caller = allowances({ requests_per_second: 2 }, 0.5).of("a", undefined);
    caller.take();
    for (let tries = 0; tries < 50; tries++) {
      const error = refusal(() => caller.take());
      expect(error).toMatchObject({ code: "overloaded", reason: "CALLER_LIMIT" });
      expect(error?.metadata).toEqual({ limit: "requests_per_second", value: "2" });
      expect(error?.retryAfterMs).toBeGreaterThanOrEqual(500);
      expect(error?.retryAfterMs).toBeLessThan(900);
    }
    expect(refused).toEqual(new Array(50).fill("requests_per_second"));
  });

  it.each(["tokens", "bytes"] as const)(
    "of %s refuses nothing for its size, but what comes before it is paid for",
    (rate) => {
      const caller = allowances({ [`${rate}_per_second`]: 1000 }).of("a", undefined);
      caller.take();
      caller.spend(rate, 12_000);
      expect(refusal(() => caller.take())?.metadata["limit"]).toBe(`${rate}_per_second`);
      vi.advanceTimersByTime(9999);
      expect(refusal(() => caller.take())).toBeDefined();
      vi.advanceTimersByTime(2);
      expect(refusal(() => caller.take())).toBeUndefined();
    },
  );

  it("is one caller's own, and its own limits go before those of all", () => {
    const all = allowances({ requests_per_second: 1 }, 1);
    expect(takenBy(() => all.of("a", undefined).take())).toBe(1);
    expect(takenBy(() => all.of("b", undefined).take())).toBe(1);
    const own = { requests_per_second: 7 };
    expect(takenBy(() => all.of("c", own).take())).toBe(7);
    expect(all.bounds({ requests_per_second: 0 }, false)).toBe(false);
    // A credential that changed counts from now on.
    const changed = { requests_per_second: 3 };
    expect(takenBy(() => all.of("c", changed).take())).toBe(3);
  });
});

describe("a caller's streams", () => {
  it("are counted until they end, each once", () => {
    const caller = allowances({ streams: 2 }).of("a", undefined);
    const first = caller.openStream();
    caller.openStream();
    expect(refusal(() => caller.openStream())?.metadata).toEqual({ limit: "streams", value: "2" });
    first();
    first();
    caller.openStream();
    expect(refusal(() => caller.openStream())).toBeDefined();
  });

  it("stay counted when so many others came that the caller was forgotten", () => {
    const all = allowances({ streams: 1 });
    all.of("a", undefined).openStream();
    for (let other = 0; other < 20_000; other++) all.of(`other-${other}`, undefined);
    expect(refusal(() => all.of("a", undefined).openStream())).toBeDefined();
  });
});

it("no more than ten thousand callers are remembered", () => {
  const all = allowances({ requests_per_second: 1 });
  for (let caller = 0; caller < 25_000; caller++) all.of(`address ${caller}`, undefined).take();
  expect(all.size).toBe(10_000);
});
