import { readFileSync } from "node:fs";
import { GraphBuilder } from "../src/graph/onnx/graph-builder.ts";
import { encodeModel } from "../src/graph/onnx/serialise.ts";
import { float32 } from "../src/graph/onnx/tensors.ts";
import { buildServingGraph } from "../src/graph/serving/serving-graph.ts";
import type { AlbertConfig } from "../src/model/config.ts";
import { packBatch } from "../src/runtime/batch/packed-batch.ts";
import { availableThreads } from "../src/runtime/cpu-quota.ts";
import { createEngine } from "../src/runtime/packed-engine.ts";
import { OrtSession } from "../src/runtime/session/ort.ts";
import { randomAlbert, randomSequence } from "./random-albert.ts";
import { inTurn, rounded, timingOf } from "./timing.ts";

const EIGHT_BY_128 = Array.from({ length: 8 }, () => 128);
/** 16 texts of 8, 16, ... 128 tokens. */
const MIXED = Array.from({ length: 16 }, (_, index) => 8 * (index + 1));
const ROUNDS = 8;

/** The engine and its graph, without any server around them. `--xxlarge` adds the memory of the largest model. */
export async function benchServing(flags: ReadonlySet<string>): Promise<unknown> {
  // Memory first: what earlier models leave behind would be counted for later ones.
  const memory = {
    base: await memoryOf("base"),
    ...(flags.has("xxlarge") ? { xxlarge: await memoryOf("xxlarge") } : {}),
  };
  return { memory, ...(await packedGraph()), engine: await engineOverhead() };
}

/** An ALBERT-base-shaped graph against the bare matrix products it is made of, and mixed lengths against padding. */
async function packedGraph() {
  const model = randomAlbert("base");
  const threads = availableThreads();
  const session = await OrtSession.create(encodeModel(buildServingGraph(model, { target: "cpu" })).bytes, {
    device: "cpu",
    threads,
  });
  const gemm = await matrixProducts(model.config, 1024, threads);
  const rounded8 = buildServingGraph(model, { target: "cpu", precision: "int8" });
  const int8 = await OrtSession.create(encodeModel(rounded8).bytes, { device: "cpu", threads });
  const run = (on: OrtSession, lengths: readonly number[]) => {
    const { feeds } = packBatch({ target: "cpu", heads: model.heads }, lengths.map(randomSequence));
    return () => on.run(feeds);
  };
  const times = await inTurn(
    {
      gemm: gemm.run,
      packed: run(session, EIGHT_BY_128),
      int8: run(int8, EIGHT_BY_128),
      single: run(session, [128]),
      singleInt8: run(int8, [128]),
    },
    ROUNDS,
  );
  for (const each of [gemm, session, int8]) await each.dispose();
  const gemmPeak = gemm.flops / timingOf(times.gemm).best / 1e6;
  const packed = flopsOf(model.config, EIGHT_BY_128) / timingOf(times.packed).best / 1e6;
  return {
    gemmPeakGflops: rounded(gemmPeak),
    packed8x128: { gflops: rounded(packed), ofGemmPeak: rounded(packed / gemmPeak), ms: timingOf(times.packed) },
    packed1x128: { ms: timingOf(times.single) },
    int8: {
      ms8x128: timingOf(times.int8),
      ms1x128: timingOf(times.singleInt8),
      speedup8x128: rounded(timingOf(times.packed).best / timingOf(times.int8).best),
      speedup1x128: rounded(timingOf(times.single).best / timingOf(times.singleInt8).best),
    },
    mixed8to128: await mixedAgainstPadded(),
  };
}

/** The same 16 texts through the engine as they are, and as a padded batch would compute them. */
async function mixedAgainstPadded() {
  const engine = await createEngine(randomAlbert("base"), { device: "cpu" });
  const padded = MIXED.map(() => randomSequence(Math.max(...MIXED)));
  const times = await inTurn(
    { packed: () => engine.run(MIXED.map(randomSequence)), padded: () => engine.run(padded) },
    ROUNDS / 2,
  );
  const { tokenBudget } = engine;
  await engine.close();
  const [packedMs, paddedMs] = [timingOf(times.packed), timingOf(times.padded)];
  return {
    realTokens: MIXED.reduce((sum, length) => sum + length, 0),
    paddedTokens: MIXED.length * Math.max(...MIXED),
    tokenBudget,
    packedMs,
    paddedMs,
    speedup: rounded(paddedMs.best / packedMs.best),
  };
}

