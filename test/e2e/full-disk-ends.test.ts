import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { JobKind, JobState, type WatchJobResponse } from "../../src/gen/albert/v1/training_pb.js";
import { readLog } from "../../src/jobs/log/event-log.ts";
import { missing } from "../support/fixtures.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { moodRows } from "../support/mood-rows.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { smallDisk } from "../support/small-disk.ts";

// Server processes that are told to end while the disk of their jobs, or of their whole store, is full.

/** Health says so, and calls are still let in. */
const DELAY_MS = 500;
const DRAIN_MS = 3000;
/** What a busy machine may take to notice and to end a process. */
const MARGIN_MS = 2500;

const small = smallDisk(200);
const elsewhere = mkdtempSync(join(tmpdir(), "albert-full-ends-"));
let model: string;
let server: ServerProcess | undefined;
let admin: AdminClient | undefined;
const skip = missing("the right to mount a small disk (tmpfs)", small);

beforeAll(async () => {
  model = await writeTinyModel(ALL_HEADS.slice(0, 1));
  mkdirSync(join(elsewhere, "data"));
  writeFileSync(join(elsewhere, "data/train.jsonl"), moodRows(200, 0));
});
afterEach(async () => {
  admin?.close();
  await server?.kill();
});
afterAll(() => {
  small?.remove();
  rmSync(elsewhere, { recursive: true, force: true });
});

async function start(directory: string, cache: string): Promise<AdminClient> {
  server = startServerProcess(
    {
      server: { drain_delay_ms: DELAY_MS, drain_timeout_ms: DRAIN_MS },
      models: { load: `tiny=${model}` },
      store: { directory, cache_directory: cache },
      training: { dataset_roots: join(elsewhere, "data"), threads: 1, priority: "normal" },
      runtime: { device: "cpu", intra_threads: 1 },
      log: { level: "fatal" },
    },
    { onLog: () => {} },
  );
  admin = connectAdmin((await server.ready).admin, { maxAttempts: 1 });
  return admin;
}

/** The next event of a job that fits. */
async function next(
  client: AdminClient,
  jobId: string,
  fits: (update: WatchJobResponse["update"]) => boolean,
  after = 0,
) {
  for await (const { update } of client.training.watchJob({ jobId, afterSequence: after })) {
    if (update.case === "event" && fits(update)) return update.value;
  }
  throw new Error("the job ended before");
}

const ofKind = (kind: string) => (update: WatchJobResponse["update"]) =>
  update.case === "event" && update.value.kind === kind;

describe.skipIf(skip)("a server that is told to end on a full disk", { timeout: 180_000 }, () => {
  it.each([
    ["while a job takes steps", false],
    ["while a job waits for room", true],
  ])("ends in time %s, and the job goes on from its checkpoint when there is room", async (_, waits) => {
    const directory = join(small!.directory, waits ? "waits" : "steps");
    const cache = join(elsewhere, waits ? "waits" : "steps");
    const first = await start(directory, cache);
    const recipe = {
      train_step: "1000000",
      learning_rate: "0.001",
      train_batch_size: "16",
      max_seq_length: "16",
      save_checkpoints_steps: "50",
    };
    const spec = {
      kind: JobKind.FINE_TUNE,
      model: "tiny",
      task: "classification",
      train: { path: "train.jsonl" },
      recipe,
    };
    const { job } = await first.training.createJob({ requestId: "r", spec });
    const id = job!.id;
    await next(first, id, ofKind("checkpoint_written"));
    const makeRoom = small!.fill();
    if (waits) {
      // The state cannot be written down either: it is told when there is room, and the steps stop at once.
      await wait(2000);
    }
    const before = performance.now();
    process.kill(server!.pid, "SIGTERM");
    const [code] = (await server!.ended) as [unknown];
    expect(performance.now() - before).toBeLessThan(DELAY_MS + DRAIN_MS + MARGIN_MS);
    expect(code).toBe(0);
    makeRoom();
    const log = join(directory, "jobs", id, "events.log");
    const { events } = readLog(readFileSync(log));
    const saved = Math.max(
      ...events.filter(({ kind }) => kind === "checkpoint_written").map(({ detail }) => Number(detail?.["step"])),
    );
    expect(saved).toBeGreaterThan(0);
    const second = await start(directory, cache);
    const resumed = await next(second, id, ofKind("resumed"), events.length);
    expect(Number(JSON.parse(resumed.detailJson).step)).toBeGreaterThanOrEqual(saved);
    await next(second, id, ofKind("step_metrics"), resumed.sequence);
    expect((await second.training.getJob({ jobId: id })).job!.state).toBe(JobState.RUNNING);
    expect(readdirSync(join(directory, "jobs")).filter((name) => name.endsWith(".damaged"))).toEqual([]);
  });
});
