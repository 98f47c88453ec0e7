import { CanaryJudge } from "../../src/deployment/canary/canary-judge.ts";
import { ChampionFollower } from "../../src/deployment/champion-follower.ts";
import { KeepAlive } from "../../src/deployment/retention/keep-alive.ts";
import { encodeRecord } from "../../src/model/formats/records.ts";
import { NO_COUNTS } from "../../src/serving/traffic/canary-trials.ts";
import { bytesBody } from "../../src/store/objects/object-store.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { type Requests, requestsBetween, summaryOf } from "./costs.ts";
import { type Life, ModelledS3 } from "./modelled-s3.ts";
import { World } from "./world.ts";

// Many servers that answer requests and follow one model's record in a store: promotions, and a canary that all of them count.

export interface FollowersOptions {
  readonly seed: number;
  readonly replicas: number;
  readonly promotions: number;
  /** `store.poll_ms` of each. */
  readonly pollMs: number;
  /** Between two promotions. */
  readonly betweenMs: number;
  /** Each replica's requests to the model in a second, while it has a canary. */
  readonly requestsPerSecond: number;
  /** Simulated time in which nothing changes, and with a canary. */
  readonly quietMs: number;
  readonly canaryMs: number;
}

export interface FollowersReport {
  /** While nothing changes. */
  readonly quiet: Requests;
  /** While a canary runs. */
  readonly canary: Requests;
  /** Seconds from a promotion in the store until it serves on each replica, and on all. */
  readonly served: ReturnType<typeof summaryOf>;
  readonly servedByAll: ReturnType<typeof summaryOf>;
  /** Requests that one promotion takes, of all replicas together, besides what they take anyhow. */
  readonly requestsPerPromotion: number;
  /** Share of what replicas counted of the canary that was in the store when it had run for its time. */
  readonly counted: number;
}

const MODEL = "reviews";
/** Files of a version, and milliseconds until it is fetched, built, warmed and tried: supposed, see docs/scaling.md. */
const FILES = 8;
const LOAD_MS = 3000;
const LOAD_SIGMA = 0.3;

