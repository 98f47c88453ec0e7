import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { ServingConfig } from "../../src/config/settings.ts";
import { AlbertError } from "../../src/errors.ts";
import { createMetrics, type Metrics } from "../../src/metrics/metrics.ts";
import type { Engine } from "../../src/runtime/engine.ts";
import { Serving, type ServingRequest } from "../../src/serving/serving.ts";
import { planClassification } from "../../src/tasks/classification/classification.ts";
import type { TaskModel, TaskPlan } from "../../src/tasks/plan.ts";
import { FakeEngine, fakeModel, sequence } from "./fake-engine.ts";
import { VirtualClock } from "./virtual-clock.ts";

let clock: VirtualClock;
let metrics: Metrics;
let serving: Serving;
let errors: unknown[];
/** Engines by the order of their creation. */
let engines: FakeEngine[];
let nextEngine: () => FakeEngine;

beforeEach(() => {
  clock = new VirtualClock();
  metrics = createMetrics("test");
  engines = [];
  errors = [];
  nextEngine = () => new FakeEngine({ immediate: true });
  start();
});
afterEach(() => metrics.close());

function start(config: Partial<ServingConfig> = {}): void {
  serving = new Serving({
    config: { ...loadConfig({}).config.serving, ...config },
    openEngine: (): Promise<Engine> => {
      const engine = nextEngine();
      engines.push(engine);
      return Promise.resolve(engine);
    },
    metrics,
    clock,
    memory: () => ({ usedBytes: 0, limitBytes: 1e9 }),
    random: () => 0,
    onError: (error) => errors.push(error),
  });
}

const swapTo = (version: string) =>
  serving.models.swap({ name: "m", version, open: () => Promise.resolve(fakeModel(`digest of ${version}`)) });

/** A request that answers with its own first logit. */
const request = (more: Partial<ServingRequest<number>> = {}, ids = [7]): ServingRequest<number> => ({
  task: "classify",
  model: { name: "m" },
  plan: (): TaskPlan<number> => ({
    head: "sentiment",
    sequences: ids.map((id) => sequence(10, id)),
    tokens: 10 * ids.length,
    windows: ids.length,
    truncated: false,
    answer: (outputs) => outputs[0]!.get("sentiment")!["logits"]![0]!,
  }),
  ...more,
});
/** Lets a promise of the serving room settle on the virtual clock. */
const done = async <T>(work: Promise<T>): Promise<T> => {
  work.catch(() => undefined);
  await clock.settle();
  return work;
};
const refusal = async (work: Promise<unknown>): Promise<AlbertError> => {
  const error = await done(work).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(AlbertError);
  return error as AlbertError;
};
const page = async () => (await metrics.page()).body;

describe("serve", () => {
  it("answers, and says which version answered and what it cost", async () => {
    await swapTo("1");
    const { answer, meta } = await done(serving.serve(request({}, [7, 8])));
    expect(answer).toBe(7);
    expect(meta).toMatchObject({
      model: "m",
      version: "1",
      digest: "digest of 1",
      tokenizerDigest: "tokenizer of digest of 1",
      device: "cpu",
      head: "sentiment",
      tokens: 20,
      windows: 2,
      truncated: false,
      batchSize: 2,
    });
  });

  it("runs a real task plan on the version's own tokenizer and heads", async () => {
    await swapTo("1");
    const { answer } = await done(
      serving.serve({
        task: "classify",
        model: {},
        plan: (model) => planClassification({ text: "good film" }, model),
      }),
    );
    expect(answer).toMatchObject({ labels: [{ label: "negative" }, { label: "positive" }] });
  });

  it("gives stages that add up to the total", async () => {
    nextEngine = () => new FakeEngine({ predictMs: () => 5 });
    const swapping = swapTo("1");
    for (let i = 0; i < 8; i++) {
      await clock.settle();
      engines[0]?.held[0]?.finish();
    }
    await swapping;
    await clock.advance(3);
    const plan = request().plan;
    const work = serving.serve(request({ receivedAt: 1, plan }));
    await clock.advance(40);
    engines[0]!.held[0]!.finish();
    const { timings } = (await done(work)).meta;
    expect(timings).toEqual({
      receiveMs: 2,
      tokenizeMs: 0,
      queueMs: 35,
      assembleMs: 0,
      runMs: 5,
      postMs: 0,
      totalMs: 42,
    });
    expect(await page()).toContain('albert_stage_duration_seconds_sum{stage="queue"} 0.035');
  });

  it("gives its place and its lease back, whatever happens", async () => {
    await swapTo("1");
    const failing = { plan: () => Promise.reject(new Error("bug")) as never };
    const throwing: Partial<ServingRequest<number>> = {
      plan: () => {
        throw new AlbertError("invalid-input", "no", { reason: "FIELD_INVALID" });
      },
    };
    await done(serving.serve(request(failing))).catch(() => undefined);
    await refusal(serving.serve(request(throwing)));
    await refusal(serving.serve(request({ signal: AbortSignal.abort() })));
    await refusal(serving.serve(request({ deadlineAt: -1 })));
    await done(serving.serve(request()));
    expect(serving.scheduler.requests).toBe(0);
    expect(serving.models.acquire({}).version.leases).toBe(1);
    expect(await page()).toContain('albert_inflight_requests{task="classify"} 0');
  });

  it("counts every request once, by how it ended, under no name that a caller made up", async () => {
    await swapTo("1");
    await done(serving.serve(request()));
    await refusal(serving.serve(request({ model: { name: "made up" } })));
    await refusal(serving.serve(request({ deadlineAt: 0 })));
    const body = await page();
    const series = (labels: string) => `albert_requests_total{task="classify",${labels}} 1`;
    expect(body).toContain(series('alias="m",version="1",code="ok",reason=""'));
    expect(body).toContain(series('alias="_OTHER",version="",code="not-found",reason="MODEL_NOT_FOUND"'));
    expect(body).toContain(series('alias="m",version="1",code="deadline",reason="DEADLINE_PASSED"'));
    expect(body).toContain('albert_deadline_exceeded_total{stage="receive"} 1');
    expect(body).not.toContain("made up");
  });

  it("fails a request alone whose row is not finite", async () => {
    nextEngine = () => {
      const engine = new FakeEngine({ immediate: true });
      const run = engine.run.bind(engine);
      engine.run = async (sequences) => {
        const result = await run(sequences);
        sequences.forEach(({ inputIds }, i) => {
          if (inputIds[1] === 66) result.outputs[i]!.get("sentiment")!["logits"]!.fill(Number.NaN);
        });
        return result;
      };
      return engine;
    };
    await swapTo("1");
    const classify = (id: number) => ({
      task: "classify",
      model: {},
      plan: (model: TaskModel) => ({
        ...planClassification({ text: "a" }, model),
        sequences: [sequence(10, id)],
      }),
    });
    const [bad, good] = [serving.serve(classify(66)), serving.serve(classify(5))];
    expect(await refusal(bad)).toMatchObject({ code: "backend", reason: "NON_FINITE" });
    expect((await good).meta.batchSize).toBe(2);
    expect(await page()).toContain('albert_poison_total{cause="non-finite"} 1');
  });

  it("predicts the cost of a request without running it", async () => {
    await swapTo("1");
    expect(serving.predictMs({ name: "m" }, [10, 20])).toBe(30);
  });
});

