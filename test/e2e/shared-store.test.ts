import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { type Job, JobKind, JobState, PromotePolicy } from "../../src/gen/albert/v1/training_pb.js";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { missing } from "../support/fixtures.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { moodRows } from "../support/mood-rows.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";
import { installedS3Server, startS3Server } from "../support/s3-server.ts";

const MODEL = "reviews";
const POLL_MS = 50;
/** Between two calls of one caller. */
const CALL_MS = 20;

/** A place that several servers share, as a setting names it. */
interface SharedPlace {
  readonly location: string;
  close(): Promise<void>;
}

async function directoryPlace(): Promise<SharedPlace> {
  const location = mkdtempSync(join(tmpdir(), "albert-shared-"));
  return { location, close: async () => rmSync(location, { recursive: true, force: true }) };
}

/** A bucket, with its credentials where the SDK looks for them. */
async function s3Place(): Promise<SharedPlace> {
  const { location, close } = await startS3Server();
  const { bucket, prefix, endpoint, credentials } = location;
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: credentials!.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials!.secretAccessKey,
  });
  return {
    location: `s3://${bucket}/${prefix}?endpoint=${encodeURIComponent(endpoint!)}`,
    async close() {
      for (const [name, value] of Object.entries({ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY })) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
      await close();
    },
  };
}

const PLACES = [
  { what: "a directory", open: directoryPlace, skip: false },
  {
    what: "S3",
    open: s3Place,
    skip: missing("an S3 server (versitygw or minio)", installedS3Server),
  },
];

for (const { what, open, skip } of PLACES) {
  describe.skipIf(skip)(`servers that share a store in ${what}`, { timeout: 300_000 }, () => {
    const base = mkdtempSync(join(tmpdir(), "albert-roles-"));
    let place: SharedPlace;
    let trainer: RunningServer;
    let replicas: readonly RunningServer[];
    let admin: AdminClient;

    beforeAll(async () => {
      mkdirSync(join(base, "data"));
      writeFileSync(join(base, "data/train.jsonl"), moodRows(200, 0));
      writeFileSync(join(base, "data/dev.jsonl"), moodRows(80, 200));
      place = await open();
      const model = await writeTinyModel(ALL_HEADS.slice(0, 1));
      const store = { directory: place.location, pollMs: POLL_MS };
      const server = (role: "training" | "inference", models: readonly { name: string; directory: string }[]) =>
        runServer({
          models,
          config: {
            server: {
              role,
              publicAddress: "127.0.0.1:0",
              adminAddress: "127.0.0.1:0",
              metricsAddress: "",
              consoleAddress: "",
              drainDelayMs: 0,
            },
            store,
            training: { directory: join(base, role), datasetRoots: [join(base, "data")], threads: 1 },
            runtime: { device: "cpu" },
          },
          openEngine: (opened) => openEngine(opened, { threads: 1, calibrationMs: 0 }),
        });
      trainer = await server("training", []);
      // Replicas start together, each with the model that comes with the program: neither may mind the other.
      const models = [{ name: MODEL, directory: model }];
      replicas = await Promise.all([server("inference", models), server("inference", models)]);
      admin = connectAdmin(trainer.app.addresses.admin!, { maxAttempts: 1 });
    }, 120_000);
    afterAll(async () => {
      admin?.close();
      await Promise.all([trainer, ...(replicas ?? [])].map((server) => server?.close()));
      await place?.close();
      rmSync(base, { recursive: true, force: true });
    });

    const ask = async ({ client }: RunningServer, model = MODEL) =>
      (await client.classify({ text: "good day 7", options: { model } })).meta!.version;

    /** Asks every replica again and again while something goes on. @returns the versions that each one answered with, in order */
    async function versionsDuring(change: () => Promise<void>): Promise<string[][]> {
      let changing = true;
      const callers = Promise.all(
        replicas.map(async (replica) => {
          const versions: string[] = [];
          for (let last = false; !last; ) {
            last = !changing; // so that every one is asked once more afterwards
            const version = await ask(replica);
            if (versions.at(-1) !== version) versions.push(version);
            await new Promise((resolve) => setTimeout(resolve, CALL_MS));
          }
          return versions;
        }),
      );
      await Promise.race([change(), callers]).finally(() => {
        changing = false;
      });
      return callers;
    }

    /** Resolves when every replica answers with the version. */
    async function follow(version: string, model = MODEL): Promise<void> {
      for (const replica of replicas) {
        while ((await ask(replica, model).catch((error) => error.reason)) !== version) {
          await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        }
      }
    }

    async function fineTune(model: string, init: string): Promise<Job> {
      const { job } = await admin.training.createJob({
        requestId: model,
        spec: {
          kind: JobKind.FINE_TUNE,
          model,
          init,
          task: "classification",
          train: { path: "train.jsonl" },
          eval: { path: "dev.jsonl" },
          recipe: {
            train_step: "60",
            learning_rate: "0.01",
            train_batch_size: "16",
            max_seq_length: "16",
          },
          seed: 7n,
          promote: PromotePolicy.AUTO_IF_BETTER,
        },
      });
      for await (const _ of admin.training.watchJob({ jobId: job!.id }));
      return (await admin.training.getJob({ jobId: job!.id })).job!;
    }

    it("serve on the replicas what the trainer promotes, without a failed call, also where it fails to load at first", async () => {
      replicas[0]!.loading.push(() => Promise.reject(new Error("no device just now")));
      const seen = await versionsDuring(async () => {
        const job = await fineTune(MODEL, "");
        expect(job.state).toBe(JobState.SUCCEEDED);
        expect(job.modelVersion).toBe(`${MODEL}@2`);
        await follow("2");
      });
      expect(seen).toEqual(replicas.map(() => ["1", "2"]));
    });

    it("go back on the replicas when the trainer is told to roll back", async () => {
      const seen = await versionsDuring(async () => {
        const back = await admin.models.rollback({ model: MODEL, expectedGeneration: 2, reason: "a test" });
        expect(back.alias).toMatchObject({ version: 1, generation: 3 });
        expect(back.report).toBeUndefined();
        await follow("1");
      });
      expect(seen).toEqual(replicas.map(() => ["2", "1"]));
    });

    it("serve a model that did not exist when the replicas started", async () => {
      const job = await fineTune("fresh", `${MODEL}@1`);
      expect(job.modelVersion).toBe("fresh@1");
      await follow("1", "fresh");
    });

    it("have each its own services: the trainer serves nothing, the replicas train nothing", async () => {
      const load = admin.models.loadVersion({ model: MODEL, version: 1 });
      await expect(load).rejects.toMatchObject({ status: "FAILED_PRECONDITION", reason: "ROLE_WITHOUT_SERVING" });
      const replica = connectAdmin(replicas[0]!.app.addresses.admin!, { maxAttempts: 1 });
      await expect(replica.training.listJobs({})).rejects.toMatchObject({ status: "UNIMPLEMENTED" });
      const { aliases } = await replica.models.listVersions({ model: MODEL });
      expect(aliases).toContainEqual(expect.objectContaining({ name: "champion", version: 1 }));
      replica.close();
    });
  });
}