export async function simulateFollowers(options: FollowersOptions): Promise<FollowersReport> {
  const { seed, replicas, promotions, pollMs, betweenMs, requestsPerSecond, quietMs, canaryMs } = options;
  const world = new World(seed);
  const s3 = new ModelledS3(world);
  const life: Life = { alive: true };
  const open = (): Store =>
    createStore({
      objects: s3.seenBy(life),
      cacheDirectory: "",
      clock: { now: () => world.nowMs, wait: (ms, signal) => world.wait(ms, signal) },
    });
  const admin = open();
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let done: { readonly value: T } | undefined;
    work.then((value) => {
      done = { value };
    }, world.failed.bind(world));
    while (done === undefined) await world.runUntil(world.nowMs + 10);
    return done.value;
  };
  for (let version = 1; version <= promotions + 2; version++) {
    const record = {
      model: MODEL,
      version,
      digest: String(version).padStart(64, "0"),
      created: 0,
      bytes: 1,
      files: {},
    };
    const key = `models/${MODEL}/versions/${String(version).padStart(6, "0")}.json`;
    await run(s3.seenBy(life).putIfAbsent(key, bytesBody(encodeRecord(record))));
  }
  await run(admin.aliases.point(MODEL, 1, { reason: "the first" }));

  const serving = new Array<number>(replicas).fill(0);
  const servedAt = new Map<number, number[]>();
  const counts = Array.from({ length: replicas }, (): Record<keyof typeof NO_COUNTS, number> => ({ ...NO_COUNTS }));
  let rule: string | undefined;
  for (let replica = 0; replica < replicas; replica++) {
    const store = open();
    const references = new KeepAlive({
      ...{ store, holder: `serving-${replica}`, description: "", lastsMs: 3_600_000 },
      roots: () => ({ versions: serving[replica] === 0 ? [] : [`${MODEL}@${serving[replica]}`], datasets: [] }),
      onError: (error) => world.failed(error),
      every: (ms, callback) => world.every(ms, callback),
    });
    const follower = new ChampionFollower({
      store,
      pollMs,
      activation: {
        expect() {},
        reportLost: async () => {},
        async activate({ model, version }) {
          if (serving[replica] === version) return undefined;
          await store.versions.get(model, version);
          for (let file = 0; file < FILES; file++) s3.counts.GET++;
          await world.wait(world.logNormal(LOAD_MS, LOAD_SIGMA));
          serving[replica] = version;
          servedAt.set(version, [...(servedAt.get(version) ?? []), world.nowMs]);
          void references.update();
          return undefined;
        },
      },
      onError: (error) => world.failed(error),
      onRecord() {},
      onFallback() {},
      exclusively: (_, change) => change(),
      wait: (ms, signal) => world.wait(ms, signal),
    });
    new CanaryJudge({
      store,
      live: {
        list: () =>
          rule === undefined
            ? []
            : [
                {
                  ...{ name: MODEL, generation: 1, versions: [] },
                  traffic: { mode: "canary" as const, version: "", percent: 10, rule },
                },
              ],
        canaryCounts: () => ({ ...counts[replica]! }),
      },
      canaries: { doubt() {} },
      decide: async () => {},
      onError: (error) => world.failed(error),
      intervalMs: 2 * pollMs,
      random: () => world.random(),
      every: (ms, callback) => world.every(ms, callback),
    });
    world.after(world.random() * pollMs, () => void follower.start().catch((error) => world.failed(error)));
  }
  await world.runUntil(world.nowMs + 120_000); // all serve the first

  const quietFrom = { ...s3.counts };
  await world.runUntil(world.nowMs + quietMs);
  const quiet = requestsBetween(quietFrom, s3.counts, quietMs);

  const before = { ...s3.counts };
  const each: number[] = [];
  const all: number[] = [];
  for (let version = 2; version <= promotions + 1; version++) {
    const beganMs = world.nowMs;
    await run(admin.aliases.point(MODEL, version, { reason: "better" }));
    const promotedMs = world.nowMs;
    await world.runUntil(beganMs + betweenMs * (0.8 + 0.4 * world.random()));
    const times = (servedAt.get(version) ?? []).map((ms) => ms - promotedMs);
    if (times.length < replicas) throw new Error(`${replicas - times.length} replicas do not serve version ${version}`);
    each.push(...times);
    all.push(Math.max(...times));
  }
  const total = (counted: object) => Object.values(counted).reduce((sum, count) => sum + count, 0) as number;
  const during = requestsBetween(before, s3.counts, betweenMs * promotions);
  const requestsPerPromotion = ((total(during.perMinute) - total(quiet.perMinute)) * betweenMs) / 60_000;

  await run(
    admin.aliases.giveTraffic(
      MODEL,
      { version: promotions + 2, mode: "canary", percent: 10 },
      { reason: "a candidate" },
    ),
  );
  const { rule: given } = (await run(admin.aliases.list(MODEL))).traffic;
  rule = given!.id;
  const canaryFrom = { ...s3.counts };
  const counting = counts.map((count) =>
    world.every(1000 / requestsPerSecond, () => {
      count[world.random() < 0.1 ? "challengerRequests" : "championRequests"]++;
    }),
  );
  await world.runUntil(world.nowMs + canaryMs);
  const canary = requestsBetween(canaryFrom, s3.counts, canaryMs);
  const there = await run(admin.evidence.read(MODEL, rule));
  const counted =
    total(there) /
    Math.max(
      1,
      counts.reduce((sum, count) => sum + total(count), 0),
    );
  for (const stop of counting) stop();
  return {
    ...{ quiet, canary, served: summaryOf(each), servedByAll: summaryOf(all) },
    requestsPerPromotion: Math.round(requestsPerPromotion),
    counted: Number(counted.toFixed(3)),
  };
}
