// Simulates the scheduler on one device against a first-in-first-out queue of padded batches, on the same arrivals, and
// prints JSON. Time is virtual: the numbers depend on the seed and the device's cost alone, not on the machine.
//
//   node --import tsx bench/scheduler-simulation.ts [--requests 4000]
import { parseArgs } from "node:util";
import { AlbertError } from "../src/errors.ts";
import { createMetrics } from "../src/metrics/metrics.ts";
import { predictBatchMs } from "../src/runtime/batch/sub-batches.ts";
import type { Engine, SequenceInput } from "../src/runtime/engine.ts";
import type { RunShape } from "../src/runtime/profile/cost-model.ts";
import { Quarantine } from "../src/serving/scheduler/quarantine.ts";
import { Scheduler } from "../src/serving/scheduler/scheduler.ts";
import { VirtualClock } from "../test/serving/virtual-clock.ts";

/** Milliseconds of a run on the simulated device; see the fits that `albert serve` learns. */
interface DeviceCost {
  readonly fixedMs: number;
  readonly perTokenMs: number;
  /** Per score of attention's rectangle, B * S * S. */
  readonly perScoreMs: number;
  readonly tokenBudget: number;
  /** What every caller gives its request. */
  readonly deadlineMs: number;
  /** Texts per batch that suit the baseline on this device. */
  readonly baselineRows: number;
}

/** ALBERT-base in fp32: a small CPU, where tokens cost what they cost, and an accelerator that small batches leave idle. */
const DEVICES: Readonly<Record<string, DeviceCost>> = {
  cpu: { fixedMs: 2, perTokenMs: 0.9, perScoreMs: 2e-4, tokenBudget: 128, deadlineMs: 2000, baselineRows: 4 },
  accelerator: {
    fixedMs: 4,
    perTokenMs: 0.004,
    perScoreMs: 1e-7,
    tokenBudget: 4096,
    deadlineMs: 150,
    baselineRows: 32,
  },
};

const LOADS = [0.5, 0.8, 1, 1.5];
interface Arrival {
  readonly atMs: number;
  readonly length: number;
}

interface Outcome {
  readonly latencyMs: number;
  readonly inTime: boolean;
}

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "4000" },
  },
});
const requests = Number(values.requests);

const report: Record<string, unknown>[] = [];
for (const [device, cost] of Object.entries(DEVICES)) {
  for (const load of LOADS) {
    const arrivals = makeArrivals(requests, load, cost);
    const ours = summary(await simulateScheduler(arrivals, cost), arrivals);
    const fifo = summary(simulateFifoPadded(arrivals, cost), arrivals);
    report.push({ device, load, scheduler: ours, fifoPadded: fifo, goodputRatio: ratio(ours.inTime, fifo.inTime) });
  }
}
process.stdout.write(`${JSON.stringify({ requests, report }, null, 2)}\n`);

/**
 * Poisson arrivals of texts with a long tail (median 40 tokens, 95 % below about 200), at `load` times what the device
 * computes when it never pads.
 */
function makeArrivals(count: number, load: number, cost: DeviceCost): Arrival[] {
  const random = mulberry32(20240607);
  const gaussian = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const lengths = Array.from({ length: count }, () =>
    Math.round(Math.min(512, Math.max(5, 40 * Math.exp(0.98 * gaussian())))),
  );
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const batches = tokens / cost.tokenBudget;
  const busyMs = batches * cost.fixedMs + tokens * cost.perTokenMs;
  const meanGapMs = busyMs / count / load;
  let atMs = 0;
  return lengths.map((length) => {
    atMs += -meanGapMs * Math.log(1 - random());
    return { atMs, length };
  });
}

