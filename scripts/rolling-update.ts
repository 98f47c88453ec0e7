import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { type AdminClient, connectAdmin } from "../src/client/admin-client.ts";
import { ClassifyRequestSchema, ClassifyResponseSchema } from "../src/gen/albert/v1/inference_pb.js";
import { type ServingModel, TrafficMode } from "../src/gen/albert/v1/models_pb.js";
import { type Job, JobKind, JobState } from "../src/gen/albert/v1/training_pb.js";
import { openStore } from "../src/store/open-store.ts";
import { ALL_HEADS, writeTinyModel } from "../test/support/models/tiny-model-directory.ts";
import { moodRows } from "../test/support/mood-rows.ts";

// Replaces two replicas of one version of the program by another version, one after the other and back again, on one store and under load. No request may
// fail, and each version must go on with what the other wrote: promotions, a challenger's traffic, jobs of a shared queue and their logs.
//
//   node --import tsx scripts/rolling-update.ts OLD [NEW] [--seconds 4]      OLD and NEW: a commit, or the directory of a built checkout; NEW: this one

const ROOT = join(import.meta.dirname, "..");
const MODEL = "reviews";
const CALLERS = 8;
/** Between two calls of one of them, so that there is processor time left for what else goes on. */
const PAUSE_MS = 50;

interface Replica {
  readonly number: number;
  version: "old" | "new";
  process: ReturnType<typeof spawn>;
  admin: AdminClient;
  readonly publicPort: number;
  readonly adminPort: number;
}

/** Calls are spread over all replicas; one that was refused before it began is tried again elsewhere. */
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: "albert.v1.InferenceService" }],
      retryPolicy: {
        ...{ maxAttempts: 4, initialBackoff: "0.05s", maxBackoff: "2s", backoffMultiplier: 2 },
        retryableStatusCodes: ["RESOURCE_EXHAUSTED", "UNAVAILABLE"],
      },
    },
  ],
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "4" } },
});
const [oldArgument, newArgument = ROOT] = positionals;
if (oldArgument === undefined) {
  console.error("rolling-update: expected OLD [NEW], each a commit or the directory of a built checkout");
  process.exit(2);
}
const base = mkdtempSync(join(tmpdir(), "albert-rolling-"));
const worktrees: string[] = [];
const replicas: Replica[] = [];
const load = { calls: 0, failures: [] as string[], versions: new Map<string, number>(), ended: false };
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    for (const replica of replicas) replica.process.kill("SIGKILL");
    process.exit(1);
  });
}
try {
  const programs = { old: checkoutOf(oldArgument, "old"), new: checkoutOf(newArgument, "new") };
  await roll(programs);
} finally {
  load.ended = true;
  for (const replica of replicas) replica.process.kill("SIGKILL");
  for (const worktree of worktrees) execFileSync("git", ["worktree", "remove", "--force", worktree], { cwd: ROOT });
  rmSync(base, { recursive: true, force: true });
}

/** The directory of a checkout, made and built where a commit is named. */
function checkoutOf(argument: string, name: string): string {
  if (existsSync(join(argument, "dist/cli/main.js"))) return resolve(argument);
  const directory = join(base, name);
  execFileSync("git", ["worktree", "add", "--quiet", "--detach", directory, argument], { cwd: ROOT });
  worktrees.push(directory);
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: directory, stdio: "inherit" });
  return directory;
}

