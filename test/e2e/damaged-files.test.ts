import { randomUUID } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatAccessList } from "../../src/access/access-file.ts";
import { newToken, tokenHash } from "../../src/access/tokens.ts";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { uploadDataset } from "../../src/client/upload-dataset.ts";
import { JobKind, JobState } from "../../src/gen/albert/v1/training_pb.js";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { tinyText, tinyVocabulary } from "../support/english.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { moodRows } from "../support/mood-rows.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";
import { STORE_KINDS } from "../support/store-kinds.ts";

const MODEL = "reviews";
const base = mkdtempSync(join(tmpdir(), "albert-damaged-"));
const sound = join(base, "sound");
const { id, token } = newToken();
const REQUEST = { text: "good day 7", options: { model: MODEL } };
const UPLOAD = { name: "half.jsonl", bytes: 1000n, digest: "0".repeat(64) };
const OF_THE_STORE = /^store\/(objects|cells)\//;
let model: string;
/** Ids of the jobs: one that has ended, one that is to go on, and further ones. */
let done: string;
let half: string;
const others: string[] = [];
/** What is answered to `REQUEST`, and by which version. */
let answer: readonly unknown[];

async function start(place: string): Promise<RunningServer> {
  return runServer({
    models: [{ name: MODEL, directory: model }],
    config: {
      store: { directory: join(place, "store"), pollMs: 50, checkpointRoots: [base] },
      auth: { tokensFile: join(place, "tokens.json"), auditFile: join(place, "audit.jsonl") },
      training: { datasetRoots: [join(base, "data")], threads: 1 },
    },
    openEngine: (opened) => openEngine(opened, { threads: 1, calibrationMs: 0 }),
    client: { token },
  });
}

async function ended(admin: AdminClient, jobId: string): Promise<JobState> {
  for await (const _ of admin.training.watchJob({ jobId }));
  return (await admin.training.getJob({ jobId })).job!.state;
}

async function happened(admin: AdminClient, jobId: string, kind: string): Promise<void> {
  for await (const { update } of admin.training.watchJob({ jobId })) {
    if (update.case === "event" && update.value.kind === kind) return;
  }
  throw new Error(`the job ended without ${kind}`);
}

/** Everything that leaves a file: calls, jobs that ended, and jobs and uploads that are under way when the server ends. */
async function work(admin: AdminClient): Promise<void> {
  const train = (await uploadDataset(admin, join(base, "train.jsonl"))).digest;
  const text = (await uploadDataset(admin, join(base, "text.txt"))).digest;
  const vocabulary = (await uploadDataset(admin, join(base, "v.model"))).digest;
  const { uploadId } = await admin.datasets.beginUpload(UPLOAD);
  await admin.datasets.uploadChunk({ uploadId, offset: 0n, data: Buffer.alloc(500) });
  const create = async (spec: object) => (await admin.training.createJob({ requestId: randomUUID(), spec })).job!.id;
  const recipe = { train_batch_size: "16", max_seq_length: "16" };
  const fineTune = { kind: JobKind.FINE_TUNE, model: MODEL, task: "classification", train: { dataset: train } };
  const short = { ...recipe, learning_rate: "0.01", train_step: "40", save_checkpoints_steps: "20" };
  done = await create({ ...fineTune, recipe: short, eval: { dataset: train } });
  expect(await ended(admin, done)).toBe(JobState.SUCCEEDED);
  await admin.models.promote({
    model: MODEL,
    version: 2,
    expectedGeneration: 1,
    overrideGate: true,
    reason: "a test",
    alias: "champion",
  });
  await admin.models.validateVersion({ model: MODEL, version: 1, task: "classification", dataset: train });
  const made = await create({
    kind: JobKind.PRETRAINING_DATA,
    model: "english",
    train: { dataset: text },
    recipe: { vocabulary, max_seq_length: "32", dupe_factor: "1" },
  });
  others.push(made);
  expect(await ended(admin, made)).toBe(JobState.SUCCEEDED);
  const long = { ...recipe, train_step: "1000000", save_checkpoints_steps: "20" };
  const frozen = await create({ ...fineTune, recipe: { ...long, head_only: "true" } });
  others.push(frozen);
  await happened(admin, frozen, "checkpoint_written");
  await admin.training.pauseJob({ jobId: frozen });
  half = await create({ ...fineTune, recipe: long });
  await happened(admin, half, "checkpoint_written");
  await admin.training.pauseJob({ jobId: half });
}

