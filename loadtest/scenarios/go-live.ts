// A fine-tune goes live under load: starts the built server with a champion, calls Classify at fixed moments, creates a
// fine-tune over gRPC, follows it through the gate to its promotion, and prints JSON: failed requests, latency without
// training, while training and while versions change, the job's speed, the swap's phases, and memory. Exits with 1 when a
// request failed, the client never saw the new version, or p99 exceeds 1.5 times the steady one while versions change, or twice
// while training.
//
//   npm run build && node --import tsx loadtest/scenarios/go-live.ts [--data ../shared/data/glue/SST-2] [--rate 20] [--steady 30]
//     [--steps 300] [--set name=value]... [--swaps 10] [--champion directory] [--serve=--flag]... [--serve=value]...
//
// One swap lasts a moment, in which few requests fall: --swaps rolls back and promotes again, with a load from the store
// each time, and counts them all. The champion is the bundled model with a head that nothing was taught, so that a short
// fine-tune is better beyond chance; --champion takes a model directory instead. Each --serve is one more word for `albert serve`.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type AdminClient, connectAdmin, connectAlbert, uploadDataset } from "../../src/client/albert-client.ts";
import { TruncationPolicy } from "../../src/gen/albert/v1/inference_pb.js";
import type { SwapReport } from "../../src/gen/albert/v1/models_pb.js";
import { type Job, type JobEvent, JobKind, JobState, PromotePolicy } from "../../src/gen/albert/v1/training_pb.js";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../src/model/directory/write-model-directory.ts";
import { headParameters } from "../../src/model/parameters.ts";
import { sizeOf } from "../../src/model/tensor.ts";
import { fileSource } from "../../src/tasks/datasets/data-source.ts";
import { GLUE_TASKS, glueExamples } from "../../src/tasks/datasets/glue.ts";
import { startServer } from "./server-process.ts";
import { SteadyCaller, summary } from "./steady-caller.ts";

const MODEL = "sentiment";
/** p99 against the steady one. */
const ALLOWED_RATIO = { training: 2, swapping: 1.5 };
/** Between two changes of version, so that each is measured by itself. */
const PAUSE_MS = 2000;

const { values: flags } = parseArgs({
  options: {
    data: { type: "string", default: "../shared/data/glue/SST-2" },
    rate: { type: "string", default: "20" },
    steady: { type: "string", default: "30" },
    steps: { type: "string", default: "300" },
    set: { type: "string", multiple: true, default: [] },
    swaps: { type: "string", default: "10" },
    champion: { type: "string" },
    serve: { type: "string", multiple: true, default: [] },
  },
});

interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

async function measure(directory: string) {
  const champion = flags.champion ?? (await writeUntaughtChampion(join(directory, "champion")));
  const server = await startServer([
    ...["--device", "cpu", "--store", join(directory, "store"), "--model", `${MODEL}=${champion}`],
    ...["--log-level", "warn"],
    ...flags.serve,
  ]);
  const client = connectAlbert(server.addresses.public, { maxAttempts: 1 });
  const admin = connectAdmin(server.addresses.admin, { maxAttempts: 1 });
  const rss: Record<string, number> = {};
  try {
    const texts = await sentences(join(flags.data, "dev.tsv.gz"));
    const train = (await uploadDataset(admin, join(flags.data, "train.tsv.gz"))).digest;
    const evaluation = (await uploadDataset(admin, join(flags.data, "dev.tsv.gz"))).digest;
    const caller = new SteadyCaller(Number(flags.rate), async (index) => {
      const text = texts[index % texts.length]!;
      const { meta } = await client.classify({ text, options: { truncation: TruncationPolicy.TRUNCATE } });
      return meta!.version;
    });
    await setTimeout(PAUSE_MS); // the first calls warm client and server up
    await server.metric("process_resident_memory_bytes");
    const steady = await lasting(() => setTimeout(Number(flags.steady) * 1000));
    rss["steadyMiB"] = mebibytes(server.rss().bytes);
    const gaps: Record<string, number> = { steadyMs: await gap(server) };

    const { job, events } = await runJob(admin, train, evaluation);
    gaps["jobMs"] = await gap(server);
    rss["afterJobMiB"] = mebibytes(server.rss().bytes);
    if (job.state !== JobState.SUCCEEDED) throw new Error(`the job ended as ${events.at(-1)?.summary}`);
    if (!events.some(({ kind }) => kind === "promoted")) throw new Error(`not promoted: ${job.gateReportJson}`);
    const promotion = (await lastSwap(admin))!; // the one that the event told of
    const swaps = [promotion];
    for (let again = 0; again < Number(flags.swaps); again++) {
      swaps.push(await promoteAgain(admin, promotion.fromVersion, promotion.toVersion));
    }
    gaps["swapsMs"] = await gap(server);
    await setTimeout(PAUSE_MS);
    await caller.stop();
    rss["endMiB"] = mebibytes(server.rss().bytes);
    rss["peakMiB"] = mebibytes(server.rss().peakBytes);
    return report({ startSeconds: server.startSeconds, caller, steady, job, events, swaps, rss, gaps });
  } finally {
    client.close();
    admin.close();
    await server.stop();
  }
}