async function roll(programs: Readonly<Record<Replica["version"], string>>): Promise<void> {
  mkdirSync(join(base, "data"));
  writeFileSync(join(base, "data/train.jsonl"), moodRows(200));
  writeFileSync(join(base, "data/dev.jsonl"), moodRows(80, 200));
  const store = await openStore(join(base, "store"));
  await store.versions.publish(MODEL, await writeTinyModel(ALL_HEADS.slice(0, 1)));
  await store.aliases.point(MODEL, 1, { reason: "the first" });
  await store.close();
  for (const number of [1, 2]) {
    const ports = { publicPort: 20_000 + 2 * number + (process.pid % 1000) * 8, adminPort: 0 };
    const replica = { number, version: "old", ...ports, adminPort: ports.publicPort + 1 } as Replica;
    replicas.push(replica);
    await begin(replica, "old", programs);
  }
  const [first, second] = replicas as [Replica, Replica];
  const channel = new Client(
    `ipv4:${replicas.map((r) => `127.0.0.1:${r.publicPort}`).join(",")}`,
    credentials.createInsecure(),
    {
      "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
    },
  );
  const callers = Array.from({ length: CALLERS }, (_, caller) => call(channel, caller));

  await phase("both old", async () => {
    await train(first, second, 1);
    await promote(second, 2);
  });
  await begin(first, "new", programs);
  await phase("one new", async () => {
    await train(first, second, 2); // asked of the new one
    await train(second, first, 3); // and of the old one
    await promote(second, 3); // by the old one, while a challenger gets its share
    await challenge(first, second, 4);
    await promote(first, 4);
    await sameHistory();
  });
  await begin(second, "new", programs);
  await phase("both new", async () => {
    await train(second, first, 4);
    await promote(first, 5);
    await sameHistory();
  });
  await begin(first, "old", programs);
  await phase("one back to the old", async () => {
    await train(first, second, 5);
    await challenge(second, first, 6);
    await promote(first, 6);
    await sameHistory();
  });
  load.ended = true;
  await Promise.all(callers);
  channel.close();
  for (const replica of replicas) await end(replica);
  const served = [...load.versions].sort().map(([version, count]) => `${version}: ${count}`);
  console.log(`${load.calls} calls, ${load.failures.length} failed; answered by version ${served.join(", ")}`);
  for (const failure of load.failures.slice(0, 10)) console.error(failure);
  require(load.failures.length === 0, "no call fails");
  require(load.versions.size >= 6, "each promoted version answered");
}

/** Ends what a replica runs, in order, and starts a version of the program in its place, on the same addresses. */
async function begin(
  replica: Replica,
  version: Replica["version"],
  programs: Readonly<Record<Replica["version"], string>>,
): Promise<void> {
  if (replica.process !== undefined) await end(replica);
  const directory = join(base, `replica-${replica.number}`);
  mkdirSync(directory, { recursive: true });
  const settings: Readonly<Record<string, string>> = {
    ALBERT_SERVER_PUBLIC_ADDRESS: `127.0.0.1:${replica.publicPort}`,
    ALBERT_SERVER_ADMIN_ADDRESS: `127.0.0.1:${replica.adminPort}`,
    ALBERT_SERVER_METRICS_ADDRESS: "",
    ALBERT_SERVER_CONSOLE_ADDRESS: "",
    ALBERT_SERVER_DRAIN_DELAY_MS: "500",
    ALBERT_STORE_DIRECTORY: join(base, "store"),
    ALBERT_STORE_CACHE_DIRECTORY: join(directory, "cache"),
    ALBERT_STORE_POLL_MS: "200",
    ALBERT_TRAINING_DIRECTORY: directory,
    ALBERT_TRAINING_DATASET_ROOTS: join(base, "data"),
    ALBERT_TRAINING_THREADS: "1",
    ALBERT_JOBS_QUEUE: "shared",
    ALBERT_RUNTIME_DEVICE: "cpu",
    ALBERT_RUNTIME_INTRA_THREADS: "1",
    ALBERT_LOG_LEVEL: "warn",
  };
  const child = spawn(process.execPath, [join(programs[version], "dist/cli/main.js"), "serve"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...settings },
  });
  Object.assign(replica, { version, process: child });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes("gRPC") && line.includes("Training")) break;
  }
  require(child.exitCode === null, `replica ${replica.number} starts`);
  child.stdout.resume();
  Object.assign(replica, { admin: connectAdmin(`127.0.0.1:${replica.adminPort}`) });
}

async function end({ process: child, admin, number, version }: Replica): Promise<void> {
  admin.close();
  const ended = child.exitCode === null ? once(child, "exit") : undefined;
  child.kill("SIGTERM");
  await ended;
  require(child.exitCode === 0, `replica ${number}, ${version}, ends with status 0 and not ${child.exitCode}`);
}

async function phase(name: string, work: () => Promise<void>): Promise<void> {
  const { calls, failures } = load;
  const before = failures.length;
  const beganMs = performance.now();
  await work();
  await wait(1000 * Number(values.seconds));
  const seconds = Math.round((performance.now() - beganMs) / 1000);
  console.log(`${name}: ${load.calls - calls} calls in ${seconds} s, ${failures.length - before} failed`);
}

/** Asks again and again, whichever replica the channel chooses. */
async function call(channel: Client, caller: number): Promise<void> {
  for (let i = 0; !load.ended; i++) {
    load.calls++;
    await new Promise<void>((done) => {
      const deadline = Date.now() + 10_000;
      channel.makeUnaryRequest(
        "/albert.v1.InferenceService/Classify",
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => fromBinary(ClassifyResponseSchema, bytes),
        toBinary(
          ClassifyRequestSchema,
          create(ClassifyRequestSchema, { options: { model: MODEL }, text: `good day ${caller} ${i}` }),
        ),
        new Metadata(),
        { deadline },
        (error, reply) => {
          if (error !== null) load.failures.push(`${new Date().toISOString()} ${error.code} ${error.details}`);
          const version = reply?.meta?.version ?? "";
          if (reply !== undefined) load.versions.set(version, (load.versions.get(version) ?? 0) + 1);
          done();
        },
      );
    });
    await wait(PAUSE_MS);
  }
}