/** A kind of file that a server leaves, and what a damaged byte in one costs. */
interface Kind {
  readonly kind: string;
  /** Path below the directory in which a server works; of several files the last one is damaged, or the first. */
  readonly pattern: RegExp;
  readonly first?: true;
  /** What the log or the events of the job that goes on say. */
  readonly told?: RegExp;
  /** With what a start is refused. */
  readonly refused?: RegExp;
  /** Kinds with the same number are damaged together: none of them hides another, and a start takes its time. */
  readonly together?: number;
}

/** Every kind outside of the store itself, whose own are in `STORE_KINDS`. Whoever adds one says here how its damage is met. */
const KINDS: readonly Kind[] = [
  {
    kind: "file of callers",
    pattern: /^tokens\.json$/,
    refused: /tokens\.json cannot be used: auth\.tokens_file: is not JSON at line \d+, column \d+/,
  },
  { kind: "audit log", pattern: /^audit\.jsonl$/, together: 1 },
  { kind: "cached data set", pattern: /^store\/cache\/datasets\/\w+\/train\.jsonl$/, together: 1 },
  { kind: "other cached data set", pattern: /^store\/cache\/datasets\/\w+\/[^/]+$/, together: 2 },
  { kind: "manifest of a cached version", pattern: /^store\/cache\/models\/\w+\/manifest\.json$/, together: 1 },
  { kind: "cached weights", pattern: /^store\/cache\/models\/\w+\/[^/]+\.safetensors$/, together: 2 },
  { kind: "other file of a cached version", pattern: /^store\/cache\/models\/\w+\/[^/]+$/, together: 3 },
  { kind: "index of features", pattern: /^store\/features\/\w+\/index\.bin$/, together: 1 },
  { kind: "features", pattern: /^store\/features\/\w+\/records\.bin$/, together: 2 },
  { kind: "manifest of features", pattern: /^store\/features\/\w+\/manifest\.json$/, together: 3 },
  { kind: "name of a server that works on jobs", pattern: /^store\/jobs\.holder$/, together: 1 },
  { kind: "lock of the jobs", pattern: /^store\/jobs\.lock\/\d+(\.free)?$/, together: 2 },
  {
    kind: "record of a job",
    pattern: /^store\/jobs\/(DONE|HALF)\/job\.json$/,
    first: true,
    told: /DONE.*\.DONE\.damaged/,
  },
  {
    kind: "log of a job",
    pattern: /^store\/jobs\/(DONE|HALF)\/events\.log$/,
    first: true,
    told: /DONE.*\.DONE\.damaged/,
  },
  {
    kind: "weights or moments of a checkpoint",
    pattern: /^store\/jobs\/HALF\/work\/checkpoints\/step-\d+\/\w+\.safetensors$/,
    told: /checkpoint of step \d+ is damaged .*using the one before it/,
  },
  {
    kind: "manifest of a checkpoint",
    pattern: /^store\/jobs\/HALF\/work\/checkpoints\/step-\d+\/manifest\.json$/,
    told: /checkpoint of step \d+ is damaged .*using the one before it/,
  },
  { kind: "range test", pattern: /^store\/jobs\/HALF\/work\/range-test\.json$/, together: 1 },
  { kind: "log of a run", pattern: /^store\/jobs\/(DONE|HALF)\/work\/events\.jsonl$/, together: 1 },
  { kind: "curve of a run", pattern: /^store\/jobs\/(DONE|HALF)\/work\/tensorboard\/[^/]+$/, together: 2 },
  { kind: "table of results", pattern: /^store\/jobs\/(DONE|HALF)\/work\/\w+_results\.(txt|tsv)$/, together: 3 },
  { kind: "plan of an upload", pattern: /^store\/uploads\/\w+\.json$/, together: 1 },
  { kind: "bytes of an upload", pattern: /^store\/uploads\/\w+\.part$/, together: 2 },
];

/** Every file below a directory in which a server works, with what its name stands for: the jobs, and the newest value of a register. */
function filesOf(place: string): { readonly file: string; readonly name: string }[] {
  const files = readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(place.length + 1))
    .sort();
  return files.map((file) => {
    const newest =
      file.startsWith("store/cells/") && files.filter((other) => dirname(other) === dirname(file)).at(-1) === file;
    const name = newest ? join(dirname(file), "NEWEST") : file;
    return { file, name: named(name) };
  });
}

/** Names of the jobs of this run in a text. */
function named(text: string): string {
  let plain = text.replaceAll(done, "DONE").replaceAll(half, "HALF");
  for (const other of others) plain = plain.replaceAll(other, "HALF");
  return plain;
}

