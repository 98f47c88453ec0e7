import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobService } from "../../../src/jobs/job-service.ts";
import type { ThreadHost } from "../../../src/platform/threads/hosted-thread.ts";
import { inThread } from "../../../src/platform/threads/hosted-thread.ts";
import { inProcess } from "../../../src/platform/threads/thread-process.ts";
import { openJobs, TINY_JOB, writeData } from "./job-server.ts";

const ROOM = { heapBytes: 1e9, memoryBytes: 4e9 };
/** Less than loading the trainer's own modules takes. */
const NO_ROOM = { heapBytes: 12 << 20 };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-isolation-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Jobs below a place of their own. */
async function open(place: string, host: ThreadHost) {
  await writeData(join(directory, place, "data"));
  return openJobs(join(directory, place), host);
}

async function until(service: JobService, id: string, kind: string): Promise<void> {
  for await (const event of service.watch(id, 0)) if (event.kind === kind) return;
}

/** Children of this process that run a job: each is told by its module. */
async function children(): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    if (stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] !== String(process.pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (command.includes("thread-process-child")) found.push(Number(pid));
  }
  return found;
}

describe("jobs.isolation process", { timeout: 240_000 }, () => {
  it.skipIf(process.platform !== "linux")(
    "makes the same bytes as a thread, though the job's process is killed on the way",
    async () => {
      const weights: Buffer[] = [];
      for (const [place, host] of Object.entries({ thread: inThread(ROOM), process: inProcess(ROOM) })) {
        const { store, service } = await open(place, host);
        const { job } = await service.create("", TINY_JOB);
        if (place === "process") {
          await until(service, job.id, "checkpoint_written");
          const [child, ...others] = await children();
          expect(others).toEqual([]);
          process.kill(child ?? 0, "SIGKILL");
        }
        for await (const _ of service.watch(job.id, 0));
        const { state, history, killedServers } = service.get(job.id);
        expect(state).toMatchObject({ kind: "succeeded", result: { modelVersion: "mood@1" } });
        if (place === "process") {
          const reasons = history.map(({ to, reason }) => [to.kind, reason]);
          expect(reasons).toContainEqual(["preempted", "WORKER_KILLED"]);
          expect(reasons).toContainEqual(["queued", "WORKER_KILLED"]);
          expect(killedServers).toBe(0);
        }
        const model = await store.versions.materialise(await store.versions.get("mood", 1));
        weights.push(await readFile(join(model, "model.safetensors")));
        await service.close();
        await store.close();
        expect(await children()).toEqual([]);
      }
      expect(weights[1]?.equals(weights[0] ?? Buffer.alloc(0))).toBe(true);
    },
  );

  it("gives a job up that kills its process each time before a step, and this process lives", async () => {
    const abort: ThreadHost = (start) =>
      inProcess(ROOM)({
        ...start,
        entry: new URL("../../platform/threads/hosted-module", import.meta.url),
        request: "abort",
      });
    const { store, service } = await open("poison", abort);
    const { job } = await service.create("", TINY_JOB);
    for await (const _ of service.watch(job.id, 0));
    expect(service.get(job.id).state).toMatchObject({
      kind: "failed",
      reason: "POISON",
      message: expect.stringMatching(/killed 2 times in a row/),
    });
    await service.close();
    await store.close();
  });

  it("stops the child at its next step when the server ends, and leaves none", async () => {
    const { store, service } = await open("stopped", inProcess(ROOM));
    const { job } = await service.create("", { ...TINY_JOB, recipe: { ...TINY_JOB.recipe, train_step: "5000" } });
    await until(service, job.id, "step_metrics");
    await service.close();
    expect(service.get(job.id).state.kind).toBe("preempted");
    expect(service.get(job.id).history.at(-1)).toMatchObject({ reason: "SERVER_RESTART" });
    await store.close();
    if (process.platform === "linux") expect(await children()).toEqual([]);
  });
});

it("a job that reaches its heap limit ends with the reason, and its server goes on", { timeout: 120_000 }, async () => {
  const { store, service } = await open("heap", inThread(NO_ROOM));
  const { job } = await service.create("", TINY_JOB);
  for await (const _ of service.watch(job.id, 0));
  const { state, history } = service.get(job.id);
  expect(state).toMatchObject({
    kind: "rejected",
    reason: "OUT_OF_MEMORY",
    problems: [{ what: expect.stringContaining("jobs.heap_bytes") }],
  });
  expect(history.at(-1)).toMatchObject({ reason: "OUT_OF_MEMORY" });
  await expect(service.plan(TINY_JOB)).rejects.toMatchObject({ reason: "WORK_TOO_LARGE" });
  await service.close();
  await store.close();
});
