import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { create, type DescMethod, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { type AlbertClient, connectAlbert } from "../../src/client/albert-client.ts";
import { uploadDataset } from "../../src/client/upload-dataset.ts";
import { InferenceService } from "../../src/gen/albert/v1/inference_pb.js";
import { ModelService } from "../../src/gen/albert/v1/models_pb.js";
import { JobKind } from "../../src/gen/albert/v1/training_pb.js";
import { readLog } from "../../src/jobs/log/event-log.ts";
import { exportHuggingFace } from "../../src/model/checkpoint/export-checkpoint.ts";
import { openStore } from "../../src/store/open-store.ts";
import { tinyText, tinyVocabulary } from "../support/english.ts";
import { freePort } from "../support/free-port.ts";
import { tinyModel } from "../support/models/tiny-model.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { moodRows } from "../support/mood-rows.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { expectSound } from "../support/sound.ts";

/** Health says so, and calls are still let in. */
const DELAY_MS = 500;
const DRAIN_MS = 2000;
/** What a busy machine may take to notice and to end a process. */
const MARGIN_MS = 2500;
const MODEL = "tiny";

/** A server of its own with what a state needs. */
interface Rig {
  readonly server: ServerProcess;
  readonly directory: string;
  readonly addresses: Readonly<Record<"public" | "admin" | "console" | "metrics", string>>;
  readonly client: AlbertClient;
  readonly admin: AdminClient;
  /** Undone when the server has ended. */
  readonly undo: (() => void)[];
  /** Every call that was accepted, and how it ended. */
  readonly calls: { readonly name: string; readonly ended: Promise<string> }[];
}

const base = mkdtempSync(join(tmpdir(), "albert-states-"));
const rigs: Rig[] = [];

async function rig(name: string, model: string): Promise<Rig> {
  const directory = join(base, name);
  const [console, metrics] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const server = startServerProcess({
    server: {
      drain_delay_ms: DELAY_MS,
      drain_timeout_ms: DRAIN_MS,
      console_address: console,
      metrics_address: metrics,
    },
    models: { load: `${MODEL}=${model}` },
    store: { directory, checkpoint_roots: base },
    training: { dataset_roots: join(base, "data"), threads: 1, priority: "normal" },
    runtime: { device: "cpu", intra_threads: 1 },
    log: { level: "fatal" },
  });
  const { public: publicAddress, admin: adminAddress } = await server.ready;
  const made: Rig = {
    ...{ server, directory, undo: [], calls: [] },
    addresses: { public: publicAddress, admin: adminAddress, console, metrics },
    client: connectAlbert(publicAddress, { maxAttempts: 1 }),
    admin: connectAdmin(adminAddress, { maxAttempts: 1 }),
  };
  rigs.push(made);
  return made;
}

beforeAll(async () => {
  await exportHuggingFace(join(base, "checkpoint"), tinyModel());
  mkdirSync(join(base, "data"));
  writeFileSync(join(base, "data/train.jsonl"), moodRows(200, 0));
  writeFileSync(join(base, "data/much.jsonl"), moodRows(200_000, 0));
});
afterAll(async () => {
  for (const { server, client, admin, undo } of rigs) {
    for (const again of undo) again();
    client.close();
    admin.close();
    await server.kill();
  }
  rmSync(base, { recursive: true, force: true });
});

/** Notes how a call ends: "ok", or the status that its caller gets. */
function note({ calls }: Rig, name: string, call: Promise<unknown>): void {
  const ended = call.then(
    () => "ok",
    (error: { status?: string; message: string }) => error.status ?? error.message,
  );
  calls.push({ name, ended });
}

/** A call whose caller then does nothing any more; resolves when the server has begun to answer. */
function frozenCall<M extends DescMethod>(
  { undo }: Rig,
  address: string,
  method: M,
  request?: MessageInitShape<M["input"]>,
): Promise<ClientHttp2Stream> {
  const session = connectHttp2(`http://${address}`).on("error", () => {});
  undo.push(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": `/${method.parent.typeName}/${method.name}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  if (request !== undefined) {
    const message = Buffer.from(toBinary(method.input, create(method.input, request)));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([head, message]));
  }
  return new Promise((resolve, reject) => {
    stream.on("error", reject).once("response", () => {
      stream
        .removeListener("error", reject)
        .on("error", () => {})
        .pause();
      resolve(stream);
    });
  });
}