async function simulateScheduler(arrivals: readonly Arrival[], cost: DeviceCost): Promise<Outcome[]> {
  const clock = new VirtualClock();
  const metrics = createMetrics("simulation");
  const scheduler = new Scheduler({
    clock,
    metrics,
    random: mulberry32(1),
    quarantine: new Quarantine(clock, 0),
    limits: { maxRequests: 100_000, maxQueueTokens: 1e9, maxQueueMs: 1e9, lookahead: 64, agingMs: 1000 },
  });
  const queue = scheduler.open({
    digest: "",
    engine: simulatedEngine(clock, cost),
    batchTokens: 0,
    probe: () => Promise.resolve(),
  });
  const outcomes: Outcome[] = [];
  const pending: Promise<void>[] = [];
  for (const { atMs, length } of arrivals) {
    await clock.advance(atMs - clock.now());
    const sequences = [
      { inputIds: new Int32Array(length), tokenTypeIds: new Int32Array(length), outputs: ["@pooled"] },
    ];
    const work = scheduler.submit(queue, { sequences, priority: "interactive", deadline: atMs + cost.deadlineMs });
    pending.push(
      work.then(
        () => void outcomes.push({ latencyMs: clock.now() - atMs, inTime: true }),
        (error) => {
          if (!(error instanceof AlbertError)) throw error;
          outcomes.push({ latencyMs: clock.now() - atMs, inTime: false });
        },
      ),
    );
  }
  await clock.advance(10 * cost.deadlineMs);
  await Promise.all(pending);
  metrics.close();
  return outcomes;
}

/** One device that computes batches one after the other. */
function simulatedEngine(clock: VirtualClock, cost: DeviceCost): Engine {
  let freeAt = 0;
  // As the engine does it: a batch is split where that is cheaper than paying for its longest sequence.
  const fit = {
    predict: ({ tokens, scores }: RunShape) => cost.fixedMs + cost.perTokenMs * tokens + cost.perScoreMs * scores,
  };
  const predictMs = (lengths: readonly number[]) => predictBatchMs(lengths, fit, 2 * cost.tokenBudget);
  return {
    device: "cpu",
    tokenBudget: cost.tokenBudget,
    predictMs,
    run: (sequences: readonly SequenceInput[]) => {
      const lengths = sequences.map(({ inputIds }) => inputIds.length);
      const tokens = lengths.reduce((sum, length) => sum + length, 0);
      const runMs = predictMs(lengths);
      freeAt = Math.max(freeAt, clock.now()) + runMs;
      const paddedTokens = lengths.length * Math.max(...lengths) - tokens;
      return new Promise((resolve) => {
        clock.after(freeAt - clock.now(), () =>
          resolve({ outputs: sequences.map(() => new Map()), cost: { tokens, paddedTokens, assembleMs: 0, runMs } }),
        );
      });
    },
    close: () => Promise.resolve(),
  };
}

/** A queue that takes a fixed number of texts at a time, in order, pads them to the longest, and drops those that expired. */
function simulateFifoPadded(arrivals: readonly Arrival[], cost: DeviceCost): Outcome[] {
  const outcomes: Outcome[] = [];
  let now = 0;
  for (let next = 0; next < arrivals.length; ) {
    now = Math.max(now, arrivals[next]!.atMs);
    const batch: Arrival[] = [];
    for (; next < arrivals.length && batch.length < cost.baselineRows && arrivals[next]!.atMs <= now; next++) {
      const { atMs } = arrivals[next]!;
      if (now - atMs <= cost.deadlineMs) batch.push(arrivals[next]!);
      else outcomes.push({ latencyMs: cost.deadlineMs, inTime: false });
    }
    if (batch.length === 0) continue;
    const longest = Math.max(...batch.map(({ length }) => length));
    now += packedMs(
      batch.map(() => longest),
      cost,
    );
    for (const { atMs } of batch) outcomes.push({ latencyMs: now - atMs, inTime: now - atMs <= cost.deadlineMs });
  }
  return outcomes;
}

function packedMs(lengths: readonly number[], { fixedMs, perTokenMs, perScoreMs }: DeviceCost): number {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const longest = Math.max(...lengths);
  return fixedMs + perTokenMs * tokens + perScoreMs * lengths.length * longest * longest;
}

function summary(outcomes: readonly Outcome[], arrivals: readonly Arrival[]) {
  const latencies = outcomes
    .filter(({ inTime }) => inTime)
    .map(({ latencyMs }) => latencyMs)
    .sort((a, b) => a - b);
  const percentile = (percent: number) => Math.round(latencies[Math.ceil((percent / 100) * latencies.length) - 1] ?? 0);
  return {
    inTime: Number((latencies.length / arrivals.length).toFixed(4)),
    p50Ms: percentile(50),
    p99Ms: percentile(99),
  };
}

function ratio(a: number, b: number): number | null {
  return b === 0 ? null : Number((a / b).toFixed(2));
}

/** A small seeded generator of numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
