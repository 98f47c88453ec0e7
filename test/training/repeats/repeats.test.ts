import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTaskEvaluator } from "../../../src/training/evaluation/evaluate.ts";
import type { TrainingEvent } from "../../../src/training/events.ts";
import { openExecutor } from "../../../src/training/executors/open-executor.ts";
import { type FineTuneSpec, lineageOf, prepareFineTune, type RunOptions } from "../../../src/training/fine-tune.ts";
import { repeatsOf } from "../../../src/training/repeats/repeats.ts";
import { type RepeatedOutcome, runRepeats } from "../../../src/training/repeats/run-repeats.ts";
import type { GivenSettings } from "../../../src/training/settings/fine-tuning.ts";

const WORDS = "a fine and lovely film dull tedious bore again good bad old house river cat dog".split(" ");
const directory = mkdtempSync(join(tmpdir(), "albert-repeats-"));
const path = (name: string) => join(directory, name);
beforeAll(() => {
  const tiny = {
    ...{ vocab_size: 64, embedding_size: 4, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 },
    ...{ intermediate_size: 8, max_position_embeddings: 16 },
  };
  writeFileSync(path("tiny.json"), JSON.stringify(tiny));
  writeFileSync(path("vocab.txt"), ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...WORDS].join("\n"));
  const row = (i: number) => {
    const words = [WORDS[i % 16], WORDS[(i * 7) % 16], WORDS[(i * 3 + 5) % 16]].join(" ");
    return JSON.stringify({
      text: `${words} ${"old ".repeat(i % 4)}${["good", "dull", "bad"][i % 3]}`,
      label: i % 4 === 0 ? "up" : "down",
    });
  };
  writeFileSync(path("rows.jsonl"), Array.from({ length: 48 }, (_, i) => row(i)).join("\n"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function specOf(work: string, given: GivenSettings = {}): FineTuneSpec {
  return {
    data: {
      task: "classification",
      train: path("rows.jsonl"),
      ...(given.folds === undefined ? { holdOut: { share: 0.3, seed: 1 } } : {}),
    },
    version: "v2",
    start: { kind: "random", architecture: path("tiny.json"), vocabulary: path("vocab.txt") },
    given: {
      ...{ trainBatchSize: 8, trainStep: 8, saveCheckpointsSteps: 4, learningRate: 0.02, maxSeqLength: 16, seed: 7 },
      ...{ dropout: 0.1, ...given },
    },
    executor: { kind: "onnx", device: "cpu", threads: 1 },
    work: path(work),
    cache: path("cache"),
  };
}

async function run(spec: FineTuneSpec, more: Partial<RunOptions> = {}) {
  const repeats = repeatsOf(spec);
  const events: TrainingEvent[] = [];
  const first = await prepareFineTune(repeats[0]!.spec);
  try {
    const outcome = await runRepeats(repeats, first, {
      ...{ openExecutor, openEvaluator: openTaskEvaluator, resume: false, logEvery: 1, work: spec.work },
      ...{ clock: () => performance.now(), onEvent: (event: TrainingEvent) => events.push(event) },
      prepare: (repeat) => prepareFineTune(repeat.spec),
      ...more,
    });
    return { outcome, events };
  } finally {
    await first.close();
  }
}

const bytesOf = ({ parameters }: RepeatedOutcome) =>
  Object.fromEntries(
    [...parameters].map(([name, { data }]) => [name, Buffer.from(data.slice().buffer).toString("base64")]),
  );

describe("several seeds", { timeout: 120_000 }, () => {
  it("are runs like those of each seed alone, of which the best or the median is kept", async () => {
    const alone = [];
    for (const seed of [7, 8, 9])
      alone.push((await run(specOf(`alone-${seed}`, { seed, metric: "eval_loss" }))).outcome);
    const best = await run(specOf("best", { seeds: 3, metric: "eval_loss" }));
    const { repeats } = best.outcome;
    const values = alone.map(({ metrics }) => metrics["eval_loss"]!);
    expect(repeats!.runs.map(({ name, metrics }) => [name, metrics["eval_loss"]])).toEqual(
      values.map((value, i) => [`seed-${7 + i}`, value]),
    );
    const order = [0, 1, 2].sort((a, b) => values[a]! - values[b]!);
    expect(repeats).toMatchObject({ published: `seed-${7 + order[0]!}`, publishedAs: "best", metric: "eval_loss" });
    const chosen = await run(specOf("alone-again", { seed: 7 + order[0]!, metric: "eval_loss" }));
    expect(bytesOf(best.outcome)).toEqual(bytesOf(chosen.outcome));

    const mean = values.reduce((sum, value) => sum + value, 0) / 3;
    expect(best.outcome.metrics["eval_loss_mean"]).toBeCloseTo(mean, 12);
    expect(best.outcome.metrics["eval_loss_low"]).toBeLessThan(mean);
    expect(best.outcome.metrics["eval_loss_high"]).toBeGreaterThan(mean);
    expect(JSON.parse(readFileSync(path("best/repeats.json"), "utf8"))).toEqual(repeats);
    expect(lineageOf(best.outcome.prepared, best.outcome)).toMatchObject({ repeats, recipe: { seed: 7 + order[0]! } });
    const steps = best.events.flatMap((event) => (event.kind === "step_metrics" ? [event.step] : []));
    expect(steps).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));

    // The runs are there: another choice among them takes no step.
    const median = await run(specOf("best", { seeds: 3, metric: "eval_loss", publish: "median" }), { resume: true });
    expect(median.outcome.repeats!.published).toBe(`seed-${7 + order[1]!}`);
    expect(median.events.filter(({ kind }) => kind === "step_metrics")).toEqual([]);
  });

  it("end in the same bytes when interrupted in any run and resumed", async () => {
    const whole = await run(specOf("whole", { seeds: 2, emaDecay: 0.9 }));
    for (const at of [3, 11]) {
      const abort = new AbortController();
      const cut = await run(specOf(`cut-${at}`, { seeds: 2, emaDecay: 0.9 }), {
        signal: abort.signal,
        beforeStep: (step) => (step >= at ? abort.abort() : undefined),
      });
      expect(cut.outcome.stoppedBy).toBe("aborted");
      const resumed = await run(specOf(`cut-${at}`, { seeds: 2, emaDecay: 0.9 }), { resume: true });
      expect(bytesOf(resumed.outcome)).toEqual(bytesOf(whole.outcome));
      expect(resumed.outcome.repeats).toEqual(whole.outcome.repeats);
    }
  });

  it("keep to the bound on steps of all runs, and leave a run out that it cuts short", async () => {
    const { outcome, events } = await run(specOf("bounded", { seeds: 3 }), { maxSteps: 12 });
    expect(outcome.repeats!.runs.map(({ name }) => name)).toEqual(["seed-7"]);
    expect(events.filter(({ kind }) => kind === "step_metrics")).toHaveLength(12);
  });

  it("are refused without evaluation data to compare them by", () => {
    const spec = specOf("none", { seeds: 2 });
    expect(() => repeatsOf({ ...spec, data: { task: "classification", train: path("rows.jsonl") } })).toThrow(
      /several runs are compared by evaluation data/,
    );
  });
});

describe("folds", { timeout: 120_000 }, () => {
  it("are each held out by one run, whose answers to them are written", async () => {
    const spec = specOf("folds", { folds: 3 });
    const { outcome } = await run(spec);
    const rows = readFileSync(path("folds/out_of_fold.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows).toHaveLength(48);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(48);
    expect(outcome.predictionFiles).toContain(path("folds/out_of_fold.jsonl"));
    for (const [index, { name, metrics }] of outcome.repeats!.runs.entries()) {
      expect(name).toBe(`fold-${index + 1}`);
      const own = rows.filter(({ fold }) => fold === index + 1);
      expect(own.length).toBe(16);
      expect(own.filter(({ right }) => right === "up")).toHaveLength(4);
      const right = own.filter((row) => row.right === row.predicted).length;
      expect(right / 16).toBeCloseTo(metrics["eval_accuracy"]!, 12);
      expect(own[0].probabilities.up + own[0].probabilities.down).toBeCloseTo(1, 9);
    }
    const [fold] = repeatsOf(spec);
    const prepared = await prepareFineTune(fold!.spec);
    await prepared.close();
    const trained = new Set<string>();
    for await (const { id } of prepared.data.train.examples()) trained.add(id);
    expect(trained.size).toBe(32);
    for (const { id } of rows.filter((row) => row.fold === 1)) expect(trained.has(id)).toBe(false);
  });

  it("leave alone what is held out besides, for others to compare by", async () => {
    const spec = specOf("besides", { folds: 3 });
    const held = { ...spec, data: { ...spec.data, holdOut: { share: 0.3, seed: 1 } } };
    const ids = async (examples: AsyncIterable<{ readonly id: string }>) => {
      const found: string[] = [];
      for await (const { id } of examples) found.push(id);
      return found;
    };
    const whole = await prepareFineTune(specOf("held"));
    await whole.close();
    const kept = new Set(await ids(whole.data.eval!.examples()));
    const seen: string[] = [];
    for (const repeat of repeatsOf(held)) {
      const prepared = await prepareFineTune(repeat.spec);
      await prepared.close();
      seen.push(...(await ids(prepared.data.eval!.examples())));
      for (const id of await ids(prepared.data.train.examples())) expect(kept.has(id)).toBe(false);
    }
    expect(seen.length + kept.size).toBe(48);
    for (const id of seen) expect(kept.has(id)).toBe(false);
  });

  it("are refused for phrases of one another", () => {
    const spec = specOf("phrases", { folds: 2 });
    expect(() => repeatsOf({ ...spec, data: { task: "sst-2", train: "x" } })).toThrow(/phrases of one another/);
  });
});
