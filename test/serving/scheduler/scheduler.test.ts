import { afterEach, describe, expect, it } from "vitest";
import { AlbertError, invalidInput, spreadRetry } from "../../../src/errors.ts";
import type { SequenceInput } from "../../../src/runtime/engine.ts";
import { sequence } from "../fake-engine.ts";
import { type Outcome, ranIds, SchedulerRig } from "./scheduler-rig.ts";

let rig: SchedulerRig;
const start = (...options: ConstructorParameters<typeof SchedulerRig>) => {
  rig = new SchedulerRig(...options);
  return rig;
};
afterEach(() => rig.close());

const reasonOf = (outcome: Outcome | undefined) =>
  outcome?.kind === "failed" && outcome.error instanceof AlbertError ? outcome.error.reason : outcome?.kind;
const page = async () => (await rig.metrics.page()).body;

const POISON = 66;
const poisoned = (sequences: readonly SequenceInput[], how: () => Error) => {
  if (sequences.some(({ inputIds }) => inputIds[1] === POISON)) throw how();
};
const lost = () => new AlbertError("unavailable", "worker lost", { reason: "WORKER_LOST" });

describe("order", () => {
  it("runs the earliest deadline first, in order of arrival among equals", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10 });
    for (const id of [1, 2]) rig.submit(queue, { sequences: [sequence(10, id)] });
    await rig.clock.settle();
    const deadlines = [900, 300, 600, 300];
    deadlines.forEach((deadline, i) => {
      rig.submit(queue, { sequences: [sequence(10, 10 + i)], deadline });
    });
    await rig.finishAll(engine);
    expect(ranIds(engine).flat()).toEqual([1, 2, 11, 13, 12, 10]);
  });

  it("lets work age before a far deadline comes, batch work eight times slower", async () => {
    const { queue, engine } = start({ agingMs: 100 }).queue({ tokenBudget: 10 });
    for (const id of [1, 2]) rig.submit(queue, { sequences: [sequence(10, id)] });
    await rig.clock.settle();
    rig.submit(queue, { sequences: [sequence(10, 3)], priority: "batch" });
    rig.submit(queue, { sequences: [sequence(10, 4)] });
    await rig.clock.advance(50);
    rig.submit(queue, { sequences: [sequence(10, 5)], deadline: 140 });
    rig.submit(queue, { sequences: [sequence(10, 6)], deadline: 100.5 });
    await rig.clock.advance(0);
    await rig.finishAll(engine);
    expect(ranIds(engine).flat()).toEqual([1, 2, 4, 6, 5, 3]);
  });

  it("overtakes nobody forever: a steady stream of urgent work cannot starve what has aged", async () => {
    const { queue, engine } = start({ agingMs: 100 }).queue({ tokenBudget: 10, predictMs: () => 10 });
    const patient = rig.submit(queue, { sequences: [sequence(10, 1)], priority: "batch" });
    for (let step = 0; step < 200 && patient.outcome === undefined; step++) {
      const now = rig.clock.now();
      for (const id of [2, 3]) rig.submit(queue, { sequences: [sequence(10, id)], deadline: now + 500 });
      await rig.clock.settle();
      engine.held[0]!.finish();
      await rig.clock.advance(10);
    }
    expect(reasonOf(patient.outcome)).toBe("answered");
    expect(rig.clock.now()).toBeLessThan(1000);
  });

  it("shares a device between models by device time, not by number of requests", async () => {
    const { queue: short, engine: shortEngine } = start().queue({ tokenBudget: 10 }, "short");
    const { queue: long, engine: longEngine } = rig.queue({ tokenBudget: 40 }, "long");
    for (let i = 0; i < 80; i++) rig.submit(short, { sequences: [sequence(10)] });
    for (let i = 0; i < 20; i++) rig.submit(long, { sequences: [sequence(40)] });
    await rig.clock.settle();
    for (let batch = 0; batch < 40; batch++) {
      [...shortEngine.held, ...longEngine.held][0]!.finish();
      await rig.clock.settle();
    }
    const times = [shortEngine.ran.length * 10, longEngine.ran.length * 40];
    expect(Math.abs(times[0]! - times[1]!)).toBeLessThanOrEqual(80);
  });

  it("does not let a model save up time while it is idle", async () => {
    const { queue: busy, engine: busyEngine } = start().queue({ tokenBudget: 10 }, "busy");
    const { queue: idle, engine: idleEngine } = rig.queue({ tokenBudget: 10 }, "idle");
    for (let i = 0; i < 30; i++) rig.submit(busy, { sequences: [sequence(10)] });
    await rig.clock.settle();
    for (let i = 0; i < 10; i++) {
      busyEngine.held[0]!.finish();
      await rig.clock.settle();
    }
    for (let i = 0; i < 30; i++) rig.submit(idle, { sequences: [sequence(10)] });
    await rig.clock.settle();
    const before = busyEngine.ran.length;
    for (let i = 0; i < 10; i++) {
      [...busyEngine.held, ...idleEngine.held][0]!.finish();
      await rig.clock.settle();
    }
    expect(busyEngine.ran.length - before).toBeGreaterThanOrEqual(4);
  });

  it("serves background queues only while nothing else waits", async () => {
    const { queue: shadow, engine: shadowEngine } = start().queue({ tokenBudget: 10 }, "shadow");
    shadow.setBackground(true);
    const { queue: live, engine: liveEngine } = rig.queue({ tokenBudget: 10 }, "live");
    for (let i = 0; i < 3; i++) rig.submit(shadow, { sequences: [sequence(10)] });
    for (let i = 0; i < 4; i++) rig.submit(live, { sequences: [sequence(10)] });
    await rig.clock.settle();
    expect(liveEngine.held).toHaveLength(2);
    liveEngine.held[0]!.finish();
    liveEngine.held[0]!.finish();
    await rig.clock.settle();
    expect(shadowEngine.ran).toHaveLength(0);
    await rig.finishAll(liveEngine);
    expect(shadowEngine.ran).toHaveLength(2);
  });
});

