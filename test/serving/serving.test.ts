import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { ServingConfig } from "../../src/config/settings.ts";
import { AlbertError } from "../../src/errors.ts";
import { createMetrics, type Metrics } from "../../src/metrics/metrics.ts";
import type { Engine } from "../../src/runtime/engine.ts";
import type { AnswerRequest } from "../../src/serving/answer.ts";
import { Serving } from "../../src/serving/serving.ts";
import { placeOf } from "../../src/serving/traffic/assignment.ts";
import type { ClassificationAnswer } from "../../src/tasks/classification/classification.ts";
import { UNLIMITED } from "../../src/tasks/plan.ts";
import { subjectOf } from "../../src/tasks/task-request.ts";
import { FakeEngine, fakeModel } from "./fake-engine.ts";
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

/** Asks for the class of one word of `letters` letters; the fake engine answers with that number, see `heard`. */
const request = (more: Partial<AnswerRequest<"classify">> = {}, letters = 7): AnswerRequest<"classify"> => ({
  task: "classify",
  input: { text: "x".repeat(letters) },
  limits: UNLIMITED,
  model: { name: "m" },
  ...more,
});
/** The number of letters that the engine saw, plus its bias. */
const heard = (answer: ClassificationAnswer) =>
  answer.kind === "regression" ? undefined : answer.labels.find(({ label }) => label === "negative")!.logit - 10;
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
/** Letters of words that fall to a share of `percent` of version 2, and of those that do not. */
const lettersBy = (percent: number) => {
  const all = Array.from({ length: 60 }, (_, i) => i + 1);
  const isDrawn = (letters: number) => {
    const key = subjectOf({ text: "x".repeat(letters) });
    return placeOf("m", "2", key) * 100 < percent;
  };
  return { canary: all.filter(isDrawn), champion: all.filter((letters) => !isDrawn(letters)) };
};

