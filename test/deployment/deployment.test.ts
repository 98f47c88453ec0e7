import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { Deployment, type DeploymentOptions } from "../../src/deployment/deployment.ts";
import { type AlbertError, corrupt } from "../../src/errors.ts";
import type { VersionSource } from "../../src/serving/models/loader.ts";
import type { ModelRegistry } from "../../src/serving/models/registry.ts";
import { openStore } from "../../src/store/open-store.ts";
import { SILENT_CANARIES } from "../support/silent-canaries.ts";
import { workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop();
let made = 0;

/** A deployment over a store with three versions, of which the second serves; versions that fail to load can be named. */
async function deployed() {
  const place = path(`deployed-${made++}`);
  const store = await openStore(place);
  for (let i = 0; i < 3; i++) await store.versions.publish("m", await modelDirectory());
  const failing = new Set<string>();
  const loaded = new Set<string>();
  /** What the loading of a version waits for. */
  const held = new Map<string, Promise<void>>();
  const unreadable: string[] = [];
  let current = "";
  const live = {
    expect: () => {},
    list: () => [{ name: "m", current, versions: [...loaded].map((version) => ({ version })) }],
    load: async ({ name, version }: VersionSource) => {
      if (name !== "m") return;
      await held.get(version);
      if (failing.has(version)) throw new Error(`version ${version} is damaged`);
      loaded.add(version);
    },
    reportUnreadable: async (name: string, version: string, error: AlbertError) =>
      void unreadable.push(`${name}@${version}: ${error.reason}`),
    unload: async (_: string, version: string) => void loaded.delete(version),
    activate: (name: string, version: string) => {
      const from = current;
      if (name === "m") current = version;
      return { drained: Promise.resolve(), report: () => ({ from, to: version }) };
    },
    status: () => ({ lastSwap: undefined }),
  } as unknown as ModelRegistry;
  // `live` opens nothing.
  const prepareModel = () => Promise.reject(new Error("a version was opened"));
  const options = {
    ...{ store, live, prepareModel, serves: true, pollMs: 60_000, onError: () => {}, onFallback: () => {} },
    canaries: SILENT_CANARIES,
  };
  const deployment = new Deployment(options);
  const override = { overrideGate: true, reason: "a test" };
  await deployment.promote("m", 1, { expectedGeneration: 0, ...override });
  await deployment.promote("m", 2, { expectedGeneration: 1, ...override });
  const champion = async () => (await store.aliases.get("m", "champion"))!;
  /** A new process over the same store; nothing serves yet. */
  const restarted = (varied: Partial<DeploymentOptions>) => {
    current = "";
    loaded.clear();
    return new Deployment({ ...options, ...varied });
  };
  return { deployment, champion, failing, held, loaded, place, restarted, serving: () => current, store, unreadable };
}

describe("a deployment", () => {
  it("rolls back to what served before", async () => {
    const { deployment, champion, serving } = await deployed();
    const { alias, report } = await deployment.rollback("m", { expectedGeneration: 2, reason: "" });
    expect(alias).toMatchObject({ version: 1, generation: 3, reason: "rolled back" });
    expect(report).toMatchObject({ from: "2", to: "1" });
    expect([(await champion()).version, serving()]).toEqual([1, "1"]);
    await deployment.close();
  });

  it("changes nothing when the version to go back to cannot be brought up", async () => {
    const { deployment, champion, failing, serving } = await deployed();
    failing.add("1");
    await expect(deployment.rollback("m", { expectedGeneration: 2, reason: "" })).rejects.toThrow("damaged");
    expect(await champion()).toMatchObject({ version: 2, generation: 2 });
    expect(serving()).toBe("2");
    await deployment.close();
  });

  it("leaves nothing in memory of a change that somebody else came before", async () => {
    const { deployment, champion, loaded } = await deployed();
    loaded.delete("1");
    const stale = deployment.rollback("m", { expectedGeneration: 1, reason: "" });
    await expect(stale).rejects.toMatchObject({ reason: "GENERATION_MISMATCH" });
    expect([...loaded]).toEqual(["2"]);
    expect((await champion()).version).toBe(2);
    await deployment.close();
  });

  it("changes nothing when what is promoted serves already, and says so", async () => {
    const { deployment, champion, store } = await deployed();
    const again = { expectedGeneration: 2, overrideGate: false, reason: "" };
    const promoted = await deployment.promote("m", 2, again);
    expect(promoted).toEqual({ alias: await champion(), unchanged: true });
    expect(promoted.alias).toMatchObject({ version: 2, generation: 2, reason: "a test" });
    expect(await store.aliases.history("m")).toHaveLength(3); // two promotions, the second with its `previous`
    const stale = deployment.promote("m", 2, { ...again, expectedGeneration: 1 });
    await expect(stale).rejects.toMatchObject({ reason: "GENERATION_MISMATCH" });
    const first = await deployment.promote("m", 1, { ...again, alias: "canary", expectedGeneration: 0 });
    expect(first).toMatchObject({ unchanged: false, alias: { generation: 1 } });
    const second = await deployment.promote("m", 1, { ...again, alias: "canary", expectedGeneration: 1 });
    expect(second).toMatchObject({ unchanged: true, alias: { generation: 1 } });
    const other = deployment.promote("m", 3, again);
    await expect(other).rejects.toMatchObject({ reason: "GATE_FAILED" });
    await deployment.close();
  });
});

describe("a deployment that starts", () => {
  it("serves the version before a champion that cannot serve, says so, and the champion once it can", async () => {
    const { deployment, failing, serving, restarted } = await deployed();
    await deployment.close();
    failing.add("2");
    const told: string[] = [];
    const again = restarted({
      pollMs: 5,
      onError: (error, model) => told.push(`${model}: ${(error as Error).message}`),
      onFallback: (fallback, champion) => told.push(`${fallback.version} for ${champion.version}`),
    });
    await again.start();
    expect(told).toEqual(["m: version 2 is damaged", "1 for 2"]);
    expect(serving()).toBe("1");
    failing.delete("2");
    await expect.poll(serving, { timeout: 20_000 }).toBe("2");
    await again.close();
  });

  it("does not put back what it read first over a version that is promoted meanwhile", async () => {
    const { deployment, held, serving, restarted } = await deployed();
    await deployment.close();
    let release = () => {};
    held.set(
      "2",
      new Promise((resolve) => {
        release = resolve;
      }),
    );
    const again = restarted({});
    const started = again.start();
    await setTimeout(20); // the start has read that version 2 is the champion, and loads it
    const promoted = again.promote("m", 3, { expectedGeneration: 2, overrideGate: true, reason: "a job" });
    await Promise.race([promoted, setTimeout(100)]);
    release();
    await Promise.all([started, promoted]);
    expect(serving()).toBe("3");
    await again.close();
  });

  it("tries a champion that cannot serve again with growing pauses", async () => {
    const { deployment, failing, restarted } = await deployed();
    await deployment.close();
    failing.add("1").add("2");
    let tries = 0;
    const again = restarted({ pollMs: 5, onError: () => tries++ });
    await again.start();
    await setTimeout(400);
    await again.close();
    expect(tries).toBeGreaterThan(2);
    expect(tries).toBeLessThan(12); // after 5, 10, 20, 40, 80 and 160 ms
  });

  it("tells that the store cannot be asked for its models, and finds new ones once it can", async () => {
    const { deployment, store, restarted } = await deployed();
    await deployment.close();
    const asked = vi.spyOn(store.versions, "models");
    const told: unknown[] = [];
    const again = restarted({ pollMs: 2, onError: (error, model) => told.push([(error as Error).message, model]) });
    await again.start();
    asked.mockRejectedValueOnce(new Error("the store is away"));
    const known = asked.mock.calls.length;
    await expect.poll(() => asked.mock.calls.length, { timeout: 20_000 }).toBeGreaterThan(known + 1);
    expect(told).toEqual([["the store is away", undefined]]);
    await again.close();
  });

  it("starts although no version of a model can serve", async () => {
    const { deployment, failing, serving, restarted } = await deployed();
    await deployment.close();
    failing.add("1").add("2");
    const told: string[] = [];
    const again = restarted({ onError: (error) => told.push((error as Error).message) });
    await again.start();
    expect(told.slice(0, 2)).toEqual(["version 2 is damaged", "version 1 is damaged"]);
    expect(serving()).toBe("");
    await again.close();
  });

  it("sets damaged aliases of one model aside, keeps its versions, and serves the others", async () => {
    const { deployment, place, store, serving, restarted, unreadable } = await deployed();
    await deployment.close();
    await store.versions.publish("n", await modelDirectory());
    await store.aliases.point("n", 1, { reason: "a test" });
    const register = join(place, "cells", "aliases", "n");
    const [latest] = (await readdir(register)).sort().reverse();
    const text = await readFile(join(register, latest!), "utf8");
    await chmod(join(register, latest!), 0o644);
    await writeFile(join(register, latest!), text.replace('"version":1', '"version":7'));
    const told: unknown[] = [];
    const again = restarted({ onError: (error, model) => told.push([model, (error as AlbertError).reason]) });
    await again.seed("n", await modelDirectory()); // as the models that come with the program are
    await again.start();
    expect(told).toEqual([["n", "RECORD_CORRUPT"]]);
    expect(unreadable).toEqual(["n@0: RECORD_CORRUPT"]);
    expect(serving()).toBe("2");
    expect(await store.aliases.get("n", "champion")).toBeUndefined();
    const aside = await readdir(join(place, "objects", "quarantine", "aliases", "n"));
    expect(await readFile(join(place, "objects", "quarantine", "aliases", "n", aside[0]!), "utf8")).toContain(
      '"version":7',
    );
    await again.seed("n", await modelDirectory());
    expect(await store.aliases.get("n", "champion")).toBeUndefined(); // a person chooses
    const later = restarted({});
    await later.start();
    expect(unreadable).toEqual(["n@0: RECORD_CORRUPT", "n@0: RECORD_CORRUPT"]);
    await later.close();
    await store.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 });
    expect((await store.versions.list("n")).map(({ version }) => version)).toEqual([1, 2, 3]);
    const chosen = { expectedGeneration: 0, overrideGate: true, reason: "it served before" };
    expect(await again.promote("n", 1, chosen)).toMatchObject({ alias: { version: 1, generation: 1 } });
    await store.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 });
    expect((await store.versions.list("n")).map(({ version }) => version)).toEqual([1, 3]);
    await again.close();
  });

  it("names a model whose champion's record is damaged, and serves the version before", async () => {
    const { deployment, store, serving, restarted, unreadable } = await deployed();
    await deployment.close();
    const damaged = corrupt("the record is damaged", { reason: "RECORD_CORRUPT" });
    const get = store.versions.get.bind(store.versions);
    vi.spyOn(store.versions, "get").mockImplementation(async (model, version) => {
      if (version === 2) throw damaged;
      return get(model, version);
    });
    const again = restarted({});
    await again.start();
    expect(new Set(unreadable)).toEqual(new Set(["m@2: RECORD_CORRUPT"]));
    expect(serving()).toBe("1");
    await again.close();
  });
});