/** States in which a server may be told to end, each entered and left as it is. */
const STATES: Readonly<Record<string, (rig: Rig) => Promise<void>>> = {
  "a frozen client with an open stream": async (rig) => {
    await frozenCall(rig, rig.addresses.public, InferenceService.method.streamInfer);
  },
  "a reader that reads nothing": async (rig) => {
    const request = { text: "cat dog ".repeat(8000), options: { model: MODEL } };
    await frozenCall(rig, rig.addresses.public, InferenceService.method.tokenize, request);
  },
  "a watcher that reads nothing": async (rig) => {
    await frozenCall(rig, rig.addresses.admin, ModelService.method.watchServing, {});
  },
  "a peer that never ends its half, on every port": async ({ addresses, undo }) => {
    for (const address of Object.values(addresses)) {
      const [host, port] = address.split(":");
      const socket = connect({ port: Number(port), host: host!, allowHalfOpen: true }).on("error", () => {});
      socket.write(
        address === addresses.console || address === addresses.metrics ? "GET / HTTP/1.1\r\nHos" : "PRI * HT",
      );
      undo.push(() => socket.destroy());
    }
  },
  "a gate at work": async (rig) => {
    const { admin } = rig;
    const asked = { model: MODEL, version: 1, task: "classification", path: "much.jsonl" };
    note(rig, "ValidateVersion", admin.models.validateVersion(asked));
  },
  "calls under way": async (rig) => {
    const request = { text: "good day", options: { model: MODEL } };
    await rig.client.classify(request);
    for (let call = 0; call < 20; call++) note(rig, "Classify", rig.client.classify(request));
  },
  "an upload under way": async ({ admin }) => {
    const { uploadId } = await admin.datasets.beginUpload({ name: "half.jsonl", bytes: 1000n, digest: "0".repeat(64) });
    await admin.datasets.uploadChunk({ uploadId, offset: 0n, data: Buffer.alloc(500) });
  },
  "an import under way": async (rig) => {
    note(rig, "ImportCheckpoint", rig.admin.models.importCheckpoint({ model: "imported", path: "checkpoint" }));
  },
  "a swap under way": async (rig) => {
    const promoted = { model: MODEL, version: 1, alias: "canary", expectedGeneration: 0 };
    note(rig, "Promote", rig.admin.models.promote(promoted));
    note(rig, "LoadVersion", rig.admin.models.loadVersion({ model: MODEL, version: 1 }));
  },
  "a watcher of a job": async (rig) => {
    const [job] = (await rig.admin.training.listJobs({})).jobs;
    const watch = async () => {
      for await (const _ of rig.admin.training.watchJob({ jobId: job!.id }));
    };
    note(rig, "WatchJob", watch());
  },
  "a fine-tuning at its steps": async ({ admin }) => {
    const recipe = { train_step: "1000000", learning_rate: "0.001", train_batch_size: "16", max_seq_length: "16" };
    const spec = {
      kind: JobKind.FINE_TUNE,
      model: MODEL,
      task: "classification",
      train: { path: "train.jsonl" },
      recipe,
    };
    await stepping(admin, (await admin.training.createJob({ requestId: randomUUID(), spec })).job!.id);
  },
  "a pretraining at its steps": async ({ admin }) => {
    const upload = async (name: string, content: string | Uint8Array) => {
      writeFileSync(join(base, name), content);
      return (await uploadDataset(admin, join(base, name))).digest;
    };
    const [text, vocabulary] = [
      await upload(
        "text.txt",
        tinyText(40, () => 6),
      ),
      await upload("v.model", tinyVocabulary()),
    ];
    const run = async (kind: JobKind, dataset: string, recipe: Record<string, string>) => {
      const spec = {
        kind,
        model: "english",
        train: { dataset },
        recipe: { vocabulary, max_seq_length: "32", ...recipe },
      };
      return (await admin.training.createJob({ requestId: randomUUID(), spec })).job!.id;
    };
    const made = await run(JobKind.PRETRAINING_DATA, text, { dupe_factor: "1" });
    for await (const _ of admin.training.watchJob({ jobId: made }));
    const { job } = await admin.training.getJob({ jobId: made });
    const steps = { random_init: "2x128", num_train_steps: "1000000", num_warmup_steps: "1", train_batch_size: "8" };
    await stepping(admin, await run(JobKind.PRETRAIN, job!.dataset, steps));
  },
};