describe("answer", () => {
  it("answers, and says which version answered and what it cost", async () => {
    await swapTo("1");
    const { answer, meta } = await done(serving.answer(request()));
    expect(heard(answer)).toBe(7);
    expect(meta).toMatchObject({
      model: "m",
      version: "1",
      digest: "digest of 1",
      tokenizerDigest: "tokenizer of digest of 1",
      device: "cpu",
      head: "sentiment",
      tokens: 3,
      windows: 1,
      truncated: false,
      batchSize: 1,
    });
  });

  it("gathers the sequences of one request, in order", async () => {
    const heads = [{ kind: "multiple-choice", name: "choices" }] as const;
    await serving.models.swap({
      name: "m",
      version: "1",
      open: () => Promise.resolve({ ...fakeModel("digest"), heads }),
    });
    const input = { question: "which", choices: ["a", "bb ccc", "d"] };
    const { answer, meta } = await done(
      serving.answer({ task: "choose_answer", input, limits: UNLIMITED, model: { name: "m" } }),
    );
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(meta).toMatchObject({ head: "choices", batchSize: 3 });
  });

  it("tells what the protocol found wrong together with what planning finds", async () => {
    await swapTo("1");
    const violations = [{ field: "options.priority", description: "must be 0 to 2, got 9" }];
    const fieldsOf = async (text: string) =>
      (await refusal(serving.answer(request({ violations, input: { text } })))).violations.map(({ field }) => field);
    expect(await fieldsOf("")).toEqual(["options.priority", "text"]);
    expect(await fieldsOf("fine")).toEqual(["options.priority"]);
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
    const work = serving.answer(request({ receivedAt: 1 }));
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

  it("gives its place and its version back, whatever happens", async () => {
    const model = fakeModel("digest");
    const tokenize = (text: string) => {
      if (text === "bug") throw new Error("bug");
      return model.tokenizer.tokenize(text);
    };
    const open = () => Promise.resolve({ ...model, tokenizer: { ...model.tokenizer, tokenize } });
    await serving.models.swap({ name: "m", version: "1", open });
    await expect(done(serving.answer(request({ input: { text: "bug" } })))).rejects.toThrow("bug");
    expect(await refusal(serving.answer(request({ input: { text: "" } })))).toMatchObject({ reason: "FIELD_INVALID" });
    await refusal(serving.answer(request({ signal: AbortSignal.abort() })));
    await refusal(serving.answer(request({ deadlineAt: -1 })));
    await done(serving.answer(request()));
    expect(serving.scheduler.requests).toBe(0);
    expect(serving.models.acquire({}).version.references).toBe(1);
    expect(await page()).toContain('albert_inflight_requests{task="classify"} 0');
  });

  it("counts every request once, by how it ended, under no name that a caller made up", async () => {
    await swapTo("1");
    await done(serving.answer(request()));
    await refusal(serving.answer(request({ model: { name: "made up" } })));
    await refusal(serving.answer(request({ deadlineAt: 0 })));
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
          if (inputIds[1] === 10 + 66) result.outputs[i]!.get("sentiment")!["logits"]!.fill(Number.NaN);
        });
        return result;
      };
      return engine;
    };
    await swapTo("1");
    const [bad, good] = [serving.answer(request({}, 66)), serving.answer(request({}, 5))];
    expect(await refusal(bad)).toMatchObject({ code: "backend", reason: "NON_FINITE" });
    expect((await good).meta.batchSize).toBe(2);
    expect(await page()).toContain('albert_poison_total{cause="non-finite"} 1');
  });

  it.each([
    ["its name", { agingMs: 10 }, [8, 9]],
    ["its former name", { patienceMs: 10 }, [8, 9]],
    ["neither", {}, [9, 8]],
  ])("takes the aging time from %s", async (_, config, order) => {
    nextEngine = () => new FakeEngine({ tokenBudget: 3 });
    start(config);
    const swapping = swapTo("1");
    for (let i = 0; i < 8; i++) {
      await clock.settle();
      engines[0]?.held[0]?.finish();
    }
    await swapping;
    const [engine] = engines;
    const before = engine!.ran.length;
    const asked = [serving.answer(request({}, 1)), serving.answer(request({}, 2))];
    await clock.settle();
    asked.push(serving.answer(request({ priority: "batch" }, 8)));
    await clock.advance(100);
    asked.push(serving.answer(request({ deadlineAt: clock.now() + 50 }, 9)));
    for (let i = 0; i < 4; i++) {
      await clock.settle();
      engine!.held[0]?.finish();
    }
    await Promise.all(asked);
    const letters = engine!.ran.slice(before).map(([sequence]) => sequence!.inputIds[1]! - 10);
    expect(letters).toEqual([1, 2, ...order]);
  });

  it("predicts the cost of a request without running it", async () => {
    await swapTo("1");
    expect(serving.predictMs({ name: "m" }, [10, 20])).toBe(30);
  });
});

