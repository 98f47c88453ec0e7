import { mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop();
const TWO_HOURS_AGO = Date.now() / 1000 - 7200;

describe("the cache of a store", () => {
  it("loses the copies of what another process removed from the store, once they are an hour old", async () => {
    const here = await openStore(path("shared"), { cacheDirectory: path("here") });
    const other = await openStore(path("shared"), { cacheDirectory: path("other") });
    const rows = path("rows.tsv");
    writeFileSync(rows, "text\tlabel\n");
    const dataset = await here.datasets.add("rows.tsv", rows);
    for (let i = 0; i < 3; i++) {
      const opened = await here.versions.materialise(await here.versions.publish("m", await modelDirectory()));
      if (i !== 1) utimesSync(opened, TWO_HOURS_AGO, TWO_HOURS_AGO);
    }
    await here.datasets.materialise(dataset.digest);
    utimesSync(join(path("here"), "datasets", dataset.digest), TWO_HOURS_AGO, TWO_HOURS_AGO);
    const left = () => [readdirSync(path("here/models")).length, readdirSync(path("here/datasets")).length];
    await here.trimCache();
    expect(left()).toEqual([3, 1]);
    await other.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 });
    await other.datasets.delete(dataset.digest, []);
    await here.trimCache();
    expect(left()).toEqual([2, 0]);
    await Promise.all([here.close(), other.close()]);
  });
});

it("a store tells whether its cache had what was wanted, sound, and how large it is", async () => {
  const lookups: string[] = [];
  const onCacheLookup = (cache: string, hit: boolean) => lookups.push(`${cache} ${hit ? "hit" : "miss"}`);
  const store = await openStore(path("told"), { onCacheLookup });
  const version = await store.versions.publish("m", await modelDirectory());
  const rows = path("told.tsv");
  writeFileSync(rows, "text\tlabel\n");
  const dataset = await store.datasets.add("told.tsv", rows);
  lookups.length = 0;
  const seen = async (act: () => Promise<unknown>) => {
    await act();
    return lookups.splice(0);
  };
  const directory = await store.versions.materialise(version);
  expect(lookups.splice(0)).toEqual(["versions miss"]);
  expect(await seen(() => store.versions.materialise(version))).toEqual(["versions hit"]);
  expect(await seen(() => store.versions.open(version, async () => {}))).toEqual(["versions hit"]);
  rmSync(join(directory, "model.safetensors")); // one with the store's own file
  writeFileSync(join(directory, "model.safetensors"), "damaged");
  expect(await seen(() => store.versions.materialise(version))).toEqual(["versions miss"]);
  expect(await seen(() => store.datasets.materialise(dataset.digest))).toEqual(["datasets miss"]);
  expect(await seen(() => store.datasets.materialise(dataset.digest))).toEqual(["datasets hit"]);
  expect(await store.cacheBytes("datasets")).toBe("text\tlabel\n".length);
  const files = readdirSync(directory).map((file) => statSync(join(directory, file)).size);
  expect(await store.cacheBytes("versions")).toBe(files.reduce((sum, size) => sum + size, 0));
  await store.close();
});

describe("the cache of a store that is opened", () => {
  it("loses what killed processes left half-fetched, and nothing else", async () => {
    const store = await openStore(path("store"));
    const version = await store.versions.publish("m", await modelDirectory());
    const opened = await store.versions.materialise(version);
    utimesSync(opened, TWO_HOURS_AGO, TWO_HOURS_AGO);
    await store.close();
    const cache = path("store/cache");
    /** A model half-fetched: its directory and the file in it, each this old. */
    const partial = (name: string, directoryTime: number, fileTime: number) => {
      const directory = join(cache, "models", name);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, "model.safetensors"), "half");
      utimesSync(join(directory, "model.safetensors"), fileTime, fileTime);
      utimesSync(directory, directoryTime, directoryTime);
    };
    const now = Date.now() / 1000;
    partial(".abandoned.0a.partial", TWO_HOURS_AGO, TWO_HOURS_AGO);
    partial(".growing.0b.partial", TWO_HOURS_AGO, now);
    partial(".new.0c.partial", now, TWO_HOURS_AGO);
    const dataset = join(cache, "datasets", "f00d");
    mkdirSync(dataset, { recursive: true });
    for (const [name, time] of [
      ["train.tsv", TWO_HOURS_AGO],
      ["train.tsv.0d.partial", TWO_HOURS_AGO],
      ["train.tsv.0e.partial", now],
    ] as const) {
      writeFileSync(join(dataset, name), "half");
      utimesSync(join(dataset, name), time, time);
    }

    await (await openStore(path("store"))).close();
    const whole = opened.slice(join(cache, "models").length + 1);
    expect(readdirSync(join(cache, "models")).sort()).toEqual([".growing.0b.partial", ".new.0c.partial", whole]);
    expect(readdirSync(dataset).sort()).toEqual(["train.tsv", "train.tsv.0e.partial"]);
  });
});