describe("batches", () => {
  it("mixes the sequences of all callers and gives each caller its own outputs", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 100 });
    const first = rig.submit(queue, { sequences: [sequence(10, 1), sequence(20, 2)] });
    const second = rig.submit(queue, { sequences: [sequence(30, 3)] });
    await rig.finishAll(engine);
    expect(ranIds(engine)).toEqual([[1, 2, 3]]);
    const logits = (outcome: Outcome | undefined) =>
      outcome?.kind === "answered"
        ? outcome.result.outputs.map((output) => [...output.get("sentiment")!["logits"]!])
        : [];
    expect(logits(first.outcome)).toEqual([
      [1, 10],
      [2, 20],
    ]);
    expect(logits(second.outcome)).toEqual([[3, 30]]);
    expect(second.outcome).toMatchObject({ result: { timing: { batches: 1, batchSize: 3 } } });
  });

  it("spreads a request over batches when it exceeds the budget", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 25 });
    const holder = rig.submit(queue, { sequences: [10, 10, 10, 10].map((length, i) => sequence(length, i)) });
    await rig.finishAll(engine);
    expect(ranIds(engine)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(holder.outcome).toMatchObject({ kind: "answered", result: { timing: { batches: 2, runMs: 0 } } });
  });

  it("keeps two batches in flight per device, and no more, whatever the number of models", async () => {
    const { queue: a, engine: engineA } = start().queue({ tokenBudget: 10 }, "a");
    const { queue: b, engine: engineB } = rig.queue({ tokenBudget: 10 }, "b");
    const { queue: c, engine: engineC } = rig.queue({ tokenBudget: 10, device: "cuda" }, "c");
    for (const queue of [a, b, c]) for (let i = 0; i < 5; i++) rig.submit(queue, { sequences: [sequence(10)] });
    await rig.clock.settle();
    expect(engineA.held.length + engineB.held.length).toBe(2);
    expect(engineC.held).toHaveLength(2);
  });

  it("takes what arrives in one turn of the event loop into one batch", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 100 });
    for (let i = 0; i < 5; i++) rig.submit(queue, { sequences: [sequence(10, i)] });
    await rig.finishAll(engine);
    expect(engine.ran).toHaveLength(1);
  });

  it("divides the time of a request into stages that add up", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10, predictMs: () => 4 });
    rig.submit(queue, { sequences: [sequence(10, 1)] });
    rig.submit(queue, { sequences: [sequence(10, 2)] });
    const third = rig.submit(queue, { sequences: [sequence(10, 3)] });
    await rig.clock.advance(4);
    engine.held[0]!.finish();
    await rig.clock.advance(9);
    await rig.finishAll(engine);
    expect(third.outcome).toMatchObject({ result: { timing: { queueMs: 9, runMs: 4, assembleMs: 0 } } });
  });
});