/** Creates the fine-tune and follows it to its end. */
async function runJob(admin: AdminClient, train: string, evaluation: string) {
  const given = flags.set.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]);
  const recipe = {
    train_step: flags.steps,
    warmup_step: String(Math.ceil(Number(flags.steps) / 10)),
    learning_rate: "0.001",
    train_batch_size: "64",
    max_seq_length: "64",
    save_checkpoints_steps: String(Math.ceil(Number(flags.steps) / 2)),
    token_budget: "2048",
    ...Object.fromEntries(given),
  };
  const { job } = await admin.training.createJob({
    requestId: `go-live-${Date.now()}`,
    spec: {
      kind: JobKind.FINE_TUNE,
      model: MODEL,
      task: "sst-2",
      train: { dataset: train },
      eval: { dataset: evaluation },
      recipe,
      seed: 1n,
      promote: PromotePolicy.AUTO_IF_BETTER,
    },
  });
  const events: JobEvent[] = [];
  for await (const { update } of admin.training.watchJob({ jobId: job!.id })) {
    if (update.case !== "event") continue;
    events.push(update.value);
    if (update.value.kind !== "step_metrics") process.stderr.write(`${update.value.kind}: ${update.value.summary}\n`);
  }
  return { job: (await admin.training.getJob({ jobId: job!.id })).job!, events };
}

/** Lets the old version answer, forgets the new one, and promotes it anew from the store. */
async function promoteAgain(admin: AdminClient, from: number, to: number): Promise<SwapReport> {
  const generation = async () => {
    const { aliases } = await admin.models.listVersions({ model: MODEL });
    return aliases.find(({ name }) => name === "champion")!.generation;
  };
  await admin.models.rollback({ model: MODEL, expectedGeneration: await generation(), reason: "to promote it again" });
  await admin.models.unloadVersion({ model: MODEL, version: to });
  await setTimeout(PAUSE_MS);
  const { report } = await admin.models.promote({
    model: MODEL,
    version: to,
    expectedGeneration: await generation(),
    reason: `again, in place of ${from}`,
  });
  await setTimeout(PAUSE_MS);
  return report!;
}

async function lastSwap({ models }: AdminClient): Promise<SwapReport | undefined> {
  for await (const { update } of models.watchServing({ model: MODEL })) {
    if (update.case === "model") return update.value.lastSwap;
  }
  return undefined;
}

function report(measured: {
  startSeconds: number;
  caller: SteadyCaller;
  steady: Window;
  job: Job;
  events: readonly JobEvent[];
  swaps: readonly SwapReport[];
  rss: Record<string, number>;
  gaps: Record<string, number>;
}) {
  const { caller, steady, job, events, swaps, rss, gaps } = measured;
  const steadily = summary(caller.between(steady.fromMs, steady.toMs));
  const window = (samples: Parameters<typeof summary>[0]) => {
    const figures = summary(samples);
    return { ...figures, p99Ratio: ratio(figures.p99Ms, steadily.p99Ms) };
  };
  const training = trainingWindow(events);
  const whileTraining = training === undefined ? null : window(caller.between(training.fromMs, training.toMs));
  const swapping = window(swaps.map(swapWindow).flatMap(({ fromMs, toMs }) => caller.between(fromMs, toMs)));
  const all = summary(caller.samples);
  const versions = [...new Set(caller.samples.map(({ version }) => version).filter(Boolean))];
  const gate = job.gateReportJson === "" ? {} : JSON.parse(job.gateReportJson);
  const changed = versions.includes(job.modelVersion.split("@")[1]);
  return {
    requests: all.requests,
    failed: all.failed,
    errors: [...new Set(caller.samples.flatMap(({ error }) => (error === undefined ? [] : [String(error)])))].slice(
      0,
      3,
    ),
    versionsSeen: versions,
    steady: steadily,
    whileTraining,
    whileJudging: judgingWindow(events, window, caller),
    whileSwapping: swapping,
    job: {
      version: job.modelVersion,
      ...speedOf(events),
      yieldedSeconds: events.reduce((sum, event) => sum + yieldedMs(event), 0) / 1000,
      gate: { verdict: gate.verdict, championValue: gate.championValue, candidateValue: gate.candidateValue },
    },
    swaps: swaps.map(({ phaseSeconds, p99BeforeMs, p99DuringMs, requestsFailed }) => ({
      phaseSeconds: Object.fromEntries(Object.entries(phaseSeconds).map(([name, s]) => [name, rounded(s)])),
      p99BeforeMs: rounded(p99BeforeMs),
      p99DuringMs: rounded(p99DuringMs),
      requestsFailed,
    })),
    largestEventLoopGap: gaps,
    rss,
    startSeconds: rounded(measured.startSeconds),
    passed:
      all.failed === 0 &&
      changed &&
      isCalm(whileTraining, ALLOWED_RATIO.training) &&
      isCalm(swapping, ALLOWED_RATIO.swapping),
  };
}