describe("shadow traffic", () => {
  beforeEach(async () => {
    await swapTo("1");
    nextEngine = () => new FakeEngine({ immediate: true, bias: -20 });
    await serving.models.load({ name: "m", version: "2", open: () => Promise.resolve(fakeModel("digest of 2")) });
    serving.models.setTraffic("m", { mode: "shadow", version: "2", percent: 100 });
  });

  it("answers with the champion and compares with the challenger", async () => {
    const answers = await Promise.all(
      [7, 20, 60].map(async (letters) => (await done(serving.answer(request({}, letters)))).meta.version),
    );
    await clock.settle();
    expect(answers).toEqual(["1", "1", "1"]);
    expect(serving.models.status("m").comparison).toMatchObject({ compared: 3, disagreed: 1, failed: 0 });
    expect(await page()).toContain('albert_shadow_disagreements_total{task="classify"} 1');
  });

  it("keeps a failing challenger away from the caller", async () => {
    engines[1]!.run = () => Promise.reject(new AlbertError("backend", "no", { reason: "BACKEND_FAILED" }));
    expect(heard((await done(serving.answer(request()))).answer)).toBe(7);
    await clock.settle();
    expect(serving.models.status("m").comparison).toMatchObject({ compared: 0, failed: 1 });
    expect(errors).toHaveLength(1);
    expect(serving.models.acquire({ name: "m", version: "2" }).version.references).toBe(1);
  });

  it("does not shadow requests whose answers cannot be compared", async () => {
    await done(serving.answer({ task: "encode", input: { text: "a" }, limits: UNLIMITED, model: { name: "m" } }));
    expect(serving.models.status("m").comparison).toMatchObject({ compared: 0, failed: 0 });
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
      serving.answer(request({}, id)).then(({ answer, meta }) => {
        if (heard(answer) !== id + Number(meta.version)) wrong++;
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
        if (version > 0) for (let i = 0; i < 3; i++) outcomes.push(ask(1 + (outcomes.length % 90)));
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
    const admitted = serving.answer(request());
    await clock.settle();
    const closing = serving.close();
    expect(await refusal(serving.answer(request()))).toMatchObject({ code: "unavailable", reason: "DRAINING" });
    await done(closing);
    expect(heard((await admitted).answer)).toBe(7);
    expect(engines[0]!.closed).toBe(true);
    expect(clock.timers).toBe(0);
  });
});

describe("canary traffic", () => {
  const { canary, champion } = lettersBy(50);
  const versionOf = async (letters: number, more: Partial<AnswerRequest<"classify">> = {}) =>
    (await done(serving.answer(request(more, letters)))).meta.version;

  /** Version 1 serves; version 2, by the given engine, gets half of the requests. */
  async function canaryBy(engine: ConstructorParameters<typeof FakeEngine>[0]): Promise<void> {
    await swapTo("1");
    nextEngine = () => new FakeEngine(engine);
    await serving.models.load({ name: "m", version: "2", open: () => Promise.resolve(fakeModel("digest of 2")) });
    serving.models.setTraffic("m", { mode: "canary", version: "2", percent: 50 });
  }

  it("answers equal texts, and equal keys, by the same version", async () => {
    await canaryBy({ immediate: true });
    for (let round = 0; round < 3; round++) {
      expect(await versionOf(canary[0]!)).toBe("2");
      expect(await versionOf(champion[0]!)).toBe("1");
    }
    // The key alone decides, whatever the text.
    const keys = Array.from({ length: 20 }, (_, i) => `caller ${i}`);
    for (const routingKey of keys) {
      const versions = await Promise.all([3, 4, 5].map((letters) => versionOf(letters, { routingKey })));
      expect(new Set(versions)).toEqual(new Set([placeOf("m", "2", routingKey) < 0.5 ? "2" : "1"]));
    }
    expect(await versionOf(canary[0]!, { model: { name: "m", version: "1" } })).toBe("1"); // a pin goes first
  });

  it("lets the champion answer what the canary cannot, and counts it against the canary", async () => {
    let broken = false;
    const fault = () => {
      if (broken) throw new Error("built to err");
    };
    await canaryBy({ immediate: true, fault });
    broken = true;
    for (const letters of canary.slice(0, 5)) expect(await versionOf(letters)).toBe("1");
    for (const letters of champion.slice(0, 3)) expect(await versionOf(letters)).toBe("1");
    const counts = { challengerRequests: 5, challengerFailed: 5, championRequests: 3, championFailed: 0 };
    expect(serving.models.canaryCounts("m")).toMatchObject(counts);
    expect(await page()).toMatch(/albert_canary_fallbacks_total\{alias="m",reason="\w+"\} 5/);
    expect(await page()).not.toContain('code="backend"'); // no caller heard of it
  });

  it("tells the caller of an error that both versions have, or that came with the end of its time", async () => {
    await canaryBy({ immediate: true });
    const letters = canary[0]!;
    const wrong = { input: { text: "x".repeat(letters), topK: 0 } };
    expect(await refusal(serving.answer(request(wrong)))).toMatchObject({ code: "invalid-input" });
    const left = new AbortController();
    left.abort();
    expect(await refusal(serving.answer(request({ signal: left.signal }, canary[1]!)))).toMatchObject({
      code: "cancelled",
    });
    // A caller that left says nothing of the version; one that asked what cannot be answered counts for the version it fell to.
    expect(serving.models.canaryCounts("m")).toMatchObject({ challengerRequests: 1, challengerFailed: 1 });
  });

  it("computes what the canary answered on the champion too, and counts where they differ", async () => {
    await canaryBy({ immediate: true, bias: -20 });
    const answered = [...canary.slice(0, 3), ...canary.slice(-3)];
    for (const letters of answered) await versionOf(letters);
    await clock.settle();
    const different = answered.filter((letters) => letters < 13).length; // the bias turns the answers to short words
    expect(different).toBeGreaterThan(0);
    expect(serving.models.canaryCounts("m")).toMatchObject({ compared: 6, disagreed: different });
    expect(serving.models.status("m").comparison).toMatchObject({ compared: 6, disagreed: different, failed: 0 });
    for (const letters of answered) await versionOf(letters); // the same texts tell nothing new
    await clock.settle();
    expect(serving.models.canaryCounts("m")).toMatchObject({ challengerRequests: 6, compared: 6 });
  });

  it("counts anew when the share changes, and nothing once it ends", async () => {
    await canaryBy({ immediate: true });
    await versionOf(canary[0]!);
    serving.models.setTraffic("m", { mode: "canary", version: "2", percent: 60 });
    expect(serving.models.canaryCounts("m")).toMatchObject({ challengerRequests: 0 });
    serving.models.setTraffic("m", undefined);
    expect(serving.models.canaryCounts("m")).toBeUndefined();
    expect(await versionOf(canary[0]!)).toBe("1");
  });
});

describe("kept answers", () => {
  const sentiment = (text: string, more: Partial<AnswerRequest<"classify">> = {}) =>
    done(serving.answer(request({ input: { text }, ...more })));
  const ran = () => engines.reduce((sum, engine) => sum + engine.ran.length, 0);

  it("are none unless memory is given to them", async () => {
    await swapTo("1");
    const before = ran();
    await sentiment("good");
    const { meta } = await sentiment("good");
    expect([ran() - before, meta.cached]).toEqual([2, false]);
    expect(await page()).not.toContain("albert_response_cache_requests_total{");
  });

  it("answer equal requests on the version that was chosen, and no other", async () => {
    start({ cacheBytes: 1_000_000 });
    nextEngine = () => new FakeEngine({ immediate: true, bias: engines.length });
    await swapTo("1");
    const before = ran();
    const first = await sentiment("good");
    const second = await sentiment("good");
    expect(ran() - before).toBe(1);
    expect(second.answer).toEqual(first.answer);
    expect(first.meta).toMatchObject({ cached: false, batchSize: 1 });
    const { timings: _, batchSize: __, prediction: ___, paddedTokens: ____, cached: _____, ...same } = first.meta;
    expect(second.meta).toMatchObject({ ...same, cached: true, batchSize: 0, paddedTokens: 0 });
    await swapTo("2");
    const swapped = await sentiment("good");
    expect(swapped.meta).toMatchObject({ version: "2", cached: false });
    expect(swapped.answer).not.toEqual(first.answer);
    const pinned = await sentiment("good", { model: { name: "m", version: "1" } });
    expect(pinned).toMatchObject({ answer: first.answer, meta: { version: "1", cached: true } });
    expect(await page()).toContain('albert_response_cache_requests_total{result="hit"} 2');
  });

  it("tell apart what is asked of a text", async () => {
    start({ cacheBytes: 1_000_000 });
    await swapTo("1");
    await sentiment("good");
    const asked = (input: AnswerRequest<"classify">["input"]) => done(serving.answer(request({ input })));
    for (const input of [
      { text: "good", topK: 1 },
      { text: "good", textPair: "good" },
      { text: "good " },
      { text: "good", truncation: "error" as const },
    ]) {
      expect((await asked(input)).meta.cached).toBe(false);
      expect((await asked(input)).meta.cached).toBe(true);
    }
    const encoded = () =>
      done(serving.answer({ task: "encode", input: { text: "good" }, limits: UNLIMITED, model: { name: "m" } }));
    const [vector, again] = [await encoded(), await encoded()];
    expect([vector.meta.cached, again.meta.cached]).toEqual([false, true]);
    expect(again.answer.embedding).toEqual(vector.answer.embedding);
  });

  it("are no refusals", async () => {
    start({ cacheBytes: 1_000_000 });
    await swapTo("1");
    for (let i = 0; i < 2; i++) {
      expect((await refusal(serving.answer(request({ input: { text: "" } })))).code).toBe("invalid-input");
    }
    expect(await page()).toContain('albert_response_cache_requests_total{result="miss"} 2');
  });

  it("are given where there is no room, but not by a server that is shutting down, or too late", async () => {
    start({ cacheBytes: 1_000_000, maxRequests: 1 });
    const options = { immediate: true };
    nextEngine = () => new FakeEngine(options);
    await swapTo("1");
    await sentiment("good");
    options.immediate = false;
    const waiting = serving.answer(request({ input: { text: "held" } }));
    waiting.catch(() => {});
    await clock.settle();
    expect((await refusal(serving.answer(request({ input: { text: "new" } })))).reason).toBe("QUEUE_FULL");
    expect((await sentiment("good")).meta.cached).toBe(true);
    const deadlineAt = clock.now() - 1;
    expect((await refusal(serving.answer(request({ input: { text: "good" }, deadlineAt })))).code).toBe("deadline");
    serving.drain();
    expect((await refusal(serving.answer(request({ input: { text: "good" } })))).reason).toBe("DRAINING");
  });

  it("let equal requests share a computation, whichever of them leaves", async () => {
    start({ cacheBytes: 1_000_000 });
    const options = { immediate: true };
    nextEngine = () => new FakeEngine(options);
    await swapTo("1");
    options.immediate = false;
    const before = ran();
    const leaving = new AbortController();
    const first = serving.answer(request({ signal: leaving.signal }));
    const others = [serving.answer(request()), serving.answer(request())];
    first.catch(() => {});
    await clock.settle();
    expect(ran() - before).toBe(1);
    leaving.abort();
    await clock.settle();
    expect((await refusal(first)).code).toBe("cancelled");
    for (let batch = engines[0]!.held[0]; batch !== undefined; batch = engines[0]!.held[0]) {
      batch.finish();
      await clock.settle();
    }
    const answered = await done(Promise.all(others));
    expect(answered.map(({ meta }) => meta.cached).sort()).toEqual([false, true]);
    expect(answered[0]!.answer).toEqual(answered[1]!.answer);
    expect(ran() - before).toBe(2);
    expect(serving.scheduler.requests).toBe(0);
  });

  it("count neither for nor against a canary, and are not compared", async () => {
    start({ cacheBytes: 1_000_000 });
    await swapTo("1");
    nextEngine = () => new FakeEngine({ immediate: true, bias: -20 });
    await serving.models.load({ name: "m", version: "2", open: () => Promise.resolve(fakeModel("digest of 2")) });
    serving.models.setTraffic("m", { mode: "canary", version: "2", percent: 50 });
    const { canary } = lettersBy(50);
    const ask = (letters: number, routingKey?: string) =>
      done(serving.answer(request(routingKey === undefined ? {} : { routingKey }, letters)));
    const first = await ask(canary[0]!);
    expect(first.meta).toMatchObject({ version: "2", cached: false });
    await clock.settle();
    const counts = serving.models.canaryCounts("m");
    expect(counts).toMatchObject({ challengerRequests: 1, compared: 1 });
    const key = canary.slice(1).map((letters) => subjectOf({ text: "x".repeat(letters) }))[0]!;
    expect((await ask(canary[0]!, key)).meta).toMatchObject({ version: "2", cached: true });
    await clock.settle();
    expect(serving.models.canaryCounts("m")).toEqual(counts);
  });
});
