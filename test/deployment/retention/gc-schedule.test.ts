import { expect, it } from "vitest";
import { rootsOfJobs, rootsOfServing } from "../../../src/deployment/retention/gc-roots.ts";
import { GcSchedule } from "../../../src/deployment/retention/gc-schedule.ts";
import { AlbertError } from "../../../src/errors.ts";
import type { Job } from "../../../src/jobs/job.ts";
import type { JobState } from "../../../src/jobs/job-state.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import type { ModelStatus } from "../../../src/serving/models/status.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { workshop } from "../../support/stores.ts";

const { path, modelDirectory } = workshop();
const NOTHING = { removedVersions: [], removedBlobs: 0, freedBytes: 0 };
const retention = { keepVersions: 1, keepAliasChanges: 0 };

/** A timer that rings when the test says so. */
function bell() {
  const delays: number[] = [];
  let ring = () => {};
  const after = (milliseconds: number, callback: () => void) => {
    delays.push(milliseconds);
    ring = callback;
    return () => {
      ring = () => {};
    };
  };
  return { delays, after, ring: () => ring() };
}

it("collects soon after the start, then at its interval, also after a failure, until it is closed, and trims the cache each time", async () => {
  const { delays, after, ring } = bell();
  const told: unknown[] = [];
  let trimmed = 0;
  let outcome: () => Promise<typeof NOTHING> = async () => NOTHING;
  const collections = new GcSchedule({
    collect: () => outcome(),
    trimCache: async () => {
      trimmed++;
    },
    intervalMs: 3_600_000,
    onCollected: (report) => told.push(report),
    onError: (error) => told.push(error),
    after,
  });
  const disk = new Error("disk");
  const outcomes: (() => Promise<typeof NOTHING>)[] = [
    async () => NOTHING,
    () => Promise.reject(disk),
    () => Promise.reject(new AlbertError("unavailable", "another collects", { reason: "STORE_COLLECTING" })),
  ];
  for (const next of outcomes) {
    outcome = next;
    ring();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(delays).toEqual([60_000, 3_600_000, 3_600_000, 3_600_000]);
  expect(told).toEqual([NOTHING, disk]);
  expect(trimmed).toBe(3);
  await collections.close();
  ring();
  expect(told).toHaveLength(2);
});

it("never touches what is referred to while others publish and promote", async () => {
  // Writers that find a collection look again at once, so that many of both fit into a second.
  const clock = { now: Date.now, wait: () => new Promise<void>((resolve) => setImmediate(resolve)) };
  const store = await openStore(path("busy"), { clock });
  const { versions, aliases } = store;
  const directories = await Promise.all(Array.from({ length: 6 }, () => modelDirectory()));
  const first = await versions.publish("m", await modelDirectory());
  const loaded: ModelStatus = { name: "m", generation: 1, versions: [{ version: "1", state: { kind: "standby" } }] };
  const jobs: Job[] = [];
  const roots = async () => [...rootsOfServing([loaded]).versions, ...(await rootsOfJobs(store, jobs)).versions];
  let publishing = true;
  const publisher = (async () => {
    for (const directory of directories) {
      // As a job does: what it has made is its own until it is over.
      const index = jobs.push(job({ kind: "evaluating" }, "")) - 1;
      const { version } = await versions.publish("m", directory);
      jobs[index] = job({ kind: "evaluating" }, `m@${version}`);
      await versions.materialise(await versions.get("m", version));
      await aliases.point("m", version, { reason: "better" });
      jobs[index] = job({ kind: "cancelled" }, `m@${version}`);
    }
    publishing = false;
  })();
  const removed: number[] = [];
  while (publishing) {
    const report = await store.collectGarbage({ ...retention, roots });
    removed.push(...report.removedVersions.map(({ version }) => version));
    for (let turn = 0; turn < 20; turn++) await clock.wait(); // lets a writer in
  }
  await publisher;
  await store.collectGarbage({ ...retention, roots });
  const left = await versions.list("m");
  const champion = (await aliases.get("m", "champion"))!.version;
  expect(left.map(({ version }) => version)).toEqual([first.version, champion - 1, champion]);
  for (const version of left) await openModelDirectory(await versions.materialise(version));
  expect(removed).not.toContain(1);
  await store.close();
}, 60_000);

it("counts what unfinished jobs start from, by whatever name, and what they read", async () => {
  const store = await openStore(path("starts"));
  const made = [];
  for (let i = 0; i < 4; i++) made.push(await store.versions.publish("m", await modelDirectory()));
  await store.aliases.point("m", 2, { reason: "champion" });
  const starting = (init: string, state: JobState = { kind: "queued", resuming: false }) => job(state, "", init);
  const [train, vocabulary] = ["a".repeat(64), "b".repeat(64)];
  const begun = { ...starting(""), startVersion: "m@4" }; // when the champion was another
  const reading = {
    train: { kind: "dataset", digest: train },
    eval: { kind: "path", path: "x" },
    recipe: { vocabulary },
  };
  const jobs = [
    starting("m@1"),
    starting(""),
    starting(made[2]!.digest),
    starting("m@4", { kind: "cancelled" }),
    starting("gone@9"),
    { ...starting(""), spec: { ...starting("").spec, ...reading } } as Job,
  ];
  expect(await rootsOfJobs(store, jobs)).toEqual({ versions: ["m@1", "m@2", "m@3"], datasets: [train, vocabulary] });
  expect((await rootsOfJobs(store, [begun])).versions).toEqual(["m@4"]);
  const distilling = { ...starting("m@1"), spec: { ...starting("m@1").spec, teacher: "m/champion" } } as Job;
  expect((await rootsOfJobs(store, [distilling])).versions).toEqual(["m@1", "m@2"]);
  expect((await rootsOfJobs(store, [{ ...distilling, teacherVersion: "m@3" }])).versions).toEqual(["m@1", "m@3"]);
  await store.close();
});

/** As much of a job as retention looks at. */
function job(state: JobState, modelVersion: string, init = ""): Job {
  return { state, modelVersion, startVersion: "", spec: { model: "m", init, recipe: {} } } as unknown as Job;
}