describe("leaving early", () => {
  it("answers at its deadline a request that still waits, and never runs it", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10 });
    for (const id of [1, 2]) rig.submit(queue, { sequences: [sequence(10, id)] });
    await rig.clock.settle();
    const late = rig.submit(queue, { sequences: [sequence(10, 3)], deadline: 50 });
    await rig.clock.advance(49);
    expect(late.outcome).toBeUndefined();
    await rig.clock.advance(1);
    expect(late.outcome).toMatchObject({ error: { code: "deadline", metadata: { stage: "queue" } } });
    await rig.finishAll(engine);
    expect(ranIds(engine).flat()).toEqual([1, 2]);
  });

  it("never runs a request whose deadline passed while timers were late", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10 });
    for (const id of [1, 2]) rig.submit(queue, { sequences: [sequence(10, id)] });
    await rig.clock.settle();
    const late = rig.submit(queue, { sequences: [sequence(10, 3)], deadline: 50 });
    rig.submit(queue, { sequences: [sequence(10, 4)], deadline: 51 });
    await rig.clock.settle();
    rig.clock.stall(50);
    engine.held[0]!.finish();
    await rig.clock.settle();
    expect(late.outcome).toMatchObject({ error: { reason: "DEADLINE_PASSED", metadata: { stage: "queue" } } });
    expect(ranIds(engine).flat()).toEqual([1, 2, 4]);
  });

  it("answers at its deadline a request that runs, and counts the wasted device time", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10, predictMs: () => 40 });
    const late = rig.submit(queue, { sequences: [sequence(10)], deadline: 50 });
    await rig.clock.advance(50);
    expect(late.outcome).toMatchObject({ error: { metadata: { stage: "run" } } });
    await rig.finishAll(engine);
    expect(await page()).toContain('albert_wasted_run_seconds_total{cause="deadline"} 0.04');
  });

  it("takes a cancelled request out of the queue and forgets its timer", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10 });
    for (const id of [1, 2]) rig.submit(queue, { sequences: [sequence(10, id)] });
    await rig.clock.settle();
    const caller = new AbortController();
    const gone = rig.submit(queue, { sequences: [sequence(10, 3)], deadline: 1e6, signal: caller.signal });
    await rig.clock.settle();
    caller.abort();
    await rig.clock.settle();
    expect(gone.outcome).toMatchObject({ error: { code: "cancelled", metadata: { stage: "queue" } } });
    expect(queue.size).toBe(0);
    expect(rig.clock.timers).toBe(0);
    await rig.finishAll(engine);
    expect(ranIds(engine).flat()).toEqual([1, 2]);
    expect(queue.unfinished.size).toBe(0);
  });

  it("gives the reason that the signal carries, where it is one of ours", async () => {
    const { queue } = start().queue();
    const reason = new AlbertError("unavailable", "draining", { reason: "DRAINING" });
    const gone = rig.submit(queue, { sequences: [sequence(10)], signal: AbortSignal.abort(reason) });
    await rig.clock.settle();
    expect(gone.outcome).toMatchObject({ error: reason });
  });

  it("withdraws a batch that waits inside the engine when nobody in it waits any more", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 20 });
    const callers = [new AbortController(), new AbortController()];
    for (const [i, { signal }] of callers.entries()) rig.submit(queue, { sequences: [sequence(10, i)], signal });
    await rig.clock.settle();
    callers[0]!.abort();
    expect(engine.signals[0]?.aborted).toBe(false);
    callers[1]!.abort();
    expect(engine.signals[0]?.aborted).toBe(true);
    engine.held[0]!.fail(new AlbertError("cancelled", "withdrawn", { reason: "BATCH_CANCELLED" }));
    await rig.clock.settle();
    expect(engine.ran).toHaveLength(1);
  });

  it("stops the remaining windows of a request when one caller leaves half-way", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10 });
    const caller = new AbortController();
    rig.submit(queue, { sequences: [1, 2, 3, 4].map((id) => sequence(10, id)), signal: caller.signal });
    await rig.clock.settle();
    caller.abort();
    await rig.finishAll(engine);
    expect(ranIds(engine).flat()).toEqual([1, 2]);
  });
});