/** From the first step to the end of the last one. */
function trainingWindow(events: readonly JobEvent[]): Window | undefined {
  const steps = events.filter(({ kind }) => kind === "step_metrics");
  const [first, last] = [steps[0], steps.at(-1)];
  if (first?.time === undefined || last?.time === undefined) return undefined;
  return { fromMs: timestampMs(first.time), toMs: timestampMs(last.time) };
}

/** From the publication of the candidate to the gate's verdict. */
function judgingWindow<T>(
  events: readonly JobEvent[],
  window: (samples: Parameters<typeof summary>[0]) => T,
  caller: SteadyCaller,
): (T & { seconds: number }) | null {
  const [from, to] = ["published", "gate_result"].map((kind) => events.find((event) => event.kind === kind)?.time);
  if (from === undefined || to === undefined) return null;
  const [fromMs, toMs] = [timestampMs(from), timestampMs(to)];
  return { ...window(caller.between(fromMs, toMs)), seconds: rounded((toMs - fromMs) / 1000) };
}

/** From the start of loading to the last answer of the version before. */
function swapWindow({ time, phaseSeconds }: SwapReport): Window {
  const flippedMs = timestampMs(time!);
  const { load = 0, rehearse = 0, build = 0, check = 0, flip = 0, drain = 0 } = phaseSeconds;
  return { fromMs: flippedMs - 1000 * (load + rehearse + build + check), toMs: flippedMs + 1000 * (flip + drain) };
}

function speedOf(events: readonly JobEvent[]) {
  const speeds = events
    .filter(({ kind }) => kind === "step_metrics")
    .map(({ progress }) => progress?.tokensPerSecond ?? 0)
    .sort((a, b) => a - b);
  const steps = events.filter(({ kind }) => kind === "step_metrics").at(-1)?.progress?.step ?? 0;
  return { steps, medianTokensPerSecond: Math.round(speeds[Math.floor(speeds.length / 2)] ?? 0) };
}

function yieldedMs({ kind, detailJson }: JobEvent): number {
  return kind === "yielded" ? Number(JSON.parse(detailJson).milliseconds) : 0;
}

/** The longest time since the last look at which the server's main thread did nothing else, in milliseconds. */
async function gap(server: Awaited<ReturnType<typeof startServer>>): Promise<number> {
  return rounded(1000 * ((await server.metric("nodejs_eventloop_delay_max_seconds")) ?? Number.NaN));
}

async function lasting(run: () => Promise<unknown>): Promise<Window> {
  const fromMs = Date.now();
  await run();
  return { fromMs, toMs: Date.now() };
}

/** The bundled model with a head of zeros, which says the same of every text. */
async function writeUntaughtChampion(directory: string): Promise<string> {
  const model = await openModelDirectory(join(import.meta.dirname, "../../models/sentiment"));
  const zeros = model.heads
    .flatMap((head) => headParameters(model.config, head))
    .map(({ name, shape }) => [name, { shape, data: new Float32Array(sizeOf(shape)) }] as const);
  await writeModelDirectory(directory, {
    name: MODEL,
    config: model.config,
    heads: model.heads,
    parameters: new Map([...model.parameters, ...zeros]),
    vocabulary: model.vocabulary,
    maxSequenceLength: model.manifest.maxSequenceLength,
  });
  return directory;
}

async function sentences(file: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of glueExamples(fileSource(file), GLUE_TASKS.get("sst-2")!, "dev")) texts.push(text);
  return texts;
}

/** Whether the slowest of a hundred were hardly slower than those of the steady window. */
function isCalm(figures: { readonly p99Ratio: number | null } | null, allowedRatio: number): boolean {
  return (figures?.p99Ratio ?? Number.POSITIVE_INFINITY) <= allowedRatio;
}

function ratio(value: number | null, steady: number | null): number | null {
  return value === null || steady === null ? null : rounded(value / steady);
}

function rounded(value: number): number {
  return Number(value.toFixed(3));
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

const directory = await mkdtemp(join(tmpdir(), "albert-go-live-"));
try {
  const result = await measure(directory);
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  process.exitCode = result.passed ? 0 : 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
