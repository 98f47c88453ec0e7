import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import type { CallError } from "../../src/client/call-error.ts";
import { uploadDataset } from "../../src/client/upload-dataset.ts";
import { TrafficMode } from "../../src/gen/albert/v1/models_pb.js";
import { JobKind, JobState } from "../../src/gen/albert/v1/training_pb.js";
import { ADMIN_ERROR_ROWS } from "../../src/server/errors/admin-error-table.ts";
import { errorRow, STATUS_OF_CODE } from "../../src/server/errors/error-table.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

const MODEL = "reviews";
const ROWS = '{"text": "good day", "label": "positive"}\n{"text": "bad day", "label": "negative"}\n';
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const base = mkdtempSync(join(tmpdir(), "albert-admin-errors-"));
const store = join(base, "store");
let server: RunningServer;
let admin: AdminClient;
/** Digest of an uploaded dataset. */
let dataset: string;
/** The second version of the model. */
let second: { readonly version: number; readonly digest: string };

beforeAll(async () => {
  mkdirSync(join(base, "roots/folder"), { recursive: true });
  writeFileSync(join(base, "roots/rows.jsonl"), ROWS);
  writeFileSync(join(base, "roots/changing.jsonl"), `${ROWS}\n`);
  writeFileSync(join(base, "secret.jsonl"), ROWS);
  symlinkSync(join(base, "secret.jsonl"), join(base, "roots/link.jsonl"));
  symlinkSync(base, join(base, "roots/out"));
  server = await runServer({
    models: [{ name: MODEL, directory: await writeTinyModel() }],
    config: {
      store: { directory: store, pollMs: 60_000, checkpointRoots: [join(base, "roots"), await modelRoot()] },
      training: { datasetRoots: [join(base, "roots")], maxDatasetBytes: 1000 },
    },
  });
  admin = connectAdmin(server.app.addresses.admin!, { maxAttempts: 1 });
  dataset = (await uploadDataset(admin, join(base, "secret.jsonl"))).digest;
  const { version } = await admin.models.importCheckpoint({ model: MODEL, path: "model" });
  second = version!;
}, 60_000);
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(async () => {
  admin?.close();
  await server?.close();
  rmSync(base, { recursive: true, force: true });
});

/** A directory that holds one more model, to be imported. */
async function modelRoot(): Promise<string> {
  return join(await writeTinyModel(ALL_HEADS.slice(0, 1), 2), "..");
}

const job = (fields: object = {}) => ({
  kind: JobKind.FINE_TUNE,
  model: "absent",
  task: "classification",
  train: { dataset },
  ...fields,
});
let requests = 0;
const create = (fields: object) => admin.training.createJob({ requestId: `request-${requests++}`, spec: job(fields) });

/** Calls that take a path, and what they call it. */
const PATHS: readonly (readonly [call: string, field: string, (path: string) => Promise<unknown>])[] = [
  ["RegisterDataset", "path", (path) => admin.datasets.registerDataset({ path, name: "data.jsonl" })],
  [
    "ValidateDataset",
    "source.path",
    (path) => admin.datasets.validateDataset({ source: { path }, task: "classification" }),
  ],
  ["CreateJob's training data", "spec.train.path", (path) => create({ train: { path } })],
  ["CreateJob's evaluation data", "spec.eval.path", (path) => create({ eval: { path } })],
  [
    "CreateJob's vocabulary",
    "spec.recipe.vocabulary",
    (path) => create({ recipe: { random_init: "2x128", vocabulary: path } }),
  ],
  ["PlanJob", "spec.train.path", (path) => admin.training.planJob({ spec: job({ train: { path } }) })],
  ["ImportCheckpoint", "path", (path) => admin.models.importCheckpoint({ model: "other", path })],
  [
    "ValidateVersion",
    "path",
    (path) => admin.models.validateVersion({ model: MODEL, version: 1, task: "classification", path }),
  ],
];

async function failure(call: Promise<unknown>): Promise<CallError> {
  return call.then(
    () => {
      throw new Error("the call succeeded");
    },
    (error: CallError) => error,
  );
}