describe("admission", () => {
  it("refuses at once what the queue would keep past its deadline, and says when to come back", async () => {
    const { queue } = start({ agingMs: 10 }).queue({ tokenBudget: 100, predictMs: (lengths) => lengths.length * 100 });
    for (let i = 0; i < 4; i++) rig.submit(queue, { sequences: [sequence(100)] });
    await rig.clock.settle();
    const hopeless = rig.submit(queue, { sequences: [sequence(100)], deadline: 400 });
    await rig.clock.settle();
    expect(hopeless.outcome).toMatchObject({
      error: {
        code: "overloaded",
        reason: "DEADLINE_UNREACHABLE",
        metadata: { predicted_ms: "500", remaining_ms: "400", given_ms: "400" },
        retryAfterMs: 100,
      },
    });
    expect(await page()).toContain('albert_shed_total{reason="DEADLINE_UNREACHABLE",priority="interactive"} 1');
  });

  it("counts the rest of what the device has in hand as waiting before", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10, predictMs: (lengths) => 20 * lengths.length });
    for (const id of [1, 2]) rig.submit(queue, { sequences: [sequence(10, id)] });
    await rig.clock.settle();
    expect(rig.scheduler.predictedWaitMs()).toBe(40);
    await rig.clock.advance(5);
    expect(rig.scheduler.predictedWaitMs()).toBe(35);
    const third = rig.submit(queue, { sequences: [sequence(10, 3)] });
    const hopeless = rig.submit(queue, { sequences: [sequence(10, 4)], deadline: rig.clock.now() + 54 });
    await rig.clock.settle();
    expect(hopeless.outcome).toMatchObject({
      error: { reason: "DEADLINE_UNREACHABLE", metadata: { predicted_ms: "55", remaining_ms: "54" } },
    });
    await rig.clock.advance(15);
    engine.held[0]!.finish();
    await rig.clock.settle();
    expect(rig.scheduler.predictedWaitMs()).toBe(40); // the second and the third, of which none has begun to be late
    await rig.clock.advance(100);
    expect(rig.scheduler.predictedWaitMs()).toBe(0); // late, but not known to take longer
    await rig.finishAll(engine);
    expect(third.outcome).toMatchObject({ result: { timing: { prediction: { waitMs: 35, runMs: 20 } } } });
  });

  it("spreads the moments at which refused callers come back, by a quarter either way", () => {
    const retryAt = (draw: number) => spreadRetry(1000, () => draw);
    expect([retryAt(0), retryAt(0.5), retryAt(1)]).toEqual([750, 1000, 1250]);
  });

  it("does not count work that is due later as waiting before", async () => {
    const { queue } = start().queue({ tokenBudget: 100, predictMs: (lengths) => lengths.length * 100 });
    for (let i = 0; i < 6; i++) rig.submit(queue, { sequences: [sequence(100)] });
    await rig.clock.settle();
    const urgent = rig.submit(queue, { sequences: [sequence(100)], deadline: 350 });
    await rig.clock.settle();
    expect(urgent.outcome).toBeUndefined();
    expect(() => rig.scheduler.enter(queue, "interactive", 150)).toThrow(/because of the queue/);
  });

  it("tells a deadline that is too short for the input itself from one that the queue makes impossible", async () => {
    const { queue } = start().queue({ predictMs: () => 100 });
    const short = rig.submit(queue, { sequences: [sequence(10)], deadline: 99 });
    await rig.clock.settle();
    expect(short.outcome).toMatchObject({
      error: {
        code: "deadline",
        reason: "DEADLINE_TOO_SHORT",
        metadata: { minimum_ms: "100", remaining_ms: "99", given_ms: "99" },
      },
    });
  });

  it("bounds requests, waiting tokens and predicted time", async () => {
    const { queue } = start({ maxRequests: 2, maxQueueTokens: 50, maxQueueMs: 1000 }).queue({ tokenBudget: 10 });
    const leave = rig.scheduler.enter(queue, "interactive", Number.POSITIVE_INFINITY);
    rig.scheduler.enter(queue, "interactive", Number.POSITIVE_INFINITY);
    const enter = () => rig.scheduler.enter(queue, "interactive", Number.POSITIVE_INFINITY);
    expect(enter).toThrow(expect.objectContaining({ reason: "QUEUE_FULL", retryAfterMs: 10 }));
    leave();
    leave();
    expect(rig.scheduler.requests).toBe(1);
    expect(enter).not.toThrow();
    for (let i = 0; i < 7; i++) {
      rig.submit(queue, { sequences: [sequence(10)] });
      await rig.clock.settle();
    }
    const more = rig.submit(queue, { sequences: [sequence(10)] });
    await rig.clock.settle();
    expect(more.outcome).toMatchObject({ error: { reason: "QUEUE_FULL", metadata: { limit: "tokens" } } });
  });

  it("lets a request of any size into an empty queue", async () => {
    const { queue, engine } = start({ maxQueueTokens: 50 }).queue({ tokenBudget: 10 });
    const huge = rig.submit(queue, { sequences: Array.from({ length: 20 }, () => sequence(10)) });
    await rig.finishAll(engine);
    expect(reasonOf(huge.outcome)).toBe("answered");
  });

  it("refuses everything new while draining, and still answers what it accepted", async () => {
    const { queue, engine } = start().queue();
    const accepted = rig.submit(queue, { sequences: [sequence(10)] });
    rig.scheduler.drain();
    expect(() => rig.scheduler.enter(queue, "interactive", 100)).toThrow(
      expect.objectContaining({ reason: "DRAINING" }),
    );
    await rig.finishAll(engine);
    expect(reasonOf(accepted.outcome)).toBe("answered");
  });
});

