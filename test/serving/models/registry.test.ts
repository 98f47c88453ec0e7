import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import type { HeadKind } from "../../../src/model/heads.ts";
import type { Engine } from "../../../src/runtime/engine.ts";
import type { VersionSource } from "../../../src/serving/models/loader.ts";
import { ModelRegistry, type ModelRegistryOptions } from "../../../src/serving/models/registry.ts";
import type { ModelTest } from "../../../src/tasks/task-request.ts";
import { FakeEngine, fakeModel, sequence } from "../fake-engine.ts";
import { SchedulerRig } from "../scheduler/scheduler-rig.ts";

const MINUTE = 60_000;

let rig: SchedulerRig;
let models: ModelRegistry;
let engines: FakeEngine[];
let draw: number;
let memory: { usedBytes: number; limitBytes: number };
let openEngine: () => Promise<Engine>;
/** Versions whose files exist. */
let files: Set<string>;

beforeEach(() => {
  rig = new SchedulerRig();
  engines = [];
  files = new Set();
  draw = 0;
  memory = { usedBytes: 0, limitBytes: 1e9 };
  openEngine = () => {
    const engine = new FakeEngine({ immediate: true });
    engines.push(engine);
    return Promise.resolve(engine);
  };
  models = live();
});
afterEach(() => rig.close());

function live(
  config: Partial<ModelRegistryOptions["config"]> = {},
  openDryRunEngine?: NonNullable<ModelRegistryOptions["openDryRunEngine"]>,
): ModelRegistry {
  return new ModelRegistry({
    ...(openDryRunEngine === undefined ? {} : { openDryRunEngine }),
    config: { batchTokens: 0, swapDrainMs: 5000, memoryHeadroom: 0.2, keepPreviousMs: 10 * MINUTE, ...config },
    scheduler: rig.scheduler,
    openEngine: () => openEngine(),
    metrics: rig.metrics,
    clock: rig.clock,
    memory: () => memory,
    random: () => draw,
  });
}