/** What a server does after damage of one file, and what it says. */
async function goesOn(place: string): Promise<string> {
  const server = await start(place);
  const admin = connectAdmin(server.app.addresses.admin!, { maxAttempts: 1, token });
  const told: string[] = [];
  try {
    const { labels, meta } = await server.client.classify(REQUEST);
    expect([labels, meta!.version]).toEqual(answer);
    expect((await admin.models.listVersions({})).versions).toHaveLength(2);
    expect((await admin.datasets.listDatasets({})).datasets.length).toBeGreaterThanOrEqual(3);
    const { receivedBytes } = await admin.datasets.beginUpload(UPLOAD);
    expect([0n, 500n]).toContain(receivedBytes);
    const { job } = await admin.training.resumeJob({ jobId: half });
    const { lastSequence } = job!;
    for await (const { update } of admin.training.watchJob({ jobId: half, afterSequence: lastSequence })) {
      if (update.case !== "event") continue;
      told.push(update.value.summary);
      if (update.value.kind === "step_metrics") break;
    }
    expect((await admin.training.getJob({ jobId: half })).job!.state).toBe(JobState.RUNNING);
  } finally {
    admin.close();
    await server.close();
  }
  return named([...server.log, ...told].join("\n"));
}

beforeAll(async () => {
  mkdirSync(join(base, "data"));
  mkdirSync(sound);
  writeFileSync(join(base, "train.jsonl"), moodRows(200, 0));
  writeFileSync(
    join(base, "text.txt"),
    tinyText(40, () => 6),
  );
  writeFileSync(join(base, "v.model"), tinyVocabulary());
  const scopes = ["admin", "infer", "read", "train", "data", "promote"] as const;
  const entry = { id, name: "t", sha256: tokenHash(token), scopes, models: ["*"], created: 0 };
  writeFileSync(join(sound, "tokens.json"), formatAccessList({ tokens: [entry], certificates: [] }));
  model = await writeTinyModel(ALL_HEADS.slice(0, 1));
  const server = await start(sound);
  const admin = connectAdmin(server.app.addresses.admin!, { maxAttempts: 1, token });
  try {
    await work(admin);
    const { labels, meta } = await server.client.classify(REQUEST);
    answer = [labels, meta!.version];
  } finally {
    admin.close();
    await server.close();
  }
}, 180_000);
afterAll(() => rmSync(base, { recursive: true, force: true }));

describe("one damaged byte in the directory of a server", { timeout: 120_000 }, () => {
  it("is met whatever kind of file it is in: no kind is missing here", () => {
    const names = filesOf(sound).map(({ name }) => name);
    const [own, others] = [
      names.filter((name) => !OF_THE_STORE.test(name)),
      names.filter((name) => OF_THE_STORE.test(name)),
    ];
    expect(own.filter((name) => !KINDS.some(({ pattern }) => pattern.test(name)))).toEqual([]);
    expect(KINDS.filter(({ pattern }) => !names.some((name) => pattern.test(name)))).toEqual([]);
    const patterns = Object.values(STORE_KINDS);
    const below = others.map((name) => name.slice("store/".length));
    expect(below.filter((name) => !patterns.some((pattern) => pattern.test(name)))).toEqual([]);
  });

  const alone = KINDS.filter(({ together }) => together === undefined).map((kind) => [kind]);
  const groups = [1, 2, 3].map((number) => KINDS.filter(({ together }) => together === number));
  const cases = [...alone, ...groups].map((kinds) => ({ kinds, of: kinds.map(({ kind }) => kind).join(", of a ") }));
  it.each(cases)("in a $of costs that alone, and is told", async ({ kinds }) => {
    const place = join(base, "place");
    rmSync(place, { recursive: true, force: true });
    cpSync(sound, place, { recursive: true });
    for (const { pattern, first } of kinds) {
      const files = filesOf(sound).filter(({ name }) => pattern.test(name));
      const { file } = files.at(first ? 0 : -1)!;
      const bytes = readFileSync(join(place, file));
      bytes[bytes.length >> 1]! ^= 1;
      rmSync(join(place, file)); // it may share its blocks with another
      writeFileSync(join(place, file), bytes);
    }
    const [{ told = /^/, refused }] = kinds as [Kind];
    if (refused === undefined) expect(await goesOn(place)).toMatch(told);
    else await expect(start(place)).rejects.toThrow(refused);
  });
});