describe("failing batches", () => {
  it("finds the poisonous input by halves, and answers all others", async () => {
    const { queue, engine } = start().queue({
      tokenBudget: 1000,
      fault: (sequences) => poisoned(sequences, () => new AlbertError("backend", "bad", { reason: "BACKEND_FAILED" })),
    });
    const holders = [1, 2, 3, POISON, 5, 6, 7].map((id) => rig.submit(queue, { sequences: [sequence(10, id)] }));
    await rig.finishAll(engine);
    const expected = ["answered", "answered", "answered", "POISON", "answered", "answered", "answered"];
    expect(holders.map(({ outcome }) => reasonOf(outcome))).toEqual(expected);
    expect(engine.ran.length).toBeLessThanOrEqual(9);
    expect(rig.quarantine.size).toBe(1);
    expect(await page()).toContain('albert_poison_total{cause="backend"} 1');
  });

  it("refuses a quarantined input until it expires", async () => {
    const { queue, engine } = start({}, 1000).queue({ fault: (sequences) => poisoned(sequences, lost) });
    const again = () => rig.submit(queue, { sequences: [sequence(10, POISON)] });
    const first = again();
    await rig.finishAll(engine);
    expect(reasonOf(first.outcome)).toBe("POISON");
    const ran = engine.ran.length;
    const second = again();
    await rig.finishAll(engine);
    expect(second.outcome).toMatchObject({ error: { code: "precondition", reason: "QUARANTINED" } });
    expect(engine.ran.length).toBe(ran);
    await rig.clock.advance(1000);
    const third = again();
    await rig.finishAll(engine);
    expect(reasonOf(third.outcome)).toBe("POISON");
  });

  it("runs the inputs of a batch that killed the worker one by one: at most two deaths", async () => {
    let deaths = 0;
    const { queue, engine } = start().queue({
      tokenBudget: 1000,
      fault: (sequences) =>
        poisoned(sequences, () => {
          deaths++;
          return lost();
        }),
    });
    const holders = [1, 2, POISON, 4].map((id) => rig.submit(queue, { sequences: [sequence(10, id)] }));
    await rig.finishAll(engine);
    expect(holders.map(({ outcome }) => reasonOf(outcome))).toEqual(["answered", "answered", "POISON", "answered"]);
    expect(deaths).toBe(2);
    expect(await page()).toContain('albert_poison_total{cause="worker"} 1');
  });

  it("retries once inside when the worker died of something else", async () => {
    let alive = false;
    const { queue, engine } = start().queue({
      fault: () => {
        if (!alive) {
          alive = true;
          throw lost();
        }
      },
    });
    const holder = rig.submit(queue, { sequences: [sequence(10)] });
    await rig.finishAll(engine);
    expect(reasonOf(holder.outcome)).toBe("answered");
  });

  it("blames the engine, and quarantines nobody, when a known input fails too", async () => {
    const { queue, engine } = start().queue({
      tokenBudget: 1000,
      fault: () => {
        throw lost();
      },
    });
    const holders = [1, 2, 3, 4].map((id) => rig.submit(queue, { sequences: [sequence(10, id)] }));
    await rig.finishAll(engine);
    expect(holders.map(({ outcome }) => reasonOf(outcome))).toEqual(Array(4).fill("WORKER_LOST"));
    expect(rig.quarantine.size).toBe(0);
    expect(engine.ran.length).toBeLessThanOrEqual(3);
  });

  it("fails a request whose one window is poisonous, and only that request", async () => {
    const { queue, engine } = start().queue({
      tokenBudget: 1000,
      fault: (sequences) => poisoned(sequences, () => new Error("runtime")),
    });
    const bad = rig.submit(queue, { sequences: [sequence(10, 1), sequence(10, POISON), sequence(10, 3)] });
    const good = rig.submit(queue, { sequences: [sequence(10, 4)] });
    await rig.finishAll(engine);
    expect([reasonOf(bad.outcome), reasonOf(good.outcome)]).toEqual(["POISON", "answered"]);
  });

  it("passes on what the engine finds invalid, and quarantines nothing", async () => {
    const { queue, engine } = start().queue({
      tokenBudget: 1000,
      fault: (sequences) => poisoned(sequences, () => invalidInput([{ field: "inputIds", description: "too large" }])),
    });
    const holders = [1, POISON].map((id) => rig.submit(queue, { sequences: [sequence(10, id)] }));
    await rig.finishAll(engine);
    expect(holders.map(({ outcome }) => reasonOf(outcome))).toEqual(["answered", "FIELD_INVALID"]);
    expect(rig.quarantine.size).toBe(0);
  });

  it("fails alone the row that the engine reports as not finite", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 1000 });
    const run = engine.run.bind(engine);
    engine.run = async (sequences) => ({ ...(await run(sequences)), nonFinite: [1] });
    const holders = [1, 2, 3].map((id) => rig.submit(queue, { sequences: [sequence(10, id)] }));
    await rig.finishAll(engine);
    expect(holders.map(({ outcome }) => reasonOf(outcome))).toEqual(["answered", "NON_FINITE", "answered"]);
  });

  it("treats missing outputs as a failure, not as an answer", async () => {
    const { queue, engine } = start().queue();
    engine.run = () => Promise.resolve({ outputs: [], cost: { tokens: 0, paddedTokens: 0, assembleMs: 0, runMs: 0 } });
    const holder = rig.submit(queue, { sequences: [sequence(10)] });
    await rig.clock.settle();
    expect(holder.outcome?.kind).toBe("failed");
  });
});