const source = (version: string, more: Partial<VersionSource> = {}): VersionSource => ({
  name: "m",
  version,
  open: async () => {
    files.add(version);
    const remove = async () => void files.delete(version);
    return { ...fakeModel(`${version}: the digest`), remove };
  },
  ...more,
});
const state = (version: string) => models.status("m").versions.find((one) => one.version === version)?.state.kind;
const refusal = async (work: Promise<unknown> | (() => unknown)): Promise<AlbertError> => {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    if (error instanceof AlbertError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
};
const served = (selector = {}) => {
  const ref = models.acquire({ name: "m", ...selector });
  ref.release();
  return ref.version.version;
};

describe("loading", () => {
  it("brings a version up without giving it traffic, and promotes it in one step", async () => {
    await models.load(source("1"));
    expect(state("1")).toBe("standby");
    expect((await refusal(() => models.acquire({ name: "m" }))).reason).toBe("NO_VERSION");
    expect(models.ready).toBe(false);
    const { generation } = models.activate("m", "1", 0);
    expect(generation).toBe(1);
    expect([served(), state("1"), models.ready]).toEqual(["1", "serving", true]);
  });

  it("checks every head at short and full length before traffic can reach it", async () => {
    await models.load(source("1"));
    const lengths = engines[0]!.ran.map((batch) => batch.map(({ inputIds }) => inputIds.length));
    expect(lengths).toEqual([[8], [32], [64], [8, 32]]);
    expect(engines[0]!.ran[0]![0]!.outputs).toContain("sentiment");
  });

  it("loads a version once, however often and however concurrently it is asked to", async () => {
    const [a, b] = await Promise.all([models.load(source("1")), models.load(source("1"))]);
    expect(a).toBe(b);
    expect(await models.load(source("1"))).toBe(a);
    expect(engines).toHaveLength(1);
  });

  it("loads one version at a time", async () => {
    let opening = 0;
    let most = 0;
    const open = async () => {
      most = Math.max(most, ++opening);
      await undefined;
      opening--;
      return fakeModel("d");
    };
    await Promise.all(["1", "2", "3"].map((version) => models.load(source(version, { open }))));
    expect(most).toBe(1);
  });

  it("says WARMING while the first version loads", async () => {
    const loading = models.load(source("1"));
    expect(await refusal(() => models.acquire({ name: "m" }))).toMatchObject({
      code: "unavailable",
      reason: "WARMING",
    });
    await loading;
  });

  it("says WARMING to whoever pins a version that loads, by version or digest", async () => {
    await models.swap(source("1"));
    const loading = models.load(source("2"));
    for (const pin of [{ version: "2" }, { digest: "2: the digest" }]) {
      expect(await refusal(() => models.acquire({ name: "m", ...pin }))).toMatchObject({ reason: "WARMING" });
    }
    expect((await refusal(() => models.acquire({ name: "m", version: "3" }))).reason).toBe("VERSION_NOT_LOADED");
    await loading;
    expect(served({ version: "2" })).toBe("2");
  });

  it("knows during a start that a name it does not know may still come, and is not ready", async () => {
    const end = models.beginStartup();
    for (const name of ["m", "other", ""]) {
      const error = await refusal(() => models.acquire({ name }));
      expect([error.code, error.reason, (error.retryAfterMs ?? 0) > 0], name).toEqual(["unavailable", "WARMING", true]);
    }
    await models.swap(source("1"));
    expect([served(), models.ready]).toEqual(["1", false]);
    expect((await refusal(() => models.acquire({ name: "other" }))).reason).toBe("WARMING");
    end();
    expect(models.ready).toBe(true);
    expect((await refusal(() => models.acquire({ name: "other" }))).reason).toBe("MODEL_NOT_FOUND");
  });

  it("reads two versions at once in a start, builds one at a time, and counts them as loaded in the order that was said", async () => {
    const end = models.beginStartup();
    models.expect(["a", "b", "c"]);
    const reading = { now: 0, most: 0 };
    const building = { now: 0, most: 0 };
    const during = async <T>(count: { now: number; most: number }, result: T, ms = 0) => {
      count.most = Math.max(count.most, ++count.now);
      await new Promise((resolve) => setTimeout(resolve, ms));
      count.now--;
      return result;
    };
    openEngine = () => during(building, new FakeEngine({ immediate: true }));
    const names = ["c", "b", "a"];
    const up: string[] = [];
    // The first takes longest to read, and is built first all the same.
    const open = (name: string) => during(reading, fakeModel("d"), name === "c" ? 20 : 0);
    const bringUp = async (name: string) => {
      await models.swap(source("1", { name, open: () => open(name) }));
      up.push(name);
    };
    await Promise.all(names.map(bringUp));
    end();
    expect(up).toEqual(names);
    expect([reading.most, building.most]).toEqual([2, 1]);
    expect(models.list().map(({ name }) => name)).toEqual(["a", "b", "c"]);
    const ref = models.acquire({});
    expect(ref.version.name).toBe("a");
    ref.release();
  });

  it("rehearses no version in a start, and the same ones after it", async () => {
    let rehearsed = 0;
    models = live({}, async () => {
      rehearsed++;
      return new FakeEngine({ immediate: true });
    });
    const end = models.beginStartup();
    for (const name of ["a", "b"]) await models.swap(source("1", { name }));
    end();
    expect(rehearsed).toBe(0);
    await models.swap(source("2", { name: "b" }));
    expect(rehearsed).toBe(1);
  });

  it("gives up what a start has read but not built when it is closed", async () => {
    models.beginStartup();
    let release = () => {};
    openEngine = async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return new FakeEngine({ immediate: true });
    };
    const loads = ["1", "2"].map((version) => models.load(source(version)));
    const outcomes = Promise.allSettled(loads);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(files).toEqual(new Set(["1", "2"]));
    const closed = models.close();
    release();
    await closed;
    expect((await outcomes).map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(files).toEqual(new Set());
  });

  it("is ready beside a model that failed, which is told by name", async () => {
    const end = models.beginStartup();
    await refusal(models.load(source("1", { name: "bad", digest: "other" })));
    await models.swap(source("1"));
    end();
    expect(models.ready).toBe(true);
    expect(models.status("bad").versions).toMatchObject([{ state: { kind: "failed", reason: "DIGEST_MISMATCH" } }]);
    expect(await refusal(() => models.acquire({ name: "bad" }))).toMatchObject({
      code: "unavailable",
      reason: "NO_VERSION",
    });
  });

  const failures: [string, Partial<VersionSource>, () => void, string][] = [
    [
      "cannot be read",
      { open: () => Promise.reject(new AlbertError("corrupt", "bad", { reason: "CHECKPOINT_CORRUPT" })) },
      () => undefined,
      "CHECKPOINT_CORRUPT",
    ],
    ["is not the expected one", { digest: "other" }, () => undefined, "DIGEST_MISMATCH"],
    [
      "has no engine",
      {},
      () => {
        openEngine = () => Promise.reject(new AlbertError("backend", "no", { reason: "BACKEND_FAILED" }));
      },
      "BACKEND_FAILED",
    ],
    [
      "computes NaN",
      {},
      () => {
        openEngine = () => {
          const engine = new FakeEngine({ immediate: true, bias: Number.NaN });
          engines.push(engine);
          return Promise.resolve(engine);
        };
      },
      "SELF_CHECK_FAILED",
    ],
    [
      "does not fit in memory",
      {},
      () => {
        memory = { usedBytes: 900, limitBytes: 1000 };
      },
      "MEMORY_INSUFFICIENT",
    ],
  ];
  it.each(failures)("leaves the old version serving when the new one %s", async (_, more, arrange, reason) => {
    await models.swap(source("1"));
    const before = engines.length;
    arrange();
    const error = await refusal(models.load(source("2", more)));
    expect(error.reason).toBe(reason);
    expect([served(), state("1"), state("2")]).toEqual(["1", "serving", "failed"]);
    for (const engine of engines.slice(before)) expect(engine.closed).toBe(true);
    expect([...files]).toEqual(["1"]);
    expect(models.status("m").versions.find(({ version }) => version === "2")?.state).toMatchObject({ reason });
    expect((await rig.metrics.page()).body).toContain(`albert_swap_total{result="failed",cause="${reason}"} 1`);
  });

  it("finds an engine whose answers depend on the batch", async () => {
    openEngine = () => {
      const engine = new FakeEngine({ immediate: true });
      const run = engine.run.bind(engine);
      engine.run = async (sequences) => {
        const result = await run(sequences);
        if (sequences.length > 1) result.outputs[0]!.get("sentiment")!["logits"]![0]! += 1;
        return result;
      };
      return Promise.resolve(engine);
    };
    expect(await refusal(models.load(source("1")))).toMatchObject({ reason: "SELF_CHECK_FAILED" });
  });

  it("tries again after a failure, and forgets the failure", async () => {
    await refusal(models.load(source("1", { digest: "other" })));
    await models.swap(source("1"));
    expect(served()).toBe("1");
  });

  it("gives up a version kept for rollback when memory is short", async () => {
    await models.swap(source("1"));
    await models.swap(source("2"));
    memory = { usedBytes: 900, limitBytes: 1000 };
    engines[0]!.close = () => {
      engines[0]!.closed = true;
      memory = { usedBytes: 0, limitBytes: 1000 };
      return Promise.resolve();
    };
    await models.load(source("3"));
    expect(engines[0]!.closed).toBe(true);
    expect([...files]).toEqual(["2", "3"]);
    expect(models.status("m").previous).toBeUndefined();
    expect(served()).toBe("2");
  });
});

describe("choosing a version", () => {
  beforeEach(async () => {
    await models.swap(source("1"));
    await models.swap(source("2"));
  });

  it("takes the current one, or the pinned one by version, digest or the beginning of a digest", () => {
    expect(served()).toBe("2");
    expect(served({ version: "1" })).toBe("1");
    expect(served({ digest: "1: the digest" })).toBe("1");
    expect(served({ digest: "1: the diges" })).toBe("1");
  });

  it("refuses the beginning of a digest that two loaded versions share, and names both", async () => {
    const twin = (version: string) =>
      source(version, { name: "twin", open: async () => fakeModel(`abcdefabcdef ${version}`) });
    await models.swap(twin("1"));
    await models.swap(twin("2"));
    const { violations } = await refusal(() => models.acquire({ name: "twin", digest: "abcdefabcdef" }));
    expect(violations[0]?.description).toBe(
      "2 digests begin with abcdefabcdef: abcdefabcdef 1 (version 1), abcdefabcdef 2 (version 2); give more digits",
    );
    const { version, release } = models.acquire({ name: "twin", digest: "abcdefabcdef 1" });
    release();
    expect(version.version).toBe("1");
  });

  it("takes the only model for a request that names none", () => {
    const ref = models.acquire({});
    expect(ref.version.name).toBe("m");
    ref.release();
  });

  it("takes a model that was made for vectors where one is wanted and the request names none, else the first", async () => {
    const chosen = () => {
      const ref = models.acquire({ tests: [({ manifest }) => manifest.encoding !== undefined] });
      ref.release();
      return ref.version.name;
    };
    expect(chosen()).toBe("m");
    const plain = fakeModel("e");
    const manifest = { ...plain.manifest, encoding: { pooling: "mean", normalize: true } as const };
    await models.swap(source("1", { name: "encoder", open: async () => ({ ...plain, manifest }) }));
    expect(chosen()).toBe("encoder");
    expect(models.acquire({}).version.name).toBe("m");
  });

  it("takes the first model that passes the most telling test, where the request names none", async () => {
    const answers = { ...fakeModel("n"), heads: [{ kind: "span", name: "answers" }] as const };
    await models.swap(source("1", { name: "n", open: () => Promise.resolve(answers) }));
    const has =
      (...kinds: HeadKind[]): ModelTest =>
      ({ heads }) =>
        heads.some(({ kind }) => kinds.includes(kind));
    const chosen = (tests: readonly ModelTest[], name?: string) => {
      const ref = models.acquire({ tests, ...(name === undefined ? {} : { name }) });
      ref.release();
      return ref.version.name;
    };
    expect(chosen([has("classification")])).toBe("m");
    expect(chosen([has("span", "span-answerability")])).toBe("n");
    expect(chosen([has("masked-lm"), has("span")])).toBe("n");
    expect(chosen([has("span"), has("classification")])).toBe("n");
    expect(chosen([has("masked-lm")])).toBe("m"); // whose refusal says what it lacks
    expect(chosen([has("span")], "m")).toBe("m");
  });

  it("refuses unknown names, versions that are not loaded, and digests that are too short to mean one", async () => {
    expect(await refusal(() => models.acquire({ name: "x" }))).toMatchObject({
      code: "not-found",
      reason: "MODEL_NOT_FOUND",
      metadata: { model: "x", models: "m" },
    });
    expect(await refusal(() => models.acquire({ name: "m", version: "9" }))).toMatchObject({
      code: "precondition",
      reason: "VERSION_NOT_LOADED",
      metadata: { loaded: "1,2" },
    });
    expect((await refusal(() => models.acquire({ name: "m", digest: "1: the dige" }))).reason).toBe(
      "VERSION_NOT_LOADED",
    );
  });

  it("keeps to the model that was loaded first when others join it", async () => {
    await models.swap(source("1", { name: "other" }));
    expect(served()).toBe("2");
    const ref = models.acquire({});
    expect(ref.version.name).toBe("m");
    ref.release();
  });
});

describe("swapping", () => {
  it("ends a request on the version that admitted it, and drains before releasing", async () => {
    models = live({ keepPreviousMs: 0 });
    await models.swap(source("1"));
    const ref = models.acquire({ name: "m" });
    const swap = await models.swap(source("2"));
    await rig.clock.settle();
    expect([ref.version.version, served(), state("1")]).toEqual(["1", "2", "draining"]);
    expect(engines[0]!.closed).toBe(false);
    const answered = rig.submit(ref.version.queue, { sequences: [sequence(10)] });
    await rig.clock.settle();
    expect(answered.outcome?.kind).toBe("answered");
    ref.release();
    await swap.drained;
    await rig.clock.settle();
    expect(engines[0]!.closed).toBe(true);
    expect(swap.report()).toMatchObject({ from: "1", to: "2", generation: 2, requestsFailed: 0 });
  });

  it("keeps the version before for a while, then releases it and its metrics", async () => {
    await models.swap(source("1"));
    await models.swap(source("2"));
    await rig.clock.settle();
    expect([models.status("m").previous, state("1")]).toEqual(["1", "standby"]);
    await rig.clock.advance(10 * MINUTE);
    expect([models.status("m").previous, state("1"), engines[0]!.closed]).toEqual([undefined, undefined, true]);
    expect((await rig.metrics.page()).body).not.toContain('version="1"');
    expect((await refusal(() => models.activate("m", "1"))).reason).toBe("VERSION_NOT_LOADED");
  });

  it("goes back to the version before at once, and forward again; both count as rollbacks", async () => {
    await models.swap(source("1"));
    await models.swap(source("2"));
    expect(models.activate("m", "1", 2).generation).toBe(3);
    expect([served(), models.status("m").previous]).toEqual(["1", "2"]);
    expect(models.activate("m", "2").report()).toMatchObject({
      from: "1",
      to: "2",
      result: "rolled_back",
      generation: 4,
    });
    await rig.clock.advance(10 * MINUTE);
    expect([engines[0]!.closed, engines[1]!.closed]).toEqual([true, false]);
  });

  it("rolls back while the old version still drains", async () => {
    await models.swap(source("1"));
    const ref = models.acquire({ name: "m" });
    const { drained } = await models.swap(source("2"));
    models.activate("m", "1");
    ref.release();
    await drained;
    await rig.clock.advance(10 * MINUTE);
    expect([served(), state("1"), engines[0]!.closed, engines[1]!.closed]).toEqual(["1", "serving", false, true]);
  });

  it("keeps one version before, not all of them", async () => {
    for (const version of ["1", "2", "3"]) await models.swap(source(version));
    await rig.clock.settle();
    expect(engines.map(({ closed }) => closed)).toEqual([true, false, false]);
  });

  it("refuses a promotion by somebody who looked before another one", async () => {
    await models.swap(source("1"));
    await models.load(source("2"));
    await models.load(source("3"));
    models.activate("m", "2", 1);
    expect(await refusal(() => models.activate("m", "3", 1))).toMatchObject({
      code: "conflict",
      reason: "GENERATION_MISMATCH",
      metadata: { current: "2" },
    });
    expect(served()).toBe("2");
  });

  it("changes nothing when the version serves already", async () => {
    await models.swap(source("1"));
    expect(models.activate("m", "1").generation).toBe(1);
    expect([served(), models.status("m").previous]).toEqual(["1", undefined]);
  });

  it("bounds the wait for the last requests", async () => {
    models = live({ keepPreviousMs: 0, swapDrainMs: 1000 });
    await models.swap(source("1"));
    const ref = models.acquire({ name: "m" });
    engines[0]!.run = () => new Promise(() => undefined);
    const stuck = rig.submit(ref.version.queue, { sequences: [sequence(10)] });
    const swap = await models.swap(source("2"));
    await rig.clock.advance(2000);
    await swap.drained;
    expect(stuck.outcome).toMatchObject({ error: { code: "unavailable", reason: "NO_VERSION" } });
    expect(swap.report().requestsFailed).toBe(1);
    expect(engines[0]!.closed).toBe(true);
    ref.release();
  });

  it("reports the time of each phase and the latency before, during and after", async () => {
    await models.swap(source("1"));
    const answer = async (tookMs: number) => {
      const ref = models.acquire({ name: "m" });
      models.answered(ref.version, tookMs);
      ref.release();
      await rig.clock.advance(1);
    };
    await answer(10);
    const open = async () => {
      await answer(20);
      return fakeModel("2");
    };
    const swap = await models.swap(source("2", { open }));
    await swap.drained;
    await rig.clock.advance(1);
    await answer(30);
    const { phaseSeconds, ...report } = swap.report();
    expect(Object.keys(phaseSeconds)).toEqual(["load", "build", "check", "flip", "drain"]);
    expect(phaseSeconds.load).toBeCloseTo(0.001);
    expect(phaseSeconds.drain).toBe(0);
    expect(report).toMatchObject({ p99BeforeMs: 10, p99DuringMs: 20, p99AfterMs: 30, rssBeforeBytes: 0 });
  });
});

describe("a version that is loaded beside others", () => {
  let dryRuns: FakeEngine[];
  let bias: number;
  beforeEach(() => {
    dryRuns = [];
    bias = 0;
    models = live({}, () => {
      const engine = new FakeEngine({ immediate: true, bias });
      dryRuns.push(engine);
      return Promise.resolve(engine);
    });
  });
  const lengths = ({ ran }: FakeEngine) => ran.map((batch) => batch.map(({ inputIds }) => inputIds.length));

  it("is checked in the background, and only confirmed on the engine that will serve", async () => {
    await models.swap(source("1"));
    expect(dryRuns).toHaveLength(0);
    const swap = await models.swap(source("2"));
    expect(lengths(dryRuns[0]!)).toEqual([[8], [32], [64], [8, 32]]);
    expect(dryRuns[0]!.closed).toBe(true);
    expect(lengths(engines[1]!)).toEqual([[8], [32]]);
    await swap.drained;
    expect(Object.keys(swap.report().phaseSeconds)).toEqual(["load", "rehearse", "build", "check", "flip", "drain"]);
  });

  it("is refused when the engine that will serve answers otherwise than in the dry run", async () => {
    await models.swap(source("1"));
    bias = 1;
    expect(await refusal(models.load(source("2")))).toMatchObject({ reason: "SELF_CHECK_FAILED" });
    expect([dryRuns[0]!.closed, engines[1]!.closed, served()]).toEqual([true, true, "1"]);
  });

  it("is refused, and its dry run ended, when it fails there", async () => {
    await models.swap(source("1"));
    bias = Number.NaN;
    expect(await refusal(models.load(source("2")))).toMatchObject({ reason: "SELF_CHECK_FAILED" });
    expect([dryRuns[0]!.closed, engines.length, served()]).toEqual([true, 1, "1"]);
  });
});

describe("unloading", () => {
  it("refuses while anything refers to the version", async () => {
    await models.swap(source("1"));
    await models.load(source("2"));
    models.setTraffic("m", { mode: "shadow", version: "2", percent: 10 });
    for (const version of ["1", "2"]) {
      expect(await refusal(models.unload("m", version)), version).toMatchObject({ reason: "VERSION_IN_USE" });
    }
    models.setTraffic("m", undefined);
    const ref = models.acquire({ name: "m", version: "2" });
    expect(await refusal(models.unload("m", "2"))).toMatchObject({ reason: "VERSION_IN_USE" });
    ref.release();
    await models.unload("m", "2");
    expect([engines[1]!.closed, state("2")]).toEqual([true, undefined]);
    expect(await refusal(models.unload("m", "2"))).toMatchObject({ reason: "VERSION_NOT_LOADED" });
  });

  it("forgets a name whose last version is gone", async () => {
    await models.load(source("1"));
    await models.unload("m", "1");
    expect(models.list()).toEqual([]);
  });
});

describe("traffic", () => {
  beforeEach(async () => {
    await models.swap(source("1"));
    await models.load(source("2"));
  });

  it("gives a canary its share of requests", () => {
    models.setTraffic("m", { mode: "canary", version: "2", percent: 30 });
    const versions = Array.from({ length: 10 }, (_, i) => {
      draw = i / 10;
      return served();
    });
    expect(versions).toEqual(["2", "2", "2", "1", "1", "1", "1", "1", "1", "1"]);
    expect(state("2")).toBe("canary");
  });

  it("gives a shadow the same request to compare, on a queue behind all others", () => {
    models.setTraffic("m", { mode: "shadow", version: "2", percent: 100 });
    const ref = models.acquire({ name: "m" });
    expect([ref.version.version, ref.shadow?.version.version]).toEqual(["1", "2"]);
    expect(ref.shadow?.version.queue.background).toBe(true);
    ref.release();
    expect([ref.version.references, ref.shadow?.version.references]).toEqual([0, 0]);
  });

  it("ends with the promotion of the challenger, which then serves in the foreground", () => {
    models.setTraffic("m", { mode: "shadow", version: "2", percent: 100 });
    models.activate("m", "2");
    const ref = models.acquire({ name: "m" });
    expect([ref.version.version, ref.shadow, ref.version.queue.background]).toEqual(["2", undefined, false]);
    expect(models.status("m").traffic).toBeUndefined();
  });

  it("keeps a challenger loaded although it was only kept for a rollback", async () => {
    models.activate("m", "2");
    await rig.clock.settle();
    models.setTraffic("m", { mode: "canary", version: "1", percent: 100 });
    await rig.clock.advance(10 * MINUTE);
    expect([served(), engines[0]!.closed, models.status("m").previous]).toEqual(["1", false, undefined]);
  });

  it("refuses a challenger that is not loaded, or serves already", async () => {
    const set = (version: string) => () => models.setTraffic("m", { mode: "canary", version, percent: 1 });
    expect(await refusal(set("9"))).toMatchObject({ reason: "VERSION_NOT_LOADED" });
    expect(await refusal(set("1"))).toMatchObject({ reason: "VERSION_IN_USE" });
    expect(models.status("m").traffic).toBeUndefined();
  });

  it("returns a challenger to standby, in the foreground, when its traffic ends", () => {
    models.setTraffic("m", { mode: "shadow", version: "2", percent: 100 });
    models.setTraffic("m", undefined);
    expect(state("2")).toBe("standby");
    expect(models.acquire({ name: "m", version: "2" }).version.queue.background).toBe(false);
  });
});

describe("watching", () => {
  it("tells everything first, then each change, and ends with the signal", async () => {
    await models.swap(source("1"));
    const stop = new AbortController();
    const seen: (string | undefined)[] = [];
    const reading = (async () => {
      for await (const status of models.watch(stop.signal, "m")) {
        seen.push(status.current);
        if (status.current === "2" && status.previous === "1") stop.abort();
      }
    })();
    await rig.clock.settle();
    expect(seen).toEqual(["1"]);
    await models.swap(source("2"));
    await reading;
    expect(seen.at(-1)).toBe("2");
  });

  it("gives a slow reader the newest state, not every one", async () => {
    await models.swap(source("1"));
    const stop = new AbortController();
    const watch = models.watch(stop.signal);
    expect((await watch.next()).value?.generation).toBe(1);
    for (const version of ["2", "3", "4"]) await models.swap(source(version));
    await rig.clock.settle();
    expect((await watch.next()).value?.generation).toBe(4);
    stop.abort();
    expect((await watch.next()).done).toBe(true);
  });

  it("ends when serving ends, having released every engine", async () => {
    await models.swap(source("1"));
    await models.swap(source("2"));
    const watch = models.watch(new AbortController().signal);
    await watch.next();
    const closing = models.close();
    await rig.clock.settle();
    await closing;
    for (let next = await watch.next(); !next.done; ) next = await watch.next();
    expect(engines.every(({ closed }) => closed)).toBe(true);
    expect(rig.clock.timers).toBe(0);
    expect(await refusal(models.load(source("3")))).toMatchObject({ reason: "DRAINING" });
  });
});