/** What the engine adds to the run itself: packing, two thread hops, splitting. Measured on a model that costs nothing. */
async function engineOverhead() {
  const engine = await createEngine(randomAlbert("tiny"), { device: "cpu", threads: 1, calibrationMs: 0 });
  const overheads: number[] = [];
  const sequence = randomSequence(16);
  for (let run = 0; run < 600; run++) {
    const startedAt = performance.now();
    const { cost } = await engine.run([sequence]);
    if (run >= 100) overheads.push(performance.now() - startedAt - cost.runMs);
  }
  let longestGap = 0;
  let last = performance.now();
  const ticker = setInterval(() => {
    const now = performance.now();
    longestGap = Math.max(longestGap, now - last - 1);
    last = now;
  }, 1);
  await Promise.all(Array.from({ length: 400 }, () => engine.run([sequence, sequence])));
  clearInterval(ticker);
  await engine.close();
  return { overheadMs: timingOf(overheads), longestEventLoopGapMs: rounded(longestGap) };
}

/** Resident memory of a model from before it is loaded until after it is released, as multiples of its weights. */
async function memoryOf(shape: "base" | "xxlarge") {
  const model = randomAlbert(shape);
  const before = residentBytes();
  let peakAnonymous = 0;
  const watch = setInterval(() => {
    peakAnonymous = Math.max(peakAnonymous, residentBytes().anonymous);
  }, 10);
  const engine = await createEngine(model, { device: "cpu" });
  const loaded = residentBytes();
  await engine.run([randomSequence(128)]);
  clearInterval(watch);
  const served = residentBytes();
  await engine.close();
  const ratio = (bytes: number) => rounded(bytes / model.weightBytes);
  return {
    weightBytes: model.weightBytes,
    loaded: ratio(loaded.total - before.total),
    afterRun: ratio(served.total - before.total),
    /** Without pages of the weights file, which the system drops when it needs the room. */
    peakAnonymous: ratio(peakAnonymous - before.anonymous),
    released: ratio(residentBytes().total - before.total),
  };
}

/** This process's memory; zero where the system does not say. */
function residentBytes(): { total: number; anonymous: number } {
  let status = "";
  try {
    status = readFileSync("/proc/self/status", "utf8");
  } catch {
    return { total: process.memoryUsage().rss, anonymous: 0 };
  }
  const kilobytes = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  return { total: kilobytes("VmRSS") * 1024, anonymous: kilobytes("RssAnon") * 1024 };
}

/** One layer's four matrix products over `rows` rows, with nothing between them. */
async function matrixProducts({ hiddenSize: H, intermediateSize: F }: AlbertConfig, rows: number, threads: number) {
  const shapes = [
    [H, 3 * H],
    [H, H],
    [H, F],
    [F, H],
  ] as const;
  const graph = new GraphBuilder("products");
  const feeds: Record<string, { dtype: "float32"; dims: number[]; data: Float32Array }> = {};
  shapes.forEach(([inner, columns], index) => {
    const values = Float32Array.from({ length: inner * columns }, (_, at) => ((at % 101) - 50) / 500);
    const x = graph.input(`x${index}`, "float32", [rows, inner]);
    const weight = graph.initializer(`w${index}`, float32([inner, columns], values));
    graph.output(graph.op("MatMul", [x, weight]), "float32", [rows, columns], `y${index}`);
    feeds[`x${index}`] = { dtype: "float32", dims: [rows, inner], data: new Float32Array(rows * inner).fill(0.1) };
  });
  const session = await OrtSession.create(encodeModel(graph).bytes, { device: "cpu", threads });
  const into = Object.fromEntries(
    shapes.map(([, columns], index) => {
      const data = new Float32Array(rows * columns);
      return [`y${index}`, { dtype: "float32", dims: [rows, columns], data } as const];
    }),
  );
  return {
    run: () => session.run(feeds, into),
    dispose: () => session.dispose(),
    flops: shapes.reduce((sum, [inner, columns]) => sum + 2 * rows * inner * columns, 0),
  };
}

/** Multiply-adds of the encoder, counted twice: dense layers over real tokens, attention over real pairs. */
function flopsOf(config: AlbertConfig, lengths: readonly number[]): number {
  const { hiddenSize: H, intermediateSize: F, embeddingSize: E, numHiddenLayers: L } = config;
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const pairs = lengths.reduce((sum, length) => sum + length * length, 0);
  return 2 * tokens * E * H + L * (2 * tokens * (4 * H * H + 2 * H * F) + 4 * pairs * H);
}
