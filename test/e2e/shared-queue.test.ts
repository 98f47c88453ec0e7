import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { type Job, JobKind, JobState, type JobEvent as WireEvent } from "../../src/gen/albert/v1/training_pb.js";
import { RandomStream } from "../../src/model/random.ts";
import { openStore } from "../../src/store/open-store.ts";
import { FakeS3 } from "../support/fake-s3.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { moodRows } from "../support/mood-rows.ts";
import { installedS3Server, type S3Server, startS3Server } from "../support/s3-server.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { expectSound } from "../support/sound.ts";

/** Owners that are killed or suspended, on each kind of store. */
const DISTURBANCES = Number(process.env["QUEUE_DISTURBANCES"] ?? 1);
const SERVERS = 3;
const MODEL = "reviews";
const LEASE_MS = 1500;

const SPEC = {
  kind: JobKind.FINE_TUNE,
  model: MODEL,
  task: "classification",
  init: `${MODEL}@1`,
  train: { path: "train.jsonl" },
  eval: { path: "dev.jsonl" },
  recipe: {
    train_step: "60",
    learning_rate: "0.01",
    train_batch_size: "16",
    max_seq_length: "16",
    save_checkpoints_steps: "5",
  },
  seed: 7n,
};

/** What has happened to a job when its owner is disturbed. */
const INSTANTS = ["files_kept", "published", "claimed", "checkpoint_written", "gate_result", "result_ready"] as const;

/** One of the servers, with its own directory; it comes back under the same name after it was killed. */
interface Replica {
  readonly directory: string;
  process: ServerProcess;
  admin: AdminClient;
}

