import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import { createMetrics, type Metrics } from "../../../src/metrics/metrics.ts";
import { requestKey } from "../../../src/serving/cache/request-key.ts";
import { ResponseCache, type Waiting } from "../../../src/serving/cache/response-cache.ts";
import { queueFull } from "../../../src/serving/errors.ts";
import { UNLIMITED } from "../../../src/tasks/plan.ts";
import { VirtualClock } from "../virtual-clock.ts";

let clock: VirtualClock;
let metrics: Metrics;
let cache: ResponseCache;
/** Places that are taken at this moment. */
let places: number;
/** Computations under way, in the order in which they began. */
let computing: { finish(value: unknown): void; fail(error: unknown): void }[];

beforeEach(() => {
  clock = new VirtualClock();
  metrics = createMetrics("test");
  places = 0;
  computing = [];
  start(100_000);
});
afterEach(() => metrics.close());

function start(maxBytes: number, maxAgeMs = 1000): void {
  cache = new ResponseCache({ maxBytes, maxAgeMs, clock, metrics: metrics.responseCache });
}

const compute = () =>
  new Promise<unknown>((resolve, reject) => {
    computing.push({ finish: resolve, fail: reject });
  });

/** Asks for a key; the outcome is filled in when it has settled. */
function ask(key: string, more: Partial<Waiting> = {}) {
  const outcome: { value?: unknown; source?: string; error?: unknown } = {};
  const enter = () => {
    places++;
    return () => {
      places--;
    };
  };
  const waiting: Waiting = {
    priority: "interactive",
    deadlineAt: Number.POSITIVE_INFINITY,
    signal: undefined,
    enter,
    ...more,
  };
  cache.answer(key, waiting, compute).then(
    (answered) => Object.assign(outcome, answered),
    (error: unknown) => Object.assign(outcome, { error }),
  );
  return outcome;
}

/** Computes and keeps an answer. */
async function keep(key: string, value: unknown): Promise<void> {
  ask(key);
  await clock.settle();
  computing.pop()!.finish(value);
  await clock.settle();
}

const found = async (key: string) => {
  const outcome = ask(key);
  await clock.settle();
  return outcome;
};
const requests = async () =>
  Object.fromEntries(
    [...(await metrics.page()).body.matchAll(/^albert_response_cache_requests_total\{result="(\w+)"\} (\d+)/gm)].map(
      ([, result, count]) => [result, Number(count)],
    ),
  );

describe("kept answers", () => {
  it("are given again as they were computed, each caller a copy of its own", async () => {
    const value = { labels: [{ label: "ü", score: 0.1 + 0.2 }], vector: Float32Array.of(0.1, -0, Number.NaN) };
    await keep("a", value);
    const first = await found("a");
    expect(first).toEqual({ value, source: "kept" });
    (first.value as typeof value).vector.fill(7);
    (first.value as typeof value).labels.length = 0;
    expect((await found("a")).value).toEqual(value);
    expect(computing).toEqual([]);
    expect(await requests()).toEqual({ hit: 2, miss: 1 });
  });

  it("lose the least recently used one, and never take more memory than they may", async () => {
    start(8 * 4096);
    for (const key of ["a", "b", "c", "d", "e", "f", "g", "h"]) await keep(key, "x".repeat(3000));
    await found("a");
    await keep("i", "x".repeat(3000));
    await keep("j", "x".repeat(3000));
    expect((await found("a")).source).toBe("kept");
    expect((await found("j")).source).toBe("kept");
    expect((await found("b")).source).toBeUndefined();
    for (let i = 0; i < 100; i++) {
      await keep(`n${i}`, "x".repeat(i * 50));
      expect(cache.bytes).toBeLessThanOrEqual(8 * 4096);
    }
    expect((await metrics.page()).body).toContain(`albert_response_cache_bytes ${cache.bytes}`);
  });

  it("are none that are larger than an eighth of the whole", async () => {
    start(8 * 4096);
    await keep("small", "x");
    await keep("large", "x".repeat(4096));
    expect((await found("small")).source).toBe("kept");
    expect((await found("large")).source).toBeUndefined();
  });

  it("are not given once they are too old", async () => {
    await clock.advance(1);
    await keep("a", 1);
    await clock.advance(999);
    expect((await found("a")).source).toBe("kept");
    await clock.advance(2);
    expect((await found("a")).source).toBeUndefined();
    expect(computing).toHaveLength(1);
  });

  it("are no errors", async () => {
    const first = ask("a");
    await clock.settle();
    const error = new AlbertError("backend", "it failed", { reason: "POISON" });
    computing.pop()!.fail(error);
    await clock.settle();
    expect(first.error).toBe(error);
    await found("a");
    expect(computing).toHaveLength(1);
  });
});

