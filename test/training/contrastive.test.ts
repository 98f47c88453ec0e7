import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluateForGate } from "../../src/deployment/gate/gate-evaluation.ts";
import { openModelDirectory } from "../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../src/model/directory/write-model-directory.ts";
import { headsOf } from "../../src/model/heads.ts";
import { GATE_RULES } from "../../src/report/comparison/compare.ts";
import { openTaskEvaluator } from "../../src/training/evaluation/evaluate.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
import {
  encodingOf,
  type FineTuneSpec,
  lineageOf,
  prepareFineTune,
  runFineTune,
} from "../../src/training/fine-tune.ts";
import { planFineTune } from "../../src/training/plan.ts";
import type { GivenSettings } from "../../src/training/settings/fine-tuning.ts";
import { expectClose } from "../support/closeness.ts";
import {
  CONTRASTIVE,
  randomBatch,
  randomNumbers,
  SIZES,
  TINY,
  tinySpec,
  tinyState,
  WITH_DROPOUT,
} from "./tiny-training.ts";

/** Things with two names each: texts of the one kind of name belong to texts of the other. */
const THINGS = 10;
const names = (kind: "a" | "b") => Array.from({ length: THINGS }, (_, i) => `${kind}${i}`);

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-contrastive-"));
  await writeFile(
    join(directory, "tiny.json"),
    JSON.stringify({
      ...{ vocab_size: 32, embedding_size: 16, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 },
      ...{ intermediate_size: 32, max_position_embeddings: 16 },
    }),
  );
  const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...names("a"), ...names("b")];
  await writeFile(join(directory, "vocab.txt"), words.join("\n"));
  const rows: string[] = [];
  for (let i = 0; i < THINGS; i++) {
    for (let j = i + 1; j < THINGS; j++) rows.push(`a${i} a${j},b${j} b${i},b${(i + 3) % THINGS} b${j}`);
  }
  await writeFile(join(directory, "triplets.csv"), ["anchor,positive,negative", ...rows].join("\n"));
  const pairs = rows.map((row) => row.split(",").slice(0, 2).join(","));
  await writeFile(join(directory, "pairs.csv"), ["query,passage", ...pairs].join("\n"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function specOf(work: string, given: GivenSettings, data: Partial<FineTuneSpec["data"]> = {}): FineTuneSpec {
  return {
    data: { task: "contrastive", train: join(directory, "pairs.csv"), holdOut: { share: 0.3, seed: 1 }, ...data },
    version: "v2",
    start: { kind: "random", architecture: join(directory, "tiny.json"), vocabulary: join(directory, "vocab.txt") },
    given: {
      trainBatchSize: 16,
      trainStep: 150,
      saveCheckpointsSteps: 150,
      learningRate: 0.01,
      dropout: 0,
      seed: 3,
      ...given,
    },
    executor: { kind: "onnx", device: "cpu", threads: 1 },
    work: join(directory, work),
    cache: join(directory, "cache"),
  };
}

/** Metrics on the held-out pairs before and after training. */
async function trained(spec: FineTuneSpec) {
  const prepared = await prepareFineTune(spec);
  try {
    const evaluator = await openTaskEvaluator(prepared);
    const before = await evaluator.run(prepared.initial.parameters, 0);
    const outcome = await runFineTune(prepared, {
      ...{ openExecutor, openEvaluator: openTaskEvaluator, resume: false, onEvent: () => {} },
      ...{ clock: () => performance.now(), logEvery: 10 },
    });
    return { before, after: outcome.metrics, outcome, prepared };
  } finally {
    await prepared.close();
  }
}

describe("contrastive training", () => {
  it.each([
    ["pairs", "ranking", {}],
    ["triplets and first tokens", "ranking", { pooling: "cls", train: "triplets.csv" }],
    ["a margin", "triplet", { train: "triplets.csv" }],
  ] as const)(
    "finds held-out partners that it did not find before, by %s (%s)",
    async (name, contrastiveLoss, more) => {
      const { train = "pairs.csv", ...given } = more as { train?: string; pooling?: "cls" };
      const spec = specOf(name, { contrastiveLoss, ...given }, { train: join(directory, train) });
      const { before, after, outcome, prepared } = await trained(spec);
      expect(before["recall_at_1"]).toBeLessThan(0.4);
      expect(after["recall_at_1"]).toBeGreaterThan(0.8);
      expect(after["mrr"]).toBeGreaterThanOrEqual(after["recall_at_1"]!);
      expect(outcome.findings).toEqual([]);
      expect(outcome.predictionFiles.some((file) => file.endsWith("predictions.jsonl"))).toBe(true);
      const pooling = given.pooling ?? "mean";
      expect(encodingOf(prepared)).toEqual({ encoding: { pooling, normalize: true } });
      expect(headsOf(outcome.head)).toEqual([]);
      expect(lineageOf(prepared, outcome).recipe).toMatchObject({ task: "contrastive", contrastiveLoss, pooling });
    },
  );

  it("makes a sentence encoder, which the gate compares by the partners that it finds", async () => {
    const { outcome, prepared } = await trained(specOf("gate", {}));
    const write = (name: string, parameters: typeof outcome.parameters) =>
      writeModelDirectory(join(directory, name), {
        ...{ name, config: prepared.start.config, vocabulary: prepared.start.vocabulary, heads: [], parameters },
        ...encodingOf(prepared),
      });
    await write("candidate", outcome.parameters);
    await write("champion", prepared.initial.parameters);
    const model = await openModelDirectory(join(directory, "candidate"));
    expect(model.manifest.encoding).toEqual({ pooling: "mean", normalize: true });
    const found = await evaluateForGate(
      {
        ...{ task: "contrastive", rules: { ...GATE_RULES, minExamples: 10 }, background: false },
        candidate: join(directory, "candidate"),
        champion: join(directory, "champion"),
        data: { kind: "whole", path: join(directory, "pairs.csv") },
        engine: { device: "cpu", threads: 1 },
      },
      new AbortController().signal,
    );
    expect(found).toMatchObject({ metric: "mrr", champion: { comparison: { better: true } } });
    expect(found.evaluation.kind).toBe("retrieval");
    expect(found.trivial).toBeUndefined();
  });

  it("lets all texts of a step meet, and says how a text becomes a vector", async () => {
    const prepared = await prepareFineTune(specOf("plan", {}));
    try {
      const plan = planFineTune(prepared);
      const setting = (name: string) => plan.settings.find((one) => one.name === name)?.value;
      expect(prepared.source.order.microBatches(0)).toHaveLength(1);
      expect([setting("pooling"), setting("similarity_scale"), setting("metric")]).toEqual(["mean", "20", "mrr"]);
    } finally {
      await prepared.close();
    }
  });

  it("refuses what it has no use for, and others refuse what is its own", async () => {
    await expect(prepareFineTune(specOf("head", { headOnly: true }))).rejects.toThrow(/head_only: is about a head/);
    await expect(prepareFineTune(specOf("margin", { tripletMargin: 0.3 }))).rejects.toThrow(
      /triplet_margin: belongs to the other/,
    );
    await expect(prepareFineTune(specOf("smooth", { labelSmoothing: 0.1 }))).rejects.toThrow(/label_smoothing/);
    await expect(prepareFineTune(specOf("fit", { calibrate: "temperature" }))).rejects.toThrow(/nothing to fit/);
    const other = specOf("other", { similarityScale: 10 }, { task: "sst-2" });
    await writeFile(join(directory, "sst.tsv"), "sentence\tlabel\na1\t1\nb1\t0\n");
    const spec = {
      ...other,
      data: { ...other.data, train: join(directory, "sst.tsv"), eval: join(directory, "sst.tsv") },
    };
    await expect(prepareFineTune(spec)).rejects.toThrow(/similarity_scale: belongs to the task contrastive/);
    const taught = { ...specOf("taught", {}), distillation: { teacher: directory, given: {} } };
    await expect(prepareFineTune(taught)).rejects.toThrow(/a teacher teaches sst-2/);
  });

  it("gives the same numbers on both executors, dropout included", async () => {
    const batches = [1, 2].map(() => randomBatch(CONTRASTIVE, SIZES, randomNumbers(21)));
    const spec = tinySpec(CONTRASTIVE, { config: WITH_DROPOUT });
    const results = [];
    for (const kind of ["onnx", "tfjs"] as const) {
      const executor = await openExecutor(spec, tinyState(TINY, []), { kind, device: "cpu", threads: 1 });
      try {
        const steps = [];
        for (const [step, batch] of batches.entries()) {
          steps.push(await executor.step([batch], { learningRate: 1e-3, seed: [5, step] }));
        }
        results.push({ steps, after: await executor.snapshot() });
      } finally {
        await executor.close();
      }
    }
    const [onnx, tfjs] = results as [(typeof results)[0], (typeof results)[0]];
    expectClose(
      onnx.steps.map(({ loss }) => loss),
      tfjs.steps.map(({ loss }) => loss),
      { relative: 1e-5 },
      "losses",
    );
    expect(onnx.steps.map(({ metrics }) => metrics["weight"])).toEqual([4, 4]);
    for (const [name, { data }] of tfjs.after.parameters) {
      expectClose(onnx.after.parameters.get(name)!.data, data, { absolute: 2e-4 }, name);
    }
  });
});
