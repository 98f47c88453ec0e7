import { chmodSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeRecord } from "../../src/model/formats/records.ts";
import type { ModelAliases } from "../../src/store/aliases.ts";
import { DirectoryObjectStore } from "../../src/store/objects/directory-object-store.ts";
import type { ObjectStore } from "../../src/store/objects/object-store.ts";
import { type S3Location, S3ObjectStore } from "../../src/store/objects/s3-object-store.ts";
import { openStore } from "../../src/store/open-store.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import type { CanaryConditions, TrafficRequest } from "../../src/store/traffic-rules.ts";
import { FakeS3 } from "../support/fake-s3.ts";
import { BUNDLED_FIXTURES, missing } from "../support/fixtures.ts";
import { installedS3Server, type S3Server, startS3Server } from "../support/s3-server.ts";
import { workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop();
const conditions: CanaryConditions = {
  decide: "rollback",
  alpha: 0.01,
  errorRatio: 1.5,
  slowRatio: 2,
  disagreement: 0.1,
  minRequests: 1000,
  wrongRatio: 1.25,
  minJudged: 0,
  overrideGate: false,
};
const canary = (version: number, percent = 10): TrafficRequest => ({ mode: "canary", version, percent, conditions });
const why = { reason: "a test" };

/** What the record of a model promises wherever its objects lie. */
function contract(kind: string, open: (name: string) => Promise<ObjectStore>): void {
  let made = 0;
  /** A store with three versions, of which the first is the champion. */
  const filled = async () => {
    const objects = await open(`${kind}-${made++}`);
    const store = createStore({ objects, cacheDirectory: path(`${kind}-cache`) });
    for (let i = 0; i < 3; i++) await store.versions.publish("m", await modelDirectory());
    await store.aliases.point("m", 1, why);
    return { store, objects };
  };
  const traffic = async (store: Store) => (await store.aliases.list("m")).traffic;

  it("keeps a rule with everything that was asked for, and a generation that grows with each change", async () => {
    const { store } = await filled();
    expect(await traffic(store)).toEqual({ generation: 0, history: [] });
    await store.aliases.giveTraffic("m", canary(2), { ...why, expectedGeneration: 0, actor: "ops" });
    const { rule } = await traffic(store);
    const asked = { mode: "canary", version: 2, percent: 10, conditions };
    expect(rule).toMatchObject({ ...asked, generation: 1, champion: 1, reason: "a test", actor: "ops" });
    await store.aliases.giveTraffic("m", { mode: "shadow", version: 3, percent: 50 }, why);
    const shadow = (await traffic(store)).rule;
    expect(shadow).toMatchObject({ mode: "shadow", version: 3, generation: 2 });
    expect(shadow).not.toHaveProperty("conditions");
    expect(shadow?.id).not.toBe(rule?.id);
    await store.aliases.endTraffic("m", { reason: "enough", expectedGeneration: 2 });
    const { generation, history, ...rest } = await traffic(store);
    expect([generation, rest]).toEqual([3, {}]);
    expect(history.map(({ event, version, reason }) => [event, version, reason])).toEqual([
      ["given", 2, "a test"],
      ["given", 3, "a test"],
      ["ended", 3, "enough"],
    ]);
    await store.aliases.endTraffic("m", { reason: "again" }); // there is nothing to end
    expect((await traffic(store)).generation).toBe(3);
  });

  it("lets exactly one of several win that saw the same generation", async () => {
    const { store } = await filled();
    const tries = [2, 3, 2, 3].map((version) =>
      store.aliases.giveTraffic("m", canary(version), { ...why, expectedGeneration: 0 }),
    );
    const outcomes = await Promise.allSettled(tries);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ reason: "GENERATION_MISMATCH" });
    }
    const stale = store.aliases.endTraffic("m", { ...why, expectedGeneration: 0 });
    await expect(stale).rejects.toMatchObject({ reason: "GENERATION_MISMATCH", metadata: { current: "1" } });
    const promotion = store.aliases.point("m", 2, { ...why, expectedGeneration: 1, expectedTraffic: 0 });
    await expect(promotion).rejects.toMatchObject({ reason: "GENERATION_MISMATCH" });
    expect((await store.aliases.get("m", "champion"))?.version).toBe(1);
  });

  it("refuses the champion as a challenger, a version that is not there, and a model without a champion", async () => {
    const { store } = await filled();
    await expect(store.aliases.giveTraffic("m", canary(1), why)).rejects.toMatchObject({ reason: "VERSION_IN_USE" });
    await expect(store.aliases.giveTraffic("m", canary(9), why)).rejects.toMatchObject({ code: "not-found" });
    await store.versions.publish("n", await modelDirectory());
    await expect(store.aliases.giveTraffic("n", canary(1), why)).rejects.toMatchObject({ reason: "NO_CHAMPION" });
    expect((await traffic(store)).generation).toBe(0);
  });

  it("ends a rule with the promotion of its challenger, in the same write, and begins anew against another champion", async () => {
    const { store } = await filled();
    const seen: ModelAliases[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      const changes = store.aliases.watch("m", { intervalMs: 5, signal: stop.signal });
      for await (const change of changes) seen.push(change);
    })();
    await store.aliases.giveTraffic("m", canary(2), why);
    const before = (await traffic(store)).rule;
    await store.aliases.point("m", 3, { reason: "another was better" });
    const { rule } = await traffic(store);
    expect(rule).toMatchObject({ version: 2, champion: 3, generation: 2, reason: "version 3 became the champion" });
    expect(rule?.id).not.toBe(before?.id);
    await store.aliases.point("m", 2, { reason: "as good as the champion", expectedTraffic: 2 });
    const { rule: gone, history } = await traffic(store);
    expect(gone).toBeUndefined();
    expect(history.at(-1)).toMatchObject({ event: "promoted", version: 2, reason: "as good as the champion" });
    await expect.poll(() => seen.at(-1)?.aliases["champion"]?.version).toBe(2);
    stop.abort();
    await watching;
    // In no look was the promoted version both: champion and challenger of itself.
    for (const { aliases, traffic: now } of seen) expect(now.rule?.version).not.toBe(aliases["champion"]?.version);
  });

  it("moves other aliases without touching the rule", async () => {
    const { store } = await filled();
    await store.aliases.giveTraffic("m", canary(2), why);
    await store.aliases.point("m", 3, { ...why, alias: "keep" });
    expect(await traffic(store)).toMatchObject({ generation: 1, rule: { version: 2 } });
  });

  it("keeps the challenger from collection, for as long as it is one", async () => {
    const { store } = await filled();
    await store.aliases.giveTraffic("m", canary(2), why);
    const rules = { keepVersions: 1, keepAliasChanges: 0 };
    await store.collectGarbage(rules);
    expect((await store.versions.list("m")).map(({ version }) => version)).toEqual([1, 2, 3]);
    await store.aliases.endTraffic("m", why);
    await store.collectGarbage(rules);
    expect((await store.versions.list("m")).map(({ version }) => version)).toEqual([1, 3]);
  });

  it("adds up what servers count, once, and forgets it with the rule", async () => {
    const { store } = await filled();
    const { evidence } = store;
    const sums = await Promise.all([1, 2, 3].map((count) => evidence.add("m", "rule a", { asked: count, failed: 1 })));
    expect(Math.max(...sums.map((sum) => sum?.["asked"] ?? 0))).toBe(6);
    expect(await evidence.read("m", "rule a")).toEqual({ asked: 6, failed: 3 });
    // An answer that got lost: the server adds the same counts again.
    await evidence.add("m", "rule a", { asked: 10 }, "change 1");
    await evidence.add("m", "rule a", { asked: 10 }, "change 1");
    expect(await evidence.read("m", "rule a")).toEqual({ asked: 16, failed: 3 });
    expect(await evidence.read("m", "rule b")).toEqual({});
    expect(await evidence.add("m", "rule b", { asked: 1 })).toEqual({ asked: 1 });
    expect(await evidence.read("m", "rule a")).toEqual({});
  });

  it("is not read where a later release wrote it in another form", async () => {
    const { store, objects } = await filled();
    const { tag } = (await objects.readRegister("aliases/m"))!;
    await objects.writeRegister("aliases/m", encodeRecord({ form: 3, routes: [] }), tag);
    const error = { code: "precondition", reason: "STORE_TOO_NEW", metadata: { form: "3", known: "2" } };
    await expect(store.aliases.list("m")).rejects.toMatchObject(error);
    await expect(store.aliases.point("m", 2, why)).rejects.toMatchObject(error);
  });
}

