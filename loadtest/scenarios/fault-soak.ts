// Runs a server in a process of its own at nine tenths of what it can answer, with swaps, jobs, cancellations, bad inputs, new
// connections and faults, and prints JSON. Exits with 1 when an answer was wrong, a call was lost or hung, or memory grew by more
// than 5 % from the second third of the run to its last (medians).
//
//   node --import tsx loadtest/scenarios/fault-soak.ts [--seconds 300] [--control none|wrong|leak]
//
// Swaps come each 20 s, jobs each 10, faults each minute, and faster in a run of less than five minutes: the job's process is killed, the
// whole server is frozen for a second, listeners get garbage, a file that unpacks to 600 MB is to be validated. Two controls show
// that the check can fail: `wrong` expects the answers of the other version, `leak` holds one more model with every swap.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { type AlbertClient, connectAlbert } from "../../src/client/albert-client.ts";
import { CallError } from "../../src/client/call-error.ts";
import { JobKind, JobState, PromotePolicy } from "../../src/gen/albert/v1/training_pb.js";
import { openStore } from "../../src/store/open-store.ts";
import { ALL_HEADS, writeTinyModel } from "../../test/support/models/tiny-model-directory.ts";
import { moodRows } from "../../test/support/mood-rows.ts";
import { type ServerProcess, startServerProcess } from "../../test/support/server-process.ts";
import { PacedCallers } from "./paced-callers.ts";
import { summary } from "./steady-caller.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "300" }, control: { type: "string", default: "none" } },
});

const MODEL = "soak";
const TEXTS = Array.from({ length: 20 }, (_, i) => `a ${i % 2 === 0 ? "good day" : "bad test"} ${"day ".repeat(i)}`);
/** Callers that saturate a server without batches that wait, and the share of their time for which they call. */
const CALLERS = 8;
const LOAD = 0.9;
const DEADLINE_MS = 20_000;
/** A call that has no outcome so long after its deadline hangs. */
const GRACE_MS = 5000;
const ALLOWED_GROWTH = 0.05;
const LOOKS = 90;
/** A run that is shorter than this is over before memory has settled, and says nothing about it. */
const JUDGED_SECONDS = 300;
/** Jobs that may wait; on a busy machine they take longer than until the next one is asked for. */
const MOST_WAITING = 20;
const ENDED: readonly JobState[] = [JobState.SUCCEEDED, JobState.FAILED, JobState.REJECTED, JobState.CANCELLED];
const UNFINISHED = (Object.values(JobState) as JobState[]).filter(
  (state) => typeof state === "number" && state !== JobState.UNSPECIFIED && !ENDED.includes(state),
);
/** What a server that is asked for too much may say; every other failure of a good call is a lost one. */
const REFUSALS = ["QUEUE_FULL", "DEADLINE_UNREACHABLE", "DEADLINE_TOO_SHORT", "OVERLOADED"];

/** What happened besides the steady load. */
class Findings {
  readonly wrong: string[] = [];
  readonly lost: string[] = [];
  refused = 0;
  readonly did: Record<string, number> = {};

  count(what: string): void {
    this.did[what] = (this.did[what] ?? 0) + 1;
  }

  /** Sorts the failure of a good call. */
  failed(error: unknown): void {
    if (error instanceof CallError && REFUSALS.includes(error.reason)) this.refused++;
    else this.lost.push(String(error));
  }
}