/** Holds that a call fails as the table says, and nothing of the server's paths shows. */
async function expectRow(reason: string, call: Promise<unknown>, fields: readonly string[] = []): Promise<CallError> {
  const error = await failure(call);
  const row = errorRow(reason);
  expect(row, reason).toBeDefined();
  expect({ reason: error.reason, status: error.status }, error.message).toEqual({
    reason,
    status: STATUS_OF_CODE[row!.code],
  });
  expect(error.violations.map(({ field }) => field)).toEqual(fields);
  expect(Object.keys(error.metadata).filter((key) => !row!.metadata?.includes(key))).toEqual([]);
  expect(JSON.stringify([error.message, error.metadata, error.violations])).not.toContain(base);
  return error;
}

describe("a path in an administrator's call", () => {
  for (const [call, field, send] of PATHS) {
    it(`of ${call} cannot lead out of the configured directories`, async () => {
      for (const path of [
        "../secret.jsonl",
        "folder/../../secret.jsonl",
        "/etc/passwd",
        "folder\\..\\x",
        "a\0b",
        "./x",
      ]) {
        await expectRow("FIELD_INVALID", send(path), [field]);
      }
      await expectRow("PATH_IS_LINK", send("link.jsonl"));
      await expectRow("PATH_IS_LINK", send("out/secret.jsonl"));
      await expectRow("PATH_NOT_FOUND", send("absent.jsonl"));
    });
  }

  it("names nothing where no directory is configured", async () => {
    const other = await runServer({ models: [], config: { store: { directory: join(base, "rootless") } } });
    const client = connectAdmin(other.app.addresses.admin!, { maxAttempts: 1 });
    await expectRow("NO_ROOT", client.datasets.registerDataset({ path: "rows.jsonl", name: "rows.jsonl" }));
    client.close();
    await other.close();
  });
});

