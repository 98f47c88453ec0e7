import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import type { SequenceInput } from "../../../src/runtime/engine.ts";
import type { ModelQueue } from "../../../src/serving/scheduler/model-queue.ts";
import type { Priority } from "../../../src/serving/scheduler/work.ts";
import { type FakeEngine, sequence } from "../fake-engine.ts";
import { type Outcome, ROOMY, SchedulerRig } from "./scheduler-rig.ts";

const BUDGET = 40;
const AGING = 200;
/** Ids from here on belong to inputs that make every batch fail that holds them. */
const POISON = 1_000_000;

type Step =
  | { kind: "submit"; queue: number; lengths: number[]; priority: Priority; inMs: number; poison: boolean }
  | { kind: "cancel"; which: number }
  | { kind: "advance"; ms: number }
  | { kind: "finish"; which: number }
  | { kind: "kill"; which: number }
  | { kind: "replace"; queue: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      queue: fc.nat(1),
      lengths: fc.array(fc.integer({ min: 3, max: 60 }), { minLength: 1, maxLength: 4 }),
      priority: fc.constantFrom<Priority>("interactive", "batch"),
      inMs: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constant(Number.POSITIVE_INFINITY)),
      poison: fc.nat(19).map((n) => n === 0),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), which: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 90 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("finish" as const), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("kill" as const), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("replace" as const), queue: fc.nat(1) }) },
);

/** One submitted piece of work as the test sees it. */
interface Expected {
  readonly queue: ModelQueue;
  readonly ids: number[];
  readonly deadline: number;
  readonly due: number;
  readonly poison: boolean;
  readonly caller: AbortController;
  readonly holder: { outcome?: Outcome };
  cancelled: boolean;
}

/** Drives a scheduler with random steps and compares it with what an obvious model of it says. */
class World {
  readonly rig = new SchedulerRig({ agingMs: AGING });
  readonly all: Expected[] = [];
  readonly #byId = new Map<number, Expected>();
  readonly #waiting = new Map<ModelQueue, Map<number, Expected>>();
  /** Batches already looked at, by engine. */
  readonly #seen = new Map<FakeEngine, number>();
  readonly #handed = new Set<number>();
  /** Sequences under which a worker died: dying under one again makes it a culprit. */
  readonly #killed = new Set<number>();
  readonly queues: { queue: ModelQueue; engine: FakeEngine }[] = [];
  readonly engines: FakeEngine[] = [];
  readonly #closing: Promise<number>[] = [];
  #ids = 10;

  constructor() {
    for (let i = 0; i < 2; i++) this.#open(i);
  }

  async apply(step: Step): Promise<void> {
    const held = this.engines.flatMap(({ held }) => held);
    switch (step.kind) {
      case "submit":
        this.#submit(step);
        break;
      case "cancel": {
        const victim = this.all[step.which % Math.max(1, this.all.length)];
        if (victim !== undefined && victim.holder.outcome === undefined) victim.cancelled = true;
        victim?.caller.abort();
        break;
      }
      case "advance":
        await this.rig.clock.advance(step.ms);
        break;
      case "finish":
        held[step.which % Math.max(1, held.length)]?.finish();
        break;
      case "kill": {
        const batch = held[step.which % Math.max(1, held.length)];
        for (const { inputIds } of batch?.sequences ?? []) this.#killed.add(inputIds[1]!);
        batch?.fail(new AlbertError("unavailable", "worker lost", { reason: "WORKER_LOST" }));
        break;
      }
      case "replace": {
        const { queue } = this.queues[step.queue]!;
        this.#closing.push(this.rig.scheduler.close(queue, 1000));
        this.#open(step.queue);
        break;
      }
    }
    await this.rig.clock.settle();
    this.#check();
  }