/** Everything that goes on beside the steady load until it is told to stop. */
class Disturbance {
  readonly #stop = new AbortController();
  readonly #going: Promise<void>[] = [];
  readonly #findings: Findings;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** Does something at an interval; it must not fail. */
  every(ms: number, what: string, act: (round: number) => Promise<void>): void {
    const go = async () => {
      for (let round = 0; ; round++) {
        await wait(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
        if (this.#stop.signal.aborted) return;
        await act(round).catch((error: unknown) => this.#findings.lost.push(`${what}: ${String(error)}`));
        this.#findings.count(what);
      }
    };
    this.#going.push(go());
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#going);
  }
}

async function soak(directory: string, seconds: number): Promise<boolean> {
  await mkdir(join(directory, "data"));
  await writeFile(join(directory, "data/train.jsonl"), moodRows(200));
  await writeFile(join(directory, "data/bomb.jsonl.gz"), gzipSync(Buffer.alloc(600e6, 0x61)));
  const heads = ALL_HEADS.slice(0, 1);
  const place = join(directory, "store");
  const server = startServerProcess({
    models: { load: `${MODEL}=${await writeTinyModel(heads, 1)}` },
    store: { directory: place, poll_ms: 500 },
    training: { dataset_roots: join(directory, "data"), threads: 1 },
    jobs: { isolation: "process" },
    runtime: { device: "cpu", intra_threads: 1 },
  });
  try {
    const addresses = await server.ready;
    const admin = connectAdmin(addresses.admin, { maxAttempts: 1 });
    const client = connectAlbert(addresses.public, { maxAttempts: 1, deadlineMs: DEADLINE_MS });
    const store = await openStore(place);
    await store.versions.publish(MODEL, await writeTinyModel(heads, 2));
    const passed = await measure({ server, addresses, admin, client, heads, store }, seconds);
    admin.close();
    client.close();
    await store.close();
    return passed && (await server.stop()) === 0;
  } finally {
    await server.kill();
  }
}

interface Rig {
  readonly server: ServerProcess;
  readonly addresses: { readonly public: string; readonly admin: string };
  readonly admin: AdminClient;
  readonly client: AlbertClient;
  readonly heads: Parameters<typeof writeTinyModel>[0];
  readonly store: Awaited<ReturnType<typeof openStore>>;
}

async function measure(rig: Rig, seconds: number): Promise<boolean> {
  const { admin, client, server } = rig;
  const findings = new Findings();
  const expected = new Map<string, string[]>();
  for (const version of [1, 2]) {
    if (version === 2) await promote(rig, 2);
    const answers: string[] = [];
    for (const text of TEXTS) answers.push(scores(await client.classify({ text })));
    expected.set(String(values.control === "wrong" ? 3 - version : version), answers);
  }
  const steady = new PacedCallers(CALLERS, LOAD, async (index) => {
    const { version, answer } = await classify(client, index);
    if (expected.get(version)?.[index % TEXTS.length] !== answer) findings.wrong.push(`${version}: ${answer}`);
    return version;
  });
  const rss: number[] = [];
  const disturbance = new Disturbance(findings);
  /** So often as in five minutes, and as many times in a shorter run. */
  const part = (share: number) => (Math.min(seconds, JUDGED_SECONDS) * 1000) / share;
  disturbance.every(
    (seconds * 1000) / LOOKS,
    "looks at memory",
    async () => void rss.push(await residentBytes(server.pid)),
  );
  disturbance.every(part(15), "swaps", async (round) => {
    await promote(rig, 1 + (round % 2));
    if (values.control === "leak") await holdOneMore(rig, round);
  });
  disturbance.every(part(30), "jobs", (round) => job(admin, round % 3 === 2));
  disturbance.every(100, "cancelled calls", async (round) => {
    const signal = AbortSignal.timeout(round % 10);
    await client.classify({ text: TEXTS[0] ?? "" }, { signal }).catch(() => {});
  });
  disturbance.every(200, "bad inputs", (round) => badInput(client, round));
  disturbance.every(500, "new connections", async () => {
    const other = connectAlbert(rig.addresses.public, { maxAttempts: 1, deadlineMs: DEADLINE_MS });
    await other.classify({ text: "a good day" }).catch((error: unknown) => findings.failed(error));
    other.close();
  });
  disturbance.every(part(5), "faults", (round) => fault(rig, round));
  await wait(seconds * 1000);
  await disturbance.end();
  const overdue = Symbol("overdue");
  const late = wait(DEADLINE_MS + GRACE_MS, overdue, { ref: false });
  const hung = (await Promise.race([steady.stop(), late])) === overdue;
  for (const { error } of steady.samples) if (error !== undefined) findings.failed(error);

  const failedJobs = await admin.training.listJobs({ states: [JobState.FAILED, JobState.REJECTED] });
  for (const { id, history } of failedJobs.jobs) {
    const moves = history.map(({ to, reason, detail }) => `${to} ${reason} ${detail}`.trim());
    findings.lost.push(`job ${id}: ${moves.join(", then ")}`);
  }

  const third = Math.floor(rss.length / 3);
  const [settled, last] = [median(rss.slice(third, 2 * third)), median(rss.slice(2 * third))];
  const growth = last / settled - 1;
  const { wrong, lost, refused, did } = findings;
  const judged = seconds >= JUDGED_SECONDS;
  const passed = wrong.length === 0 && lost.length === 0 && !hung && (!judged || growth <= ALLOWED_GROWTH);
  const report = {
    control: values.control,
    seconds,
    ratePerSecond: Math.round(steady.samples.length / seconds),
    ...summary(steady.samples),
    refused,
    wrong: wrong.length,
    lost: lost.length,
    examples: [...new Set([...wrong, ...lost])].slice(0, 5),
    hung,
    did,
    rssMiB: { settled: Math.round(settled / 2 ** 20), last: Math.round(last / 2 ** 20) },
    growth: Number(growth.toFixed(3)),
    memoryJudged: judged,
    passed,
  };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  return passed;
}

async function classify(client: AlbertClient, index: number): Promise<{ version: string; answer: string }> {
  const reply = await client.classify({ text: TEXTS[index % TEXTS.length] ?? "" });
  return { version: reply.meta?.version ?? "", answer: scores(reply) };
}

function scores({ labels }: Awaited<ReturnType<AlbertClient["classify"]>>): string {
  return labels.map(({ label, score }) => `${label} ${score}`).join(", ");
}

async function promote({ admin, store }: Rig, version: number): Promise<void> {
  const expectedGeneration = (await store.aliases.get(MODEL, "champion"))?.generation ?? 0;
  await admin.models.promote({ model: MODEL, version, expectedGeneration, overrideGate: true, reason: "soak" });
}

/** The control's defect: a version that nothing needs stays in memory. */
async function holdOneMore({ admin, store, heads }: Rig, round: number): Promise<void> {
  for (let one = 0; one < 4; one++) {
    const { version } = await store.versions.publish(MODEL, await writeTinyModel(heads, 100 + 4 * round + one));
    await admin.models.loadVersion({ model: MODEL, version });
  }
}

/** A short fine-tune, which is cancelled or left to end. */
async function job({ training }: AdminClient, cancelled: boolean): Promise<void> {
  const { jobs } = await training.listJobs({ states: UNFINISHED, pageSize: MOST_WAITING });
  if (jobs.length === MOST_WAITING) return;
  const recipe = { train_step: "40", train_batch_size: "8", max_seq_length: "16", save_checkpoints_steps: "10" };
  const data = { path: "train.jsonl" };
  const spec = { kind: JobKind.FINE_TUNE, model: `${MODEL}-job`, task: "classification", init: `${MODEL}@1` };
  const created = await training.createJob({
    requestId: crypto.randomUUID(),
    spec: { ...spec, train: data, eval: data, recipe, seed: 7n, promote: PromotePolicy.MANUAL },
  });
  if (cancelled) await training.cancelJob({ jobId: created.job?.id ?? "" });
}

/** Refused as the caller's fault, or it counts as lost. */
async function badInput(client: AlbertClient, round: number): Promise<void> {
  const requests = [
    { text: "" },
    { text: "a day", options: { head: "no-such-head" } },
    { text: "a day", options: { model: "no-such-model" } },
    { text: "x".repeat(2_000_000) },
  ];
  const error: unknown = await client
    .classify(requests[round % requests.length] ?? {})
    .catch((thrown: unknown) => thrown);
  const fair = ["INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"];
  if (!(error instanceof CallError) || !fair.includes(error.status)) throw new Error(`bad input got ${String(error)}`);
}

async function fault({ server, addresses, admin }: Rig, round: number): Promise<void> {
  switch (round % 4) {
    case 0:
      for (const pid of await childrenOf(server.pid)) process.kill(pid, "SIGKILL");
      return;
    case 1:
      process.kill(server.pid, "SIGSTOP");
      await wait(1000);
      process.kill(server.pid, "SIGCONT");
      return;
    case 2:
      for (const address of [addresses.public, addresses.admin]) garbage(address);
      return;
    default: {
      const request = { source: { path: "bomb.jsonl.gz" }, task: "classification" };
      const answer = await admin.datasets.validateDataset(request).catch((error: unknown) => error);
      if (answer instanceof CallError && answer.status === "INTERNAL") throw answer;
    }
  }
}

function garbage(address: string): void {
  const port = Number(address.split(":").at(-1));
  for (let one = 0; one < 20; one++) {
    const socket = connect(port, "127.0.0.1", () => socket.write(Buffer.alloc(1000, one)));
    socket.on("error", () => {});
    setTimeout(() => socket.destroy(), 1000).unref();
  }
}

/** Children that run jobs; a job may be over, and there is none. */
async function childrenOf(parent: number): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const isChild = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(parent);
    if (isChild && command.includes("thread-process-child")) found.push(Number(pid));
  }
  return found;
}

async function residentBytes(pid: number): Promise<number> {
  return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** One reading alone depends on when the heap was last collected. */
function median(readings: readonly number[]): number {
  return [...readings].sort((a, b) => a - b)[Math.floor(readings.length / 2)] ?? Number.NaN;
}

const directory = await mkdtemp(join(tmpdir(), "albert-fault-soak-"));
try {
  process.exitCode = (await soak(directory, Number(values.seconds))) ? 0 : 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