/** How each reason comes about. */
const CASES: readonly (readonly [
  reason: string,
  how: string,
  provoke: () => Promise<unknown>,
  fields?: readonly string[],
])[] = [
  [
    "FIELD_INVALID",
    "a setting that no recipe knows",
    () => create({ recipe: { learnin_rate: "1", train_step: "many" } }),
    ["spec.recipe.learnin_rate", "spec.recipe.train_step"],
  ],
  ["FIELD_INVALID", "no request id", () => admin.training.createJob({ spec: job() }), ["request_id"]],
  ["FIELD_INVALID", "a dataset that is no digest", () => create({ train: { dataset: "7" } }), ["spec.train.dataset"]],
  ["FIELD_INVALID", "two sources in one", () => create({ train: { dataset, path: "rows.jsonl" } }), ["spec.train"]],
  [
    "FIELD_INVALID",
    "a chunk beyond what was announced",
    async () => {
      const { uploadId } = await admin.datasets.beginUpload({ name: "x.jsonl", bytes: 2n, digest: sha256("beyond") });
      return admin.datasets.uploadChunk({ uploadId, offset: 0n, data: Buffer.from("beyond") });
    },
    ["data"],
  ],
  [
    "FIELD_INVALID",
    "a name that is a path",
    () => admin.datasets.beginUpload({ name: "../x", bytes: 1n, digest: sha256("x") }),
    ["name"],
  ],
  [
    "REPORT_NOT_FOUND",
    "a version that nobody measured",
    () => admin.models.getReport({ model: MODEL, version: String(second.version) }),
  ],
  [
    "MESSAGE_TOO_LARGE",
    "a chunk larger than a message may be",
    () => admin.datasets.uploadChunk({ uploadId: sha256("x"), offset: 0n, data: Buffer.alloc(5 << 20) }),
  ],
  [
    "DATASET_TOO_LARGE",
    "a file larger than accepted",
    () => admin.datasets.beginUpload({ name: "x.jsonl", bytes: 1001n, digest: sha256("large") }),
  ],
  [
    "UPLOAD_NOT_FOUND",
    "a chunk of nothing",
    () => admin.datasets.uploadChunk({ uploadId: sha256("none"), offset: 0n }),
  ],
  [
    "UPLOAD_INCOMPLETE",
    "half a file",
    async () => {
      const { uploadId } = await admin.datasets.beginUpload({ name: "x.jsonl", bytes: 9n, digest: sha256("half") });
      await admin.datasets.uploadChunk({ uploadId, offset: 0n, data: Buffer.from("half") });
      return admin.datasets.commitUpload({ uploadId });
    },
  ],
  [
    "DIGEST_MISMATCH",
    "other bytes than announced",
    async () => {
      const { uploadId } = await admin.datasets.beginUpload({ name: "x.jsonl", bytes: 5n, digest: sha256("these") });
      await admin.datasets.uploadChunk({ uploadId, offset: 0n, data: Buffer.from("those") });
      return admin.datasets.commitUpload({ uploadId });
    },
  ],
  [
    "DISK_FULL",
    "a chunk for which there is no room",
    async () => {
      const { uploadId } = await admin.datasets.beginUpload({ name: "x.jsonl", bytes: 4n, digest: sha256("full") });
      await failWrite("write");
      return admin.datasets.uploadChunk({ uploadId, offset: 0n, data: Buffer.from("full") });
    },
  ],
  [
    "DISK_FULL",
    "a job for which there is no room",
    async () => {
      await failWrite("writeFile");
      return create({});
    },
  ],
  [
    "DISK_FAILED",
    "a job that the disk does not take",
    async () => {
      await failWrite("writeFile", "EIO");
      return create({});
    },
  ],
  [
    "TOO_MANY_FILES",
    "a job while too many files are open",
    async () => {
      await failWrite("writeFile", "EMFILE");
      return create({});
    },
  ],
  ["DATASET_NOT_FOUND", "a job on nothing", () => create({ train: { dataset: sha256("nothing") } })],
  [
    "DATASET_CHANGED",
    "a registered file that was changed",
    async () => {
      const registered = await admin.datasets.registerDataset({ path: "changing.jsonl", name: "changing.jsonl" });
      writeFileSync(join(base, "roots/changing.jsonl"), `${ROWS}${ROWS}`);
      const source = { dataset: registered.dataset!.digest };
      return admin.datasets.validateDataset({ source, task: "classification" });
    },
  ],
  [
    "DATASET_REFERENCED",
    "a dataset that a job needs which is not over",
    async () => {
      const spec = job({ model: MODEL }); // has something to start from, hence is not over at once
      const { job: working } = await admin.training.createJob({ requestId: "holds", spec });
      const deleted = admin.datasets.deleteDataset({ digest: dataset });
      await deleted.catch(() => {});
      await admin.training.cancelJob({ jobId: working!.id });
      return deleted;
    },
  ],
  [
    "REQUEST_ID_REUSED",
    "a request id with another payload",
    async () => {
      await admin.training.createJob({ requestId: "twice", spec: job() });
      const { replayed } = await admin.training.createJob({ requestId: "twice", spec: job() });
      expect(replayed).toBe(true);
      return admin.training.createJob({ requestId: "twice", spec: job({ seed: 9n }) });
    },
  ],
  [
    "JOB_NOT_ENDED",
    "deleting a job that is not over",
    async () => {
      const spec = job({ model: MODEL }); // has something to start from, hence is not over at once
      const { job: working } = await admin.training.createJob({ requestId: "not-over", spec });
      const deleted = admin.training.deleteJob({ jobId: working!.id });
      await deleted.catch(() => {});
      await admin.training.cancelJob({ jobId: working!.id });
      return deleted;
    },
  ],
  ["JOB_NOT_FOUND", "a job nobody created", () => admin.training.getJob({ jobId: "none" })],
  [
    "ILLEGAL_TRANSITION",
    "cancelling what is over",
    async () => {
      const { job: created } = await create({});
      for await (const _ of admin.training.watchJob({ jobId: created!.id }));
      expect((await admin.training.getJob({ jobId: created!.id })).job!.state).toBe(JobState.REJECTED);
      return admin.training.cancelJob({ jobId: created!.id });
    },
  ],
  ["VERSION_NOT_FOUND", "a version nobody made", () => admin.models.getVersion({ model: MODEL, version: "77" })],
  ["NOTHING_TO_ROLL_BACK", "the first version", () => admin.models.rollback({ model: MODEL, expectedGeneration: 1 })],
  [
    "GATE_FAILED",
    "a version that was never judged",
    () => admin.models.promote({ model: MODEL, version: second.version, expectedGeneration: 1 }),
  ],
  [
    "GENERATION_MISMATCH",
    "a promotion that saw an older generation",
    () =>
      admin.models.promote({
        model: MODEL,
        version: second.version,
        expectedGeneration: 0,
        overrideGate: true,
        reason: "a test",
      }),
  ],
  [
    "NO_CHAMPION",
    "a challenger of a model of which nothing serves",
    async () => {
      await admin.models.importCheckpoint({ model: "fresh", path: "model" });
      return admin.models.setTraffic({ model: "fresh", challengerVersion: 1, mode: TrafficMode.SHADOW, percent: 1 });
    },
  ],
  ["VERSION_IN_USE", "unloading what serves", () => admin.models.unloadVersion({ model: MODEL, version: 1 })],
  [
    "BLOB_CORRUPT",
    "a damaged file of the store",
    async () => {
      damage((path) => {
        rmSync(path);
        writeFileSync(path, "damaged");
      });
      return load();
    },
  ],
  [
    "BLOB_MISSING",
    "a lost file of the store",
    async () => {
      await admin.models.importCheckpoint({ model: MODEL, path: "model" }); // mends it
      damage((path) => rmSync(path));
      return load();
    },
  ],
  [
    "SYMLINK_REFUSED",
    "a link inside of the store",
    async () => {
      await admin.models.importCheckpoint({ model: MODEL, path: "model" });
      damage((path) => {
        rmSync(path);
        symlinkSync("/etc/passwd", path);
      });
      return load();
    },
  ],
  [
    "RECORD_CORRUPT",
    "a record that is cut short",
    () => {
      const path = join(store, "objects/models", MODEL, "versions", "000002.json");
      rmSync(path);
      writeFileSync(path, "{");
      return admin.models.getVersion({ model: MODEL, version: "2" });
    },
  ],
];