  /** Lets everything end, then looks at every outcome. */
  async end(): Promise<void> {
    for (let busy = true; busy; busy = this.engines.some(({ held }) => held.length > 0)) {
      for (const batch of this.engines.flatMap(({ held }) => held)) batch.finish();
      await this.rig.clock.settle();
      this.#check();
    }
    await this.rig.clock.advance(5000);
    await Promise.all(this.#closing);
    for (const expected of this.all) {
      const { outcome } = expected.holder;
      const ids = JSON.stringify(expected.ids);
      if (outcome === undefined) throw new Error(`no outcome for ${ids}`);
      if (outcome.kind === "answered") {
        expect(expected.poison).toBe(false);
        expect(outcome.result.outputs.map((output) => output.get("sentiment")!["logits"]![0])).toEqual(expected.ids);
        const { queueMs, assembleMs, runMs } = outcome.result.timing;
        expect(Math.min(queueMs, assembleMs, runMs)).toBeGreaterThanOrEqual(0);
        continue;
      }
      const { reason } = outcome.error as AlbertError;
      if (reason === "CANCELLED") expect(expected.cancelled).toBe(true);
      else if (reason === "POISON")
        expect(expected.poison || expected.ids.some((id) => this.#killed.has(id))).toBe(true);
      else if (reason === "DEADLINE_PASSED") expect(expected.deadline).toBeLessThanOrEqual(this.rig.clock.now());
      else if (reason === "BACKEND_FAILED") expect(expected.poison).toBe(true);
      else expect(["WORKER_LOST", "NO_VERSION", "DEADLINE_TOO_SHORT", "DEADLINE_UNREACHABLE"]).toContain(reason);
    }
    for (const { queue } of this.queues) {
      expect([queue.size, queue.tokens, queue.unfinished.size]).toEqual([0, 0, 0]);
    }
    expect(this.rig.clock.timers).toBe(0);
    this.rig.close();
  }

  #open(place: number): void {
    const opened = this.rig.queue(
      {
        tokenBudget: BUDGET,
        // Alone each sequence is cheap, so that admission refuses little and the queue fills.
        predictMs: (lengths) => 1 + lengths.length,
        fault: (sequences) => {
          if (sequences.some(({ inputIds }) => inputIds[1]! >= POISON))
            throw new AlbertError("backend", "the runtime refuses", { reason: "BACKEND_FAILED" });
        },
      },
      `queue ${place} ${this.engines.length}`,
    );
    this.queues[place] = opened;
    this.engines.push(opened.engine);
    this.#waiting.set(opened.queue, new Map());
    this.#seen.set(opened.engine, 0);
  }

  #submit(step: Extract<Step, { kind: "submit" }>): void {
    const { queue } = this.queues[step.queue]!;
    const now = this.rig.clock.now();
    const caller = new AbortController();
    const ids = step.lengths.map((_, i) => this.#ids++ + (step.poison && i === 0 ? POISON : 0));
    const sequences = step.lengths.map((length, i) => sequence(length, ids[i]!));
    const deadline = now + step.inMs;
    const aging = AGING * (step.priority === "batch" ? 8 : 1);
    const queued = queue.size;
    const holder = this.rig.submit(queue, { sequences, priority: step.priority, deadline, signal: caller.signal });
    const due = Math.min(deadline, now + aging);
    const expected = { queue, ids, deadline, due, poison: step.poison, caller, holder, cancelled: false };
    this.all.push(expected);
    if (queue.size === queued) return;
    for (const id of ids) {
      this.#byId.set(id, expected);
      this.#waiting.get(queue)!.set(id, expected);
    }
  }

  #check(): void {
    const devices = this.engines.flatMap(({ held }) => held);
    expect(devices.length).toBeLessThanOrEqual(2);
    for (const engine of this.engines) {
      const fresh = engine.ran.slice(this.#seen.get(engine));
      this.#seen.set(engine, engine.ran.length);
      for (const batch of fresh) this.#checkBatch(batch);
    }
    for (const waiting of this.#waiting.values()) {
      for (const [id, { holder }] of waiting) if (holder.outcome !== undefined) waiting.delete(id);
    }
    // Work-conserving: something waits only while the device has all it can take.
    const waits = [...this.#waiting.values()].some((waiting) => waiting.size > 0);
    if (waits) expect(devices.length).toBe(2);
  }

  #checkBatch(batch: readonly SequenceInput[]): void {
    const ids = batch.map(({ inputIds }) => inputIds[1]!);
    if (ids.length === 1 && ids[0] === 1) return; // the probe
    const tokens = batch.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    if (batch.length > 1) expect(tokens).toBeLessThanOrEqual(BUDGET);
    const again = ids.filter((id) => this.#handed.has(id));
    // A part of a failed batch may run again, but never together with something new.
    if (again.length > 0) {
      expect(again).toEqual(ids);
      return;
    }
    const owners = ids.map((id) => this.#byId.get(id)!);
    const waiting = this.#waiting.get(owners[0]!.queue)!;
    for (const owner of owners) {
      expect(owner.queue).toBe(owners[0]!.queue);
      expect(owner.cancelled).toBe(false);
      expect(owner.deadline).toBeGreaterThan(this.rig.clock.now());
    }
    const present = [...waiting.values()].filter(({ cancelled, holder }) => !cancelled && holder.outcome === undefined);
    const earliest = Math.min(...present.map(({ due }) => due));
    expect(owners[0]!.due).toBeLessThanOrEqual(earliest);
    for (const id of ids) {
      this.#handed.add(id);
      waiting.delete(id);
    }
  }
}

describe("the scheduler, whatever happens in whatever order", () => {
  it("loses nothing, doubles nothing, keeps its budget and its order, and never idles beside waiting work", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
        const world = new World();
        for (const one of steps) await world.apply(one);
        await world.end();
      }),
      { numRuns: 1500 },
    );
  });

  it("holds its bounds under any load", async () => {
    const limits = { maxQueueTokens: 300, maxQueueMs: 200 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            length: fc.integer({ min: 3, max: 60 }),
            finish: fc.nat(3),
            inMs: fc.integer({ min: 1, max: 400 }),
          }),
          { maxLength: 80 },
        ),
        async (arrivals) => {
          const rig = new SchedulerRig({ ...ROOMY, ...limits });
          const { queue, engine } = rig.queue({ tokenBudget: BUDGET });
          const holders = [];
          for (const { length, finish, inMs } of arrivals) {
            const deadline = rig.clock.now() + inMs;
            holders.push(rig.submit(queue, { sequences: [sequence(length)], deadline }));
            await rig.clock.settle();
            expect(queue.tokens).toBeLessThanOrEqual(limits.maxQueueTokens);
            if (finish === 0) engine.held[0]?.finish();
            await rig.clock.advance(1);
          }
          await rig.finishAll(engine);
          expect(holders.every(({ outcome }) => outcome !== undefined)).toBe(true);
          rig.close();
        },
      ),
      { numRuns: 100 },
    );
  });
});
