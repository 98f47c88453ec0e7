import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { holderOf, Retention } from "../../../src/deployment/retention/retention.ts";
import type { Job } from "../../../src/jobs/job.ts";
import type { ModelStatus } from "../../../src/serving/models/status.ts";
import { openStore } from "../../../src/store/open-store.ts";
import type { Store } from "../../../src/store/store.ts";
import { workshop } from "../../support/stores.ts";

const { path, modelDirectory } = workshop();

/** A server as far as retention knows it: what it has in memory, and its jobs. */
function server(store: Store, jobs: Job[], holder: string, memory: string[] = []) {
  const versions = memory.map((version) => ({ version, state: { kind: "standby" } as const }));
  const live: ModelStatus[] = memory.length === 0 ? [] : [{ name: "m", generation: 1, versions }];
  const errors: unknown[] = [];
  const retention = new Retention({
    store,
    live: { list: () => live },
    jobs: { list: () => jobs, holder },
    keepVersions: 1,
    keepAliasChanges: 0,
    intervalMs: 0,
    onCollected: () => {},
    onError: (error) => errors.push(error),
  });
  return { retention, errors };
}

it("leaves alone what the jobs and the memory of another server need, also while that server is down", async () => {
  const store = await openStore(path("shared"));
  for (let i = 0; i < 5; i++) await store.versions.publish("m", await modelDirectory());
  const queued = { state: { kind: "queued" }, spec: { model: "m", init: "m@2", recipe: {} }, startVersion: "" };
  const jobs = [{ ...queued, modelVersion: "" } as unknown as Job];
  const trainer = server(store, jobs, "jobs-a", ["3"]);
  await trainer.retention.update();
  const other = server(store, [], "jobs-b");
  const numbers = async () => (await store.versions.list("m")).map(({ version }) => version);
  const wouldRemove = async () => {
    const { removedVersions } = await other.retention.collect(true);
    return removedVersions.map(({ version }) => version);
  };

  expect(await wouldRemove()).toEqual([1, 4]);
  expect(await numbers()).toEqual([1, 2, 3, 4, 5]);
  await other.retention.collect(false);
  expect(await numbers()).toEqual([2, 3, 5]);
  await trainer.retention.close();
  expect(await wouldRemove()).toEqual([3]); // was in memory only
  jobs.length = 0;
  await server(store, jobs, "jobs-a").retention.update();
  expect(await wouldRemove()).toEqual([2, 3]);
  expect([...trainer.errors, ...other.errors]).toEqual([]);
  await store.close();
});

it("knows the jobs of a directory again after a restart, also when a crash cut its name short", async () => {
  const directory = path("jobs");
  mkdirSync(directory);
  const holder = await holderOf(directory);
  expect(holder).toMatch(/^jobs-[0-9a-f-]{36}$/);
  expect(await holderOf(directory)).toBe(holder);
  const file = join(directory, "jobs.holder");
  writeFileSync(file, readFileSync(file, "utf8").slice(0, 20));
  expect(await holderOf(directory)).not.toBe(holder);
});