describe("shadow traffic", () => {
  const decide = (answer: number) => ({ choice: answer > 50 ? "high" : "low", score: 0.5 });
  beforeEach(async () => {
    await swapTo("1");
    nextEngine = () => new FakeEngine({ immediate: true, bias: 40 });
    await serving.models.load({ name: "m", version: "2", open: () => Promise.resolve(fakeModel("digest of 2")) });
    serving.models.setTraffic("m", { mode: "shadow", version: "2", percent: 100 });
  });

  it("answers with the champion and compares with the challenger", async () => {
    const answers = await Promise.all(
      [7, 20, 60].map(async (id) => (await done(serving.serve(request({ decide }, [id])))).meta.version),
    );
    await clock.settle();
    expect(answers).toEqual(["1", "1", "1"]);
    expect(serving.models.status("m").comparison).toMatchObject({ compared: 3, disagreed: 1, failed: 0 });
    expect(await page()).toContain('albert_shadow_disagreements_total{task="classify"} 1');
  });

  it("keeps a failing challenger away from the caller", async () => {
    engines[1]!.run = () => Promise.reject(new AlbertError("backend", "no", { reason: "BACKEND_FAILED" }));
    expect((await done(serving.serve(request({ decide })))).answer).toBe(7);
    await clock.settle();
    expect(serving.models.status("m").comparison).toMatchObject({ compared: 0, failed: 1 });
    expect(errors).toHaveLength(1);
    expect(serving.models.acquire({ name: "m", version: "2" }).version.leases).toBe(1);
  });

  it("does not shadow requests whose answers cannot be compared", async () => {
    await done(serving.serve(request()));
    expect(serving.models.status("m").comparison).toMatchObject({ compared: 0 });
  });
});

describe("swaps under load", () => {
  it("fails none of the requests of a hundred swaps, and answers each on the version that admitted it", async () => {
    nextEngine = () => new FakeEngine({ bias: engines.length, tokenBudget: 40 });
    start({ keepPreviousMs: 0, maxRequests: 10_000 });
    const finishSome = () => {
      for (const batch of engines.flatMap(({ held }) => held.slice(0, 1))) batch.finish();
    };
    const outcomes: Promise<void>[] = [];
    let wrong = 0;
    const ask = (id: number) =>
      serving.serve(request({}, [id])).then(({ answer, meta }) => {
        if (answer !== id + Number(meta.version)) wrong++;
      });
    const swaps: Promise<unknown>[] = [];
    for (let version = 0; version <= 100; version++) {
      let swapped = false;
      swaps.push(
        swapTo(String(version)).then(() => {
          swapped = true;
        }),
      );
      while (!swapped) {
        if (version > 0) for (let i = 0; i < 3; i++) outcomes.push(ask(outcomes.length % 90));
        await clock.advance(1);
        finishSome();
        await clock.settle();
      }
    }
    while (serving.scheduler.requests > 0) {
      finishSome();
      await clock.settle();
    }
    await Promise.all(swaps);
    const results = await Promise.allSettled(outcomes);
    await clock.settle();
    expect(results.filter(({ status }) => status === "rejected")).toEqual([]);
    expect(wrong).toBe(0);
    expect(results.length).toBeGreaterThan(1000);
    expect(engines.filter(({ closed }) => !closed)).toHaveLength(1);
    expect(serving.models.status("m")).toMatchObject({ generation: 101, lastSwap: { requestsFailed: 0 } });
    expect((await page()).match(/albert_model_info\{/g)).toHaveLength(1);
  });
});

describe("shutting down", () => {
  it("refuses new requests, answers the admitted ones, and releases everything", async () => {
    nextEngine = () => new FakeEngine({ immediate: true });
    await swapTo("1");
    const admitted = serving.serve(request());
    await clock.settle();
    const closing = serving.close();
    expect(await refusal(serving.serve(request()))).toMatchObject({ code: "unavailable" });
    await done(closing);
    expect((await admitted).answer).toBe(7);
    expect(engines[0]!.closed).toBe(true);
    expect(clock.timers).toBe(0);
  });
});
