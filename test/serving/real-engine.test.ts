import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { createMetrics, type Metrics } from "../../src/metrics/metrics.ts";
import { parseAlbertConfig } from "../../src/model/config.ts";
import { writeModelDirectory } from "../../src/model/directory/write-model-directory.ts";
import type { Head } from "../../src/model/heads.ts";
import { initialiseParameters } from "../../src/model/initialise.ts";
import { modelParameters } from "../../src/model/parameters.ts";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { ModelReader } from "../../src/serving/models/reader.ts";
import { Serving } from "../../src/serving/serving.ts";
import { UNLIMITED } from "../../src/tasks/plan.ts";

const directory = mkdtempSync(join(tmpdir(), "albert-serving-"));
const words = Array.from({ length: 40 }, (_, i) => `w${i}`);
const heads: Head[] = [{ kind: "classification", name: "label", problemType: "single-label", labels: ["no", "yes"] }];
const reader = new ModelReader();
let metrics: Metrics;
let serving: Serving;

beforeAll(async () => {
  const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...words];
  const { config } = parseAlbertConfig({
    vocab_size: pieces.length,
    embedding_size: 16,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 64,
    max_position_embeddings: 64,
  });
  for (const seed of [1, 2]) {
    await writeModelDirectory(join(directory, String(seed)), {
      name: "tiny",
      config,
      heads,
      parameters: initialiseParameters(modelParameters(config, heads), seed),
      vocabulary: { kind: "wordpiece", lowerCase: true, bytes: Buffer.from(pieces.join("\n")) },
    });
  }
  metrics = createMetrics("test");
  serving = new Serving({
    config: { ...loadConfig({}).config.serving, keepPreviousMs: 0 },
    metrics,
    openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
  });
});
afterAll(async () => {
  await serving.close();
  metrics.close();
  rmSync(directory, { recursive: true });
});

/** Versions with odd numbers hold the weights of seed 1, the others those of seed 2. */
const swapTo = (version: number) =>
  serving.models.swap({
    name: "tiny",
    version: String(version),
    open: () => reader.prepare(join(directory, String(2 - (version % 2))), { devices: ["cpu"], precision: "fp32" }),
  });
const classify = (i: number) =>
  serving.answer({
    task: "classify",
    input: { text: Array.from({ length: 1 + (i % 20) }, (_, w) => words[(w * i) % 40]).join(" ") },
    limits: UNLIMITED,
    model: {},
  });

describe("serving on ONNX Runtime", () => {
  it("answers every request of several swaps under load, each as its version alone would have", async () => {
    await swapTo(1);
    const alone = new Map<string, string>();
    const key = (parity: number, i: number) => `${parity} ${i}`;
    for (let i = 0; i < 40; i++) alone.set(key(1, i), JSON.stringify((await classify(i)).answer));
    await swapTo(2);
    for (let i = 0; i < 40; i++) alone.set(key(0, i), JSON.stringify((await classify(i)).answer));
    expect(alone.get(key(0, 3))).not.toBe(alone.get(key(1, 3)));

    let swapping = true;
    const versions = new Set<string>();
    const caller = async (first: number) => {
      for (let i = first; swapping; i = (i + 1) % 40) {
        const { answer, meta } = await classify(i);
        versions.add(meta.version);
        expect(JSON.stringify(answer)).toBe(alone.get(key(Number(meta.version) % 2, i)));
        const { totalMs, ...stages } = meta.timings;
        expect(Object.values(stages).reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(totalMs, 3);
      }
    };
    const callers = [0, 7, 14, 21].map(caller);
    for (const version of [3, 4, 5]) {
      const swap = await swapTo(version);
      await swap.drained;
      expect(swap.report()).toMatchObject({ to: String(version), requestsFailed: 0 });
    }
    swapping = false;
    await Promise.all(callers);
    expect(versions.size).toBeGreaterThanOrEqual(2);
    expect(serving.scheduler.requests).toBe(0);
    expect(serving.models.status("tiny").versions).toHaveLength(1);
  });

  it("stops no timer of the main thread while a batch runs", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await Promise.all(Array.from({ length: 64 }, (_, i) => classify(i)));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
  });
});