describe("the record of a model in a directory", () => {
  contract("directory", (name) => DirectoryObjectStore.open(path(name)));
});

describe.skipIf(missing("an S3 server (versitygw or minio)", installedS3Server))("the record of a model in S3", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
  }, 60_000);
  afterAll(() => server?.close());
  contract("s3", (name) => S3ObjectStore.open({ ...server.location, prefix: name }));
});

describe("the record of a model in what answers as S3 does", () => {
  const s3 = new FakeS3();
  let location: S3Location;
  beforeAll(async () => {
    location = await s3.start();
  });
  afterAll(() => s3.close());
  contract("fake-s3", (name) => S3ObjectStore.open({ ...location, stallMs: 20_000, prefix: name }));
});

describe("a store that release 0.1.0 wrote", () => {
  /** A copy, because what was committed stays as it is. */
  const place = async () => {
    const copy = path(`of-0.1.0-${Math.random()}`);
    cpSync(join(BUNDLED_FIXTURES, "stores/0.1.0"), copy, { recursive: true });
    return { copy, store: await openStore(copy) };
  };

  it("opens, is sound, and has its aliases, history and no traffic", async () => {
    const { store } = await place();
    expect((await store.verify(false)).problems).toEqual([]);
    const { aliases, traffic } = await store.aliases.list("reviews");
    expect(traffic).toEqual({ generation: 0, history: [] });
    expect(aliases["champion"]).toMatchObject({ version: 2, generation: 2, actor: "ops" });
    expect(aliases["previous"]).toMatchObject({ version: 1 });
    expect((await store.aliases.history("reviews")).map(({ reason }) => reason)).toContain(
      "first version of the model",
    );
    await store.close();
  });

  it("takes a canary, keeps what it had, and goes back along its history", async () => {
    const { copy, store } = await place();
    await store.aliases.giveTraffic("reviews", canary(3), { ...why, expectedGeneration: 0 });
    await store.close();
    const again = await openStore(copy);
    expect((await again.aliases.list("reviews")).traffic.rule).toMatchObject({ version: 3, champion: 2 });
    expect(await again.aliases.rollback("reviews", why)).toMatchObject({ version: 1, generation: 3 });
    expect((await again.aliases.list("reviews")).traffic.rule).toMatchObject({
      version: 3,
      champion: 1,
      generation: 2,
    });
    await again.close();
  });

  it("is found damaged by one byte of its record, as ever", async () => {
    const { copy, store } = await place();
    const cells = join(copy, "cells/aliases/reviews");
    const newest = join(cells, readdirSync(cells).sort().at(-1)!);
    chmodSync(newest, 0o644);
    writeFileSync(newest, readFileSync(newest, "utf8").replace('"version":2', '"version":3'));
    await expect(store.aliases.list("reviews")).rejects.toMatchObject({ reason: "RECORD_CORRUPT" });
    await store.close();
  });
});
