import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobEvent } from "../../../src/jobs/job-event.ts";
import { readLog } from "../../../src/jobs/log/event-log.ts";
import { RandomStream } from "../../../src/model/random.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { writeTinyModel } from "../../support/models/tiny-model-directory.ts";
import { openJobs, TINY_JOB, writeData } from "./job-server.ts";

const KILLS = 3;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-job-threads-"));
  await writeData(join(directory, "data"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("a job on its own thread", { timeout: 300_000 }, () => {
  it("fine-tunes from random weights and publishes a version that opens", async () => {
    const { store, service } = await openJobs(directory);
    const { job } = await service.create("", TINY_JOB);
    const events: JobEvent[] = [];
    for await (const event of service.watch(job.id, 0)) events.push(event);
    expect(service.get(job.id).state).toMatchObject({ kind: "succeeded", result: { modelVersion: "mood@1" } });
    const kinds = new Set(events.map(({ kind }) => kind));
    for (const kind of ["planned", "step_metrics", "eval_result", "checkpoint_written", "published"] as const) {
      expect(kinds.has(kind), kind).toBe(true);
    }
    expect((await store.versions.get("mood", 1)).manifest).toMatchObject({ name: "mood", lineage: { jobId: job.id } });

    const again = await service.create("", {
      ...TINY_JOB,
      recipe: { train_step: "2", train_batch_size: "8" },
      init: "mood@1",
    });
    for await (const _ of service.watch(again.job.id, 0));
    expect(service.get(again.job.id).state.kind).toBe("succeeded");

    await writeFile(join(directory, "data", "bad.tsv"), "sentence\tlabel\nfine\t1\nawful\tno\ndull\t0\n");
    const bad = await service.create("", { ...TINY_JOB, train: { kind: "path", path: "bad.tsv" } });
    for await (const _ of service.watch(bad.job.id, 0));
    const { state } = service.get(bad.job.id);
    expect(state).toMatchObject({ kind: "rejected", reason: "DATA_INVALID" });
    expect(state.kind === "rejected" && state.problems[0]?.where).toBe("bad.tsv:3:1");

    const bounded = await service.create("", { ...TINY_JOB, maxSteps: 3 });
    for await (const _ of service.watch(bounded.job.id, 0));
    expect(service.get(bounded.job.id).state).toMatchObject({ kind: "succeeded", result: { stoppedBy: "max_steps" } });
    await service.close();
    await store.close();
  });

  it("stops at once while it reads its data, and so does a plan when its server ends", async () => {
    const { store, service } = await openJobs(directory);
    const row = "a fine and lovely film indeed\t1\na dull and tedious bore again\t0\n";
    await writeFile(join(directory, "data", "large.tsv"), `sentence\tlabel\n${row.repeat(400_000)}`);
    const large = { ...TINY_JOB, train: { kind: "path", path: "large.tsv" } } as const;
    const { job } = await service.create("", large);
    for await (const { summary } of service.watch(job.id, 0)) if (summary === "reading the data") break;
    await service.cancel(job.id);
    const seen: string[] = [];
    for await (const { transition } of service.watch(job.id, 0)) seen.push(transition?.to.kind ?? "");
    expect(seen.filter((kind) => kind !== "")).toEqual(["queued", "validating", "cancelling", "cancelled"]);
    const planned = service.plan(large).catch((error: unknown) => error);
    const next = await service.create("", large);
    for await (const { summary } of service.watch(next.job.id, 0)) if (summary === "reading the data") break;
    await service.close();
    expect(service.get(next.job.id).state.kind).toBe("preempted");
    expect(await planned).toMatchObject({ reason: "SHUTTING_DOWN" });
    await store.close();
  });

  it("goes on from the version it began with, though another is the champion by then", async () => {
    const before = await openJobs(directory);
    const first = await before.service.create("", TINY_JOB);
    for await (const _ of before.service.watch(first.job.id, 0));
    await before.store.aliases.point("mood", 1, { reason: "a test" });
    const recipe = { train_step: "400", train_batch_size: "8", save_checkpoints_steps: "5" };
    const { job } = await before.service.create("", { ...TINY_JOB, recipe });
    for await (const { kind } of before.service.watch(job.id, 0)) if (kind === "checkpoint_written") break;
    await before.service.close();
    expect(before.service.get(job.id).state.kind).toBe("preempted");
    const other = await before.store.versions.publish("mood", await writeTinyModel());
    await before.store.aliases.point("mood", other.version, { reason: "a test" });
    await before.store.close();

    const { store, service } = await openJobs(directory);
    for await (const event of service.watch(job.id, 0)) if (event.kind === "resumed") break;
    await service.pause(job.id);
    expect(service.get(job.id)).toMatchObject({ startVersion: "mood@1", state: { kind: "paused" } });
    await service.close();
    await store.close();
  });

  it(`ends with the same weights after ${KILLS} kills of the whole process, its log without a gap`, async () => {
    const undisturbed = await runToEnd(join(directory, "undisturbed"), 0);
    const killed = await runToEnd(join(directory, "killed"), KILLS);
    expect(killed.equals(undisturbed)).toBe(true);
  });
});

async function weightsOf(place: string): Promise<Buffer> {
  const store = await openStore(join(place, "store"));
  const model = await store.versions.materialise(await store.versions.get("mood", 1));
  await store.close();
  return readFile(join(model, "model.safetensors"));
}

/** Weights of the tiny job's version, made by a process that is killed so many times on its way. */
async function runToEnd(place: string, kills: number): Promise<Buffer> {
  await writeData(join(place, "data"));
  const { service: first, store } = await openJobs(place);
  const { job } = await first.create("", TINY_JOB);
  await first.close();
  await store.close();
  const random = new RandomStream([Date.now() >>> 0, process.pid]);
  const log = join(place, "jobs", job.id, "events.log");
  for (let killed = 0; ; killed++) {
    const child = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "job-server.ts"), place], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    if (killed < kills) {
      await Promise.race([once(child.stdout, "data"), ended]);
      await Promise.race([wait(random.below(2500)), ended]);
      child.kill("SIGKILL");
    }
    await ended;
    const { events } = readLog(await readFile(log));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    if (killed < kills && child.signalCode === "SIGKILL") continue;
    expect(events.at(-1)?.transition?.to.kind).toBe("succeeded");
    return weightsOf(place);
  }
}