/** Waits until a job takes steps. */
async function stepping(admin: AdminClient, jobId: string): Promise<void> {
  for await (const { update } of admin.training.watchJob({ jobId })) {
    if (update.case === "event" && update.value.kind === "step_metrics") return;
  }
  throw new Error("the job ended without a step");
}

/** Enters states, in their order, and tells the server to end. */
async function endFrom(rig: Rig, states: readonly string[]) {
  for (const state of states) await STATES[state]!(rig);
  await wait(100);
  const before = performance.now();
  process.kill(rig.server.pid, "SIGTERM");
  const [code] = (await rig.server.ended) as [unknown];
  return { code, ms: performance.now() - before };
}

/** How the log of the newest job ends. */
function lastOfJob({ directory }: Rig) {
  const jobs = join(directory, "jobs");
  const names = readdirSync(jobs).filter((name) => !name.startsWith(".") && existsSync(join(jobs, name, "events.log")));
  const { events, torn } = readLog(readFileSync(join(jobs, names.sort().at(-1)!, "events.log")));
  return { torn, last: events.at(-1)!.transition };
}

/** Statuses by which a caller knows that its call was not, or may not have been, done. */
const OUTCOMES = ["ok", "UNAVAILABLE", "CANCELLED"];

describe("a server that is told to end", { timeout: 120_000 }, () => {
  it("ends cleanly though work of every kind is under way, and every call gets its outcome", async () => {
    const model = await writeTinyModel(ALL_HEADS.slice(0, 1));
    const clean = await rig("clean", model);
    const states = [
      "a fine-tuning at its steps",
      "an upload under way",
      "a watcher of a job",
      "an import under way",
      "a swap under way",
      "calls under way",
    ];
    const { code, ms } = await endFrom(clean, states);
    expect(code).toBe(0);
    expect(ms).toBeLessThan(DELAY_MS + DRAIN_MS + MARGIN_MS);
    for (const { name, ended } of clean.calls) expect([name, ...OUTCOMES]).toContain(await ended);
    expect(await Promise.all(clean.calls.filter(({ name }) => name === "Classify").map(({ ended }) => ended))).toEqual(
      new Array(20).fill("ok"),
    );
    expect(lastOfJob(clean)).toMatchObject({
      torn: false,
      last: { to: { kind: "preempted" }, reason: "SERVER_RESTART" },
    });
    const store = await openStore(clean.directory);
    await expectSound(store, MODEL);
    await store.close();
  });

  it("ends in its time though peers hold on in every way, and says that it cut something", async () => {
    const forced = await rig("forced", await writeTinyModel(ALL_HEADS.slice(0, 1)));
    const states = [
      "a pretraining at its steps",
      "a gate at work",
      "a frozen client with an open stream",
      "a reader that reads nothing",
      "a watcher that reads nothing",
      "a peer that never ends its half, on every port",
    ];
    const { code, ms } = await endFrom(forced, states);
    expect(code).toBe(1);
    expect(ms).toBeGreaterThan(DRAIN_MS / 2);
    expect(ms).toBeLessThan(DELAY_MS + DRAIN_MS + MARGIN_MS);
    for (const { name, ended } of forced.calls) expect([name, ...OUTCOMES]).toContain(await ended);
    // The job had its time beside the calls that were cut.
    expect(lastOfJob(forced)).toMatchObject({
      torn: false,
      last: { to: { kind: "preempted" }, reason: "SERVER_RESTART" },
    });
  });
});
