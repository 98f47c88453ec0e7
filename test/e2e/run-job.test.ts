import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobService } from "../../src/jobs/job-service.ts";
import { openSharedJobService } from "../../src/jobs/shared/open-shared-job-service.ts";
import { runJob } from "../../src/run-job.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { ManualRunner, RecordingPublisher, specOf } from "../jobs/fake-runner.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { moodRows } from "../support/mood-rows.ts";
import { testConfig } from "../support/running-server.ts";

const SPEC = specOf({
  model: "reviews",
  task: "classification",
  init: "reviews@1",
  train: { kind: "path", path: "train.jsonl" },
  recipe: { train_step: "4", train_batch_size: "8", max_seq_length: "16" },
});

describe("a process for one job of a queue", () => {
  let base: string;
  let store: Store;
  /** A server that keeps the jobs and works on none. */
  let keeper: JobService;
  beforeEach(async () => {
    base = mkdtempSync(join(tmpdir(), "albert-run-job-"));
    mkdirSync(join(base, "data"));
    writeFileSync(join(base, "data/train.jsonl"), moodRows(40, 0));
    store = await openStore(join(base, "store"));
    await store.versions.publish("reviews", await writeTinyModel(ALL_HEADS.slice(0, 1)));
    await store.aliases.point("reviews", 1, { reason: "the first" });
    keeper = await openSharedJobService({
      directory: join(base, "keeper"),
      ...{ store: store.jobs, runner: new ManualRunner(), publisher: new RecordingPublisher(), trainer: "keeper" },
      ...{ times: { leaseMs: 60_000, heartbeatMs: 10_000 }, pollMs: 50, checkSpec: () => {}, takes: () => false },
      ...{ onDefect: () => {}, onError: () => {} },
    });
  });
  afterEach(async () => {
    await keeper.close();
    await store.close();
    rmSync(base, { recursive: true, force: true });
  });

  const run = (id: string, trainer: string, signal = new AbortController().signal) => {
    const config = testConfig({
      store: { directory: join(base, "store"), pollMs: 50 },
      training: { directory: join(base, trainer), datasetRoots: [join(base, "data")], threads: 1 },
      runtime: { intraThreads: 1 },
    });
    const log = Object.assign(() => {}, { info() {}, warn() {}, error() {} });
    return runJob({ config, log: log as never }, { id, trainer }, signal);
  };

  it("takes it and no other, publishes what it makes, and ends; so it does when nothing is to be done", async () => {
    const { id } = (await keeper.create("", SPEC)).job;
    const other = (await keeper.create("", { ...SPEC, seed: 2, priority: 5 })).job.id;
    expect(await run(id, "pod-1")).toBe("succeeded");
    expect((await store.versions.list("reviews")).map(({ version }) => version).sort()).toEqual([1, 2]);
    await keeper.refresh();
    expect([keeper.get(id).modelVersion, keeper.get(other).state.kind]).toEqual(["reviews@2", "queued"]);
    await keeper.pause(other);
    expect(await run(other, "pod-2")).toBe("paused");
    await expect(run("20200101t000000000-000000", "pod-3")).rejects.toMatchObject({ reason: "JOB_NOT_FOUND" });
  });

  it("sets it aside when it is told to end, for the next one to go on", async () => {
    const { id } = (await keeper.create("", { ...SPEC, recipe: { ...SPEC.recipe, train_step: "100000" } })).job;
    const end = new AbortController();
    const running = run(id, "pod-1", end.signal);
    for await (const { kind } of keeper.watch(id, 0)) if (kind === "step_metrics") break;
    end.abort();
    expect(await running).toBeUndefined();
    await keeper.refresh();
    expect(keeper.get(id)).toMatchObject({ owner: undefined, killedServers: 0 });
    expect(["queued", "preempted"]).toContain(keeper.get(id).state.kind);
    await keeper.cancel(id);
    expect(await run(id, "pod-2")).toBe("cancelled");
  });
});