describe("three servers on one store, whose owners of jobs are killed or suspended beyond their lease", () => {
  let base: string;
  let s3: FakeS3 | S3Server | undefined;
  const replicas: Replica[] = [];
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "albert-shared-queue-"));
    mkdirSync(join(base, "data"));
    writeFileSync(join(base, "data/train.jsonl"), moodRows(200, 0));
    writeFileSync(join(base, "data/dev.jsonl"), moodRows(80, 200));
  });
  afterEach(async () => {
    for (const { process: server, admin } of replicas.splice(0)) {
      admin.close();
      resume(server.pid);
      await server.kill();
    }
    await s3?.close();
    s3 = undefined;
    rmSync(base, { recursive: true, force: true });
  });

  const start = async (location: string, directory: string) => {
    const server = startServerProcess({
      server: { role: "training", public_address: "" },
      store: { directory: location, poll_ms: 200, cache_directory: join(directory, "cache") },
      training: { directory, dataset_roots: join(base, "data"), threads: 1, priority: "normal" },
      jobs: { queue: "shared", lease_ms: LEASE_MS },
      runtime: { device: "cpu", intra_threads: 1 },
    });
    const admin = connectAdmin((await server.ready).admin, { maxAttempts: 1 });
    return { process: server, admin };
  };
  const open = async (location: string, i: number) => {
    const directory = join(base, `replica-${i}`);
    mkdirSync(directory);
    replicas.push({ directory, ...(await start(location, directory)) });
  };
  const nameOf = ({ directory }: Replica) => readFileSync(join(directory, "jobs.holder"), "utf8").trim();

  async function eventsOf(admin: AdminClient, jobId: string): Promise<WireEvent[]> {
    const found: WireEvent[] = [];
    for (let pageToken = ""; ; ) {
      const page = await admin.training.listJobEvents({ jobId, pageSize: 7, pageToken });
      found.push(...page.events);
      pageToken = page.nextPageToken;
      if (pageToken === "") return found;
    }
  }

  /** Asks again and again until something is so. */
  async function until<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
    for (const end = performance.now() + 120_000; ; ) {
      const found = await ask();
      if (found !== undefined) return found;
      if (performance.now() > end) throw new Error(`never happened: ${what}`);
      await wait(50);
    }
  }

  async function checkDisturbed(location: string): Promise<string> {
    const model = await writeTinyModel(ALL_HEADS.slice(0, 1));
    const store = await openStore(location, { cacheDirectory: join(base, "cache") });
    await store.versions.publish(MODEL, model);
    await store.aliases.point(MODEL, 1, { reason: "the first" });
    await Promise.all(Array.from({ length: SERVERS }, (_, i) => open(location, i)));
    const random = new RandomStream([Date.now() >>> 0, process.pid]);
    const told: string[] = [];
    for (let round = 0, done = 0; done < DISTURBANCES; round++) {
      const asked = replicas[round % SERVERS]!;
      const requestId = `round-${round}`;
      const { job } = await asked.admin.training.createJob({ requestId, spec: SPEC });
      const jobId = job!.id;
      const get = async (): Promise<Job> => (await asked.admin.training.getJob({ jobId })).job!;
      // The first one is left in peace: what it comes to all others have to.
      if (round > 0) {
        const instant = INSTANTS[random.below(INSTANTS.length)]!;
        const seen = await until(async () => {
          const events = await eventsOf(asked.admin, jobId);
          return events.some(({ kind }) => kind === instant) || (await get()).terminal ? events : undefined;
        }, instant);
        await wait(random.below(150));
        const { owner, terminal } = await get();
        const victim = replicas.find((replica) => nameOf(replica) === owner?.server);
        if (victim !== undefined && !terminal) {
          const kills = random.below(2) === 0;
          const watching = replicas.find((replica) => replica !== victim)!;
          const { generation } = owner!;
          if (kills) await victim.process.kill();
          else process.kill(victim.process.pid, "SIGSTOP");
          const after = await until(async () => {
            const { job: now } = await watching.admin.training.getJob({ jobId });
            return now!.terminal || (now!.owner?.generation ?? 0) > generation ? now : undefined;
          }, "another takes over");
          if (kills) {
            victim.admin.close();
            Object.assign(victim, await start(location, victim.directory));
          } else process.kill(victim.process.pid, "SIGCONT");
          told.push(`${kills ? "SIGKILL" : "SIGSTOP"} after ${instant} (event ${seen.length})`);
          done++;
          if (DISTURBANCES > 1)
            console.info(`${done}: ${told.at(-1)}, then generation ${after.owner?.generation ?? "none, it ended"}`);
          expect(after).toBeDefined();
        }
      }
      const by = replicas[(round + 1) % SERVERS]!.admin;
      const end = await until(async () => {
        const { job: now } = await by.training.getJob({ jobId });
        return now!.terminal ? now : undefined;
      }, "the end");
      const events = await eventsOf(by, jobId);
      const trail = `${told.at(-1)}\n${events.map(({ sequence, summary }) => `${sequence} ${summary}`).join("\n")}`;
      expect(end.state, trail).toBe(JobState.SUCCEEDED);
      expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
      expect(await eventsOf(replicas[(round + 2) % SERVERS]!.admin, jobId)).toEqual(events);
      for (const once of ["published", "gate_result", "result_ready"]) {
        expect(events.filter(({ kind }) => kind === once).length, `${once} of ${trail}`).toBe(1);
      }
      expect(events.filter(({ transition }) => transition?.to === JobState.SUCCEEDED).length, trail).toBe(1);
      const claims = events.filter(({ kind }) => kind === "claimed").map(({ detailJson }) => JSON.parse(detailJson));
      expect(claims.map(({ generation }) => generation)).toEqual(claims.map((_, i) => i + 1));
      // The same bytes are the same version: what each of them came to is what the first one, left in peace, came to.
      expect(end.modelVersion, trail).toBe(`${MODEL}@2`);
      expect(
        (await store.versions.list(MODEL)).map(({ version }) => version),
        trail,
      ).toEqual([1, 2]);
      const repeated = await by.training.createJob({ requestId, spec: SPEC });
      expect([repeated.replayed, repeated.job!.id]).toEqual([true, jobId]);
    }
    const [first, second] = replicas.map(({ admin }) => admin.training);
    const { jobs } = await first!.listJobs({ pageSize: 2 });
    await first!.deleteJob({ jobId: jobs[0]!.id });
    await until(
      async () => ((await second!.listJobs({})).jobs.some(({ id }) => id === jobs[0]!.id) ? undefined : true),
      "a deleted job is gone for all",
    );
    await expectSound(store, MODEL);
    await store.close();
    expect(await Promise.all(replicas.map(({ process: server }) => server.stop()))).toEqual(replicas.map(() => 0));
    return told.join("; ");
  }

  it(`end every job once, byte for byte the same, in a directory (${DISTURBANCES} times)`, {
    timeout: 240_000 + 40_000 * DISTURBANCES,
  }, async () => {
    console.info(`in a directory: ${await checkDisturbed(join(base, "store"))}`);
  });

  it(`end every job once, byte for byte the same, on S3 (${DISTURBANCES} times)`, {
    timeout: 240_000 + 40_000 * DISTURBANCES,
  }, async () => {
    const { name, location } = await openS3();
    console.info(`on S3, ${name}: ${await checkDisturbed(location)}`);
  });

  /** A real S3 server where one is installed. */
  async function openS3(): Promise<{ readonly name: string; readonly location: string }> {
    if (installedS3Server === undefined) {
      const fake = new FakeS3();
      s3 = fake;
      const { endpoint, bucket } = await fake.start();
      Object.assign(process.env, { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "s" });
      return { name: "of the tests", location: `s3://${bucket}/queue?endpoint=${endpoint}` };
    }
    const real = await startS3Server();
    s3 = real;
    const { endpoint, bucket, credentials } = real.location;
    const { accessKeyId, secretAccessKey } = credentials!;
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
    return { name: installedS3Server.name, location: `s3://${bucket}/queue?endpoint=${endpoint}` };
  }
});

/** Wakes a process that a failed test left suspended; one that has ended needs nothing. */
function resume(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