/** Reasons that need more than one call of a server that serves and trains. */
const ELSEWHERE: readonly string[] = [
  "PATH_NOT_FOUND", // above
  "PATH_IS_LINK",
  "NO_ROOT",
  "ROLE_WITHOUT_SERVING", // test/e2e/shared-store.test.ts
  "NOT_A_SWEEP", // test/e2e/job-kinds.test.ts
  "NOTES_CHANGED", // test/jobs
  "ANSWER_NOT_FOUND", // test/cli/admin/admin-commands.test.ts
  "NOTHING_JUDGED",
  "JOBS_LOCKED", // test/jobs/lock/directory-lock.test.ts
  "VERSION_REMOVED", // test/store
  "STORE_TOO_NEW", // test/store/later-forms.test.ts
  "REPORT_EXISTS",
  "STORE_COLLECTING",
  "STORE_LEASE_EXPIRED",
  "STORE_FORBIDDEN",
  "STORE_UNAVAILABLE",
  "JOBS_UNWRITABLE", // test/e2e/full-disk.test.ts
  "DISK_READ_ONLY",
  "SHUTTING_DOWN", // a listener that drains answers before it
];

describe("every reason for which an administrator's call can fail", () => {
  it("is in the table of this test", () => {
    const tested = new Set([...CASES.map(([reason]) => reason), ...ELSEWHERE]);
    expect(ADMIN_ERROR_ROWS.map(({ reason }) => reason).filter((reason) => !tested.has(reason))).toEqual([]);
  });

  for (const [reason, how, provoke, fields] of CASES) {
    it(`${reason}: ${how}`, async () => {
      const error = await expectRow(reason, provoke(), fields);
      if (reason !== "GENERATION_MISMATCH") return;
      expect(error.metadata).toMatchObject({ expected: "0", current: "1" });
      const { versions } = server.app.serving.models.list().find(({ name }) => name === MODEL)!;
      expect(versions.map(({ version }) => version)).toEqual(["1"]); // nothing is left of the attempt
    });
  }

  it("FIELD_INVALID: a field that the contract does not have, as JSON", async () => {
    const response = await fetch(`http://${server.app.addresses.console}/albert.v1.TrainingService/CreateJob`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ requestId: "json", spec: { ...job(), kind: "JOB_KIND_FINE_TUNE", speed: 1 } }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_argument" });
  });
});

/** Lets the next write of this kind to any file fail, by default as on a full disk. */
async function failWrite(call: "write" | "writeFile", code = "ENOSPC"): Promise<void> {
  const handle = await open(join(base, "secret.jsonl"));
  const failure = Object.assign(new Error(`${code}: injected`), { code });
  vi.spyOn(Object.getPrototypeOf(handle), call).mockRejectedValueOnce(failure);
  await handle.close();
}

/** Does something to the weights of the second version, of which no opened copy is left. */
function damage(change: (path: string) => void): void {
  rmSync(join(store, "cache/models"), { recursive: true, force: true });
  const record = readFileSync(join(store, "objects/models", MODEL, "versions/000002.json"), "utf8");
  const digest: string = JSON.parse(record).files["model.safetensors"].sha256;
  change(join(store, "objects/blobs", digest.slice(0, 2), digest));
}

function load(): Promise<unknown> {
  return admin.models.loadVersion({ model: MODEL, version: 2 });
}