describe("equal requests at the same time", () => {
  it("are computed once, and those that wait hold a place", async () => {
    const all = [ask("a"), ask("a"), ask("a"), ask("b")];
    await clock.settle();
    expect([computing.length, places]).toEqual([2, 2]);
    computing[0]!.finish("A");
    await clock.settle();
    expect(all.map(({ value, source }) => [value, source])).toEqual([
      ["A", "computed"],
      ["A", "shared"],
      ["A", "shared"],
      [undefined, undefined],
    ]);
    expect(places).toBe(0);
    expect(await requests()).toEqual({ miss: 2, shared: 2 });
  });

  it("share an answer that is too large to be kept", async () => {
    start(4096);
    const all = [ask("a"), ask("a")];
    await clock.settle();
    computing[0]!.finish("x".repeat(4096));
    await clock.settle();
    expect(all.map(({ source }) => source)).toEqual(["computed", "shared"]);
    expect(cache.bytes).toBe(0);
  });

  it("share an error that is not about one of them alone", async () => {
    const all = [ask("a"), ask("a")];
    await clock.settle();
    const error = new AlbertError("backend", "it failed", { reason: "POISON" });
    computing[0]!.fail(error);
    await clock.settle();
    expect(all.map((one) => one.error)).toEqual([error, error]);
    expect([computing.length, places]).toEqual([1, 0]);
  });

  it.each([
    ["has left", new AlbertError("cancelled", "left", { reason: "CANCELLED" })],
    ["is late", new AlbertError("deadline", "late", { reason: "DEADLINE_PASSED" })],
    ["is refused", queueFull("requests", 2, 1, 100)],
  ])("are not lost with one that %s: another computes, once for all", async (_, error) => {
    const all = [ask("a"), ask("a"), ask("a")];
    await clock.settle();
    computing[0]!.fail(error);
    await clock.settle();
    expect(all[0]!.error).toBe(error);
    expect([computing.length, places]).toEqual([2, 1]);
    computing[1]!.finish("A");
    await clock.settle();
    expect(all.slice(1).map(({ value, source }) => [value, source])).toEqual([
      ["A", "computed"],
      ["A", "shared"],
    ]);
    expect(places).toBe(0);
  });

  it("end alone when their own caller leaves or their own deadline passes", async () => {
    const leaving = new AbortController();
    const gone = new AbortController();
    gone.abort();
    const first = ask("a");
    const left = ask("a", { signal: leaving.signal });
    const late = ask("a", { deadlineAt: 50 });
    const never = ask("a", { signal: gone.signal });
    await clock.advance(60);
    leaving.abort();
    await clock.settle();
    expect(left.error).toMatchObject({ code: "cancelled", metadata: { stage: "queue" } });
    expect(late.error).toMatchObject({ code: "deadline", metadata: { stage: "queue" } });
    expect(never.error).toMatchObject({ code: "cancelled" });
    expect(places).toBe(0);
    computing[0]!.finish("A");
    await clock.settle();
    expect([first.value, computing.length, clock.timers]).toEqual(["A", 1, 0]);
  });

  it("do not wait behind one of another priority", async () => {
    ask("a", { priority: "batch" });
    ask("a");
    await clock.settle();
    expect(computing).toHaveLength(2);
  });

  it("are refused like any request where there is no room to wait", async () => {
    const full = queueFull("requests", 2, 1, 100);
    ask("a");
    const second = ask("a", {
      enter: () => {
        throw full;
      },
    });
    await clock.settle();
    expect(second.error).toBe(full);
  });
});

describe("the key of a request", () => {
  const version = { name: "m", version: "1", digest: "d" };
  const request = { task: "classify", input: { text: "good" }, limits: UNLIMITED } as const;

  it("is that of its version, task, texts, options and bounds", () => {
    const key = requestKey(version, request);
    expect(requestKey({ ...version }, { ...request, input: { text: "good" } })).toBe(key);
    const others = [
      requestKey({ ...version, version: "2" }, request),
      requestKey({ ...version, digest: "e" }, request),
      requestKey({ ...version, name: "n" }, request),
      requestKey(version, { ...request, input: { text: "good", topK: 1 } }),
      requestKey(version, { ...request, task: "encode" }),
      requestKey(version, { ...request, limits: { ...UNLIMITED, maxCharacters: 9 } }),
    ];
    expect(new Set([key, ...others]).size).toBe(7);
  });

  it("is none for what is too long to be digested in passing, or wrong", () => {
    const half = "x".repeat(40_000);
    expect(requestKey(version, { ...request, input: { text: half } })).toBeDefined();
    expect(requestKey(version, { ...request, input: { text: half, textPair: half } })).toBeUndefined();
    expect(requestKey(version, { ...request, violations: [{ field: "f", description: "d" }] })).toBeUndefined();
  });
});