/** Lets a job be created on one replica and done by any; both must then tell the same log of it. */
async function train(asked: Replica, other: Replica, seed: number): Promise<void> {
  const { job } = await asked.admin.training.createJob({
    requestId: `roll-${seed}`,
    spec: {
      ...{ kind: JobKind.FINE_TUNE, model: MODEL, task: "classification", init: `${MODEL}@1`, seed: BigInt(seed) },
      ...{ train: { path: "train.jsonl" }, eval: { path: "dev.jsonl" } },
      recipe: { train_step: "10", learning_rate: "0.01", train_batch_size: "16", max_seq_length: "16" },
    },
  });
  const jobId = job!.id;
  const done = await until(async () => {
    const { job: now } = await other.admin.training.getJob({ jobId });
    return now!.terminal ? now! : undefined;
  }, `job ${seed} ends`);
  require(done.state === JobState.SUCCEEDED, `job ${seed} succeeds, and does not end in state ${done.state}`);
  const logs = await Promise.all(replicas.map(({ admin }) => logOf(admin, jobId)));
  require(JSON.stringify(logs[0]) === JSON.stringify(logs[1]), `both tell one log of job ${seed}`);
  require(logs[0]!.every((sequence, i) => sequence === i + 1), `the log of job ${seed} has no gap`);
  for (const { admin } of replicas) {
    const { jobs } = await admin.training.listJobs({});
    require(jobs.length === seed && jobs.every((one: Job) => one.terminal), `both list ${seed} jobs that have ended`);
  }
}

async function logOf(admin: AdminClient, jobId: string): Promise<number[]> {
  const { events } = await admin.training.listJobEvents({ jobId, pageSize: 1000 });
  return events.map(({ sequence }) => Number(sequence));
}

/** Promotes by one replica; both must serve the version. */
async function promote({ admin, version: by }: Replica, version: number): Promise<void> {
  const { aliases } = await admin.models.listVersions({ model: MODEL });
  const expectedGeneration = aliases.find(({ name }) => name === "champion")!.generation;
  const promotion = { model: MODEL, version, expectedGeneration, overrideGate: true, reason: `by the ${by} program` };
  await admin.models.promote(promotion);
  await until(async () => {
    const states = await Promise.all(replicas.map((replica) => servingOf(replica)));
    return states.every(({ aliases: now }) => now.find(({ name }) => name === "champion")?.version === version)
      ? true
      : undefined;
  }, `both serve version ${version}`);
}

/** What a replica serves now: the first that it tells a watcher. */
async function servingOf({ admin }: Replica): Promise<ServingModel> {
  for await (const { update } of admin.models.watchServing({})) {
    if (update.case === "model" && update.value.model === MODEL) return update.value;
  }
  throw new Error("a replica ended its account of what it serves");
}

/** Gives a challenger its share by one replica; the other must give it too, and take it away when the first does. */
async function challenge(by: Replica, other: Replica, version: number): Promise<void> {
  const share = { model: MODEL, challengerVersion: version, mode: TrafficMode.CANARY, percent: 30 };
  await by.admin.models.setTraffic({ ...share, reason: "rolling" });
  const seen = (wanted: number) =>
    until(
      async () => ((await servingOf(other)).challengerVersion === wanted ? true : undefined),
      `challenger ${wanted}`,
    );
  await seen(version);
  await by.admin.models.setTraffic({
    ...share,
    percent: 0,
    mode: TrafficMode.OFF,
    challengerVersion: 0,
    reason: "over",
  });
  await seen(0);
}

async function sameHistory(): Promise<void> {
  const told = await Promise.all(
    replicas.map(async ({ admin }) => {
      const { history } = await admin.models.getVersion({ model: MODEL, version: "champion" });
      return JSON.stringify(history, (_, value) => (typeof value === "bigint" ? String(value) : value));
    }),
  );
  require(told[0] === told[1], "both tell one history");
}

async function until<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
  for (const end = performance.now() + 120_000; ; ) {
    const found = await ask();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await wait(50);
  }
}

function require(holds: boolean, what: string): void {
  if (!holds) throw new Error(`does not hold: ${what}`);
}
