// Swaps one model many times under steady load, in process, and prints JSON: failed requests, latency, and resident memory
// after each tenth swap. Exits with 1 when a request failed or memory grew by more than 5 % from the ten swaps after the
// twentieth to the last ten (medians of each).
//
//   node --import tsx loadtest/scenarios/swap-soak.ts [--swaps 100, at least 30] [--callers 2] [--hidden 256] [--control none|leak|cut|allocator]
//
// Two controls show that the check can fail: `leak` never closes the engines that were replaced, `cut` closes each while it
// still serves. `allocator` runs without the allocator settings of bin/albert, to see whether they matter.
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { loadConfig } from "../../src/config/load.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { type AlbertConfig, parseAlbertConfig } from "../../src/model/config.ts";
import { writeModelDirectory } from "../../src/model/directory/write-model-directory.ts";
import type { Head } from "../../src/model/heads.ts";
import { initialiseParameters } from "../../src/model/initialise.ts";
import { modelParameters } from "../../src/model/parameters.ts";
import type { Engine } from "../../src/runtime/engine.ts";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { ModelReader } from "../../src/serving/models/reader.ts";
import { Serving } from "../../src/serving/serving.ts";
import { UNLIMITED } from "../../src/tasks/plan.ts";

const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: "131072", MALLOC_TRIM_THRESHOLD_: "131072" };
/** Swap after which memory must stay flat, over how many readings that is judged, and how flat. */
const SETTLED_AFTER = 20;
const READINGS = 10;
const ALLOWED_GROWTH = 0.05;

const { values } = parseArgs({
  options: {
    swaps: { type: "string", default: "100" },
    callers: { type: "string", default: "2" },
    hidden: { type: "string", default: "256" },
    control: { type: "string", default: "none" },
  },
});

// glibc reads its settings before the first allocation: they must be in the environment when the process starts.
if (values.control !== "allocator" && process.env["MALLOC_TRIM_THRESHOLD_"] === undefined) {
  const again = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, ...ALLOCATOR },
  });
  process.exit(again.status ?? 1);
}

async function soak(directory: string, swaps: number, callers: number): Promise<boolean> {
  if (!(swaps >= SETTLED_AFTER + READINGS)) throw new Error(`expected at least 30 swaps, got ${swaps}`);
  const modelDirectory = join(directory, "model");
  await writeModel(modelDirectory, Number(values.hidden));
  const metrics = createMetrics("soak");
  const serving = new Serving({
    config: { ...loadConfig({}).config.serving, keepPreviousMs: 0 },
    metrics,
    openEngine: async (model) => controlled(await openEngine(model, { calibrationMs: 100 })),
  });
  const reader = new ModelReader();
  const swapTo = (version: number) =>
    serving.models.swap({
      name: "m",
      version: String(version),
      open: () => reader.prepare(modelDirectory, { devices: ["cpu"], precision: "fp32" }),
    });
  await swapTo(0);

  const load = new Load(serving);
  const running = Array.from({ length: callers }, (_, caller) => load.run(caller));
  await load.answeredMore(20);
  const steadyP99 = load.percentile(99);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();

  const rssMiB: number[] = [];
  for (let version = 1; version <= swaps; version++) {
    const swap = await swapTo(version);
    await swap.drained;
    await load.answeredMore(2);
    rssMiB.push(Math.round(process.memoryUsage.rss() / 2 ** 20));
  }
  load.stop();
  await Promise.all(running);
  await serving.close();
  metrics.close();

  const settled = median(rssMiB.slice(SETTLED_AFTER, SETTLED_AFTER + READINGS));
  const last = median(rssMiB.slice(-READINGS));
  const growth = last / settled - 1;
  const passed = load.failures.length === 0 && growth <= ALLOWED_GROWTH;
  const report = {
    control: values.control,
    swaps,
    requests: load.answered,
    failed: load.failures.length,
    failures: load.failures.slice(0, 3).map(String),
    versionsSeen: load.versions.size,
    p99Ms: { steady: steadyP99, swapping: load.percentile(99) },
    largestEventLoopGapMs: Math.round(delay.max / 1e6),
    rssMiB: { everyTenth: rssMiB.filter((_, i) => i % 10 === 9), settled, end: last },
    growth: Number(growth.toFixed(3)),
    passed,
  };
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  return passed;
}

/** One reading alone depends on when the heap was last collected. */
function median(readings: readonly number[]): number {
  return [...readings].sort((a, b) => a - b)[Math.floor(readings.length / 2)]!;
}

/** Callers that ask one request after the other. */
class Load {
  readonly failures: unknown[] = [];
  readonly versions = new Set<string>();
  answered = 0;
  readonly #serving: Serving;
  #tookMs: number[] = [];
  #stopped = false;
  #waiting: { until: number; resolve: () => void }[] = [];

  constructor(serving: Serving) {
    this.#serving = serving;
  }

  async run(caller: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const text = Array.from({ length: 3 + ((7 * i + caller) % 60) }, (_, word) => `w${(word * 31 + i) % 90}`).join(
        " ",
      );
      const began = performance.now();
      try {
        const { meta } = await this.#serving.answer({
          task: "classify",
          model: {},
          input: { text },
          limits: UNLIMITED,
          deadlineAt: began + 30_000,
        });
        this.versions.add(meta.version);
        this.#tookMs.push(performance.now() - began);
      } catch (error) {
        this.failures.push(error);
      }
      this.answered++;
      this.#waiting = this.#waiting.filter(({ until, resolve }) => {
        if (this.answered >= until) resolve();
        return this.answered < until;
      });
    }
  }

  /** Waits until `count` more requests have ended. */
  answeredMore(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ until: this.answered + count, resolve }));
  }

  /** Of the requests since the last call. */
  percentile(percent: number): number {
    const sorted = this.#tookMs.sort((a, b) => a - b);
    this.#tookMs = [];
    return Math.round(sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0);
  }

  stop(): void {
    this.#stopped = true;
  }
}

/** The engine that was built last. */
let newest: Engine | undefined;

/** An engine with the control's defect. */
async function controlled(engine: Engine): Promise<Engine> {
  if (values.control === "leak") engine.close = () => Promise.resolve();
  if (values.control === "cut") await newest?.close();
  newest = engine;
  return engine;
}

/** A model with random weights: of ALBERT's shape, with a vocabulary of a few words. */
async function writeModel(target: string, hiddenSize: number): Promise<void> {
  const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...Array.from({ length: 90 }, (_, i) => `w${i}`)];
  const { config } = parseAlbertConfig({
    vocab_size: pieces.length,
    embedding_size: 128,
    hidden_size: hiddenSize,
    num_hidden_layers: 4,
    num_attention_heads: hiddenSize / 64,
    intermediate_size: 4 * hiddenSize,
    max_position_embeddings: 128,
  });
  const heads: Head[] = [{ kind: "classification", name: "label", problemType: "single-label", labels: ["no", "yes"] }];
  await writeModelDirectory(target, {
    name: "soak",
    config: config satisfies AlbertConfig,
    heads,
    parameters: initialiseParameters(modelParameters(config, heads), 7),
    vocabulary: { kind: "wordpiece", lowerCase: true, bytes: Buffer.from(pieces.join("\n")) },
  });
}

const directory = await mkdtemp(join(tmpdir(), "albert-swap-soak-"));
try {
  process.exitCode = (await soak(directory, Number(values.swaps), Number(values.callers))) ? 0 : 1;
} finally {
  await rm(directory, { recursive: true, force: true });
  // Engines that a control leaked would keep the process alive.
  if (values.control === "leak") process.exit();
}