describe("closing a queue", () => {
  it("answers what is in it, then what is left is told that the version is gone", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10 });
    const holders = [1, 2, 3].map((id) => rig.submit(queue, { sequences: [sequence(10, id)] }));
    await rig.clock.settle();
    const closed = rig.scheduler.close(queue, 100);
    engine.held[0]!.finish();
    await rig.clock.advance(99);
    expect(holders.map(({ outcome }) => reasonOf(outcome))).toEqual(["answered", undefined, undefined]);
    await rig.clock.advance(1);
    expect(holders.map(({ outcome }) => reasonOf(outcome))).toEqual(["answered", "NO_VERSION", "NO_VERSION"]);
    expect(await closed).toBe(2);
    const after = rig.submit(queue, { sequences: [sequence(10)] });
    await rig.clock.settle();
    expect(reasonOf(after.outcome)).toBe("NO_VERSION");
  });

  it("takes further parts of long requests while it may finish, and none once it has failed what was left", async () => {
    const { queue, engine } = start().queue({ tokenBudget: 10 });
    const part = (id: number) => ({
      sequences: [sequence(10, id)],
      priority: "interactive" as const,
      deadline: Number.POSITIVE_INFINITY,
      admitted: true as const,
    });
    const first = rig.scheduler.submit(queue, part(1));
    await rig.clock.settle();
    const closed = rig.scheduler.close(queue, 100);
    const second = first.then(() => rig.scheduler.submit(queue, part(2)));
    engine.held[0]!.finish();
    await first;
    const third = second.catch(() => rig.scheduler.submit(queue, part(3)));
    const outcome = third.then(
      () => "answered",
      (error: AlbertError) => error.reason,
    );
    await rig.clock.advance(100);
    expect(await closed).toBe(1);
    expect(await outcome).toBe("NO_VERSION");
    expect(ranIds(engine).flat()).toEqual([1, 2]);
  });
});
