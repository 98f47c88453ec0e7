import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTaskEvaluator } from "../../src/training/evaluation/evaluate.ts";
import { metricsOf } from "../../src/training/evaluation/head-metrics.ts";
import type { TrainingEvent } from "../../src/training/events.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
import { checkData } from "../../src/training/features/task-data.ts";
import {
  type FineTuneSpec,
  lineageOf,
  prepareFineTune,
  type RunOptions,
  runFineTune,
} from "../../src/training/fine-tune.ts";
import type { TrainingOutcome } from "../../src/training/loop.ts";
import { planFineTune } from "../../src/training/plan.ts";
import type { GivenSettings } from "../../src/training/settings/fine-tuning.ts";

const WORDS =
  "a fine and lovely film indeed dull tedious bore again who sat the cat on mat while dog slept in yard behind old house near river ? sky is blue today . red green bright dark good bad";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-fine-tune-"));
  await writeFile(
    join(directory, "tiny.json"),
    JSON.stringify({
      vocab_size: 64,
      embedding_size: 8,
      hidden_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 32,
      max_position_embeddings: 32,
    }),
  );
  await writeFile(
    join(directory, "vocab.txt"),
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...WORDS.split(" ")].join("\n"),
  );
  const rows = Array.from({ length: 24 }, (_, i) =>
    i % 2 === 0
      ? `a fine and lovely film ${"indeed ".repeat(i % 5)}\t1`
      : `a dull and tedious bore ${"again ".repeat(i % 7)}\t0`,
  );
  await writeFile(join(directory, "train.tsv"), ["sentence\tlabel", ...rows].join("\n"));
  await writeFile(join(directory, "bad.tsv"), ["sentence\tlabel", "good\t1", "bad\tnegative"].join("\n"));
  const question = (id: string, start: number, text: string) => ({
    id,
    question: "who sat?",
    answers: [{ answer_start: start, text }],
  });
  const context = "the cat sat on the mat while the dog slept in the yard behind the old house near the river";
  await writeFile(
    join(directory, "squad.json"),
    JSON.stringify({
      data: [{ title: "t", paragraphs: [{ context, qas: [question("a", 4, "cat"), question("b", 33, "dog")] }] }],
    }),
  );
  await writeFile(
    join(directory, "race.txt"),
    JSON.stringify({
      id: "high1",
      article: "The sky is blue today.",
      questions: ["The sky is _ .", "Today is _"],
      options: [
        ["red", "blue", "green"],
        ["bright", "dark", "old"],
      ],
      answers: ["B", "A"],
    }),
  );
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** What a test may vary; a setting that is `undefined` is not given. */
interface Varied extends Partial<Omit<FineTuneSpec, "data" | "given">> {
  readonly data?: Partial<FineTuneSpec["data"]>;
  readonly given?: { readonly [K in keyof GivenSettings]: GivenSettings[K] | undefined };
}

function specOf(work: string, varied: Varied = {}): FineTuneSpec {
  const { given, data, ...rest } = varied;
  return {
    data: { task: "sst-2", train: join(directory, "train.tsv"), eval: join(directory, "train.tsv"), ...data },
    version: "v2",
    start: { kind: "random", architecture: join(directory, "tiny.json"), vocabulary: join(directory, "vocab.txt") },
    given: Object.fromEntries(
      Object.entries({
        trainBatchSize: 8,
        trainStep: 12,
        saveCheckpointsSteps: 6,
        learningRate: 0.01,
        maxSeqLength: 32,
        seed: 3,
        ...given,
      }).filter(([, value]) => value !== undefined),
    ),
    executor: { kind: "onnx", device: "cpu", threads: 1 },
    work: join(directory, work),
    cache: join(directory, "cache"),
    ...rest,
  };
}

async function fineTune(spec: FineTuneSpec, options: Partial<RunOptions> = {}) {
  const events: TrainingEvent[] = [];
  const prepared = await prepareFineTune(spec);
  try {
    const outcome = await runFineTune(prepared, {
      openExecutor,
      openEvaluator: openTaskEvaluator,
      resume: false,
      onEvent: (event) => events.push(event),
      clock: () => performance.now(),
      logEvery: 1,
      ...options,
    });
    return { outcome, events, prepared };
  } finally {
    await prepared.close();
  }
}

const hexOf = ({ parameters }: TrainingOutcome) =>
  Object.fromEntries(
    [...parameters].map(([name, { data }]) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
    ]),
  );

describe("a fine-tune", () => {
  it("learns a task and evaluates it through the serving graph", async () => {
    const { outcome, events } = await fineTune(
      specOf("learns", { given: { trainStep: 40, saveCheckpointsSteps: 20 } }),
    );
    expect(outcome.metrics["eval_accuracy"]).toBe(1);
    expect(events.filter(({ kind }) => kind === "eval_result")).toHaveLength(2);
    const losses = events.flatMap((event) => (event.kind === "step_metrics" ? [event.loss] : []));
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
  });

  it("ends in the same bytes when interrupted and resumed, dropout and averages included", async () => {
    const given = { dropout: 0.1, emaDecay: 0.9, tokenBudget: 64 };
    const whole = await fineTune(specOf("whole", { given }));
    const abort = new AbortController();
    const beforeStep = (step: number) => (step === 7 ? abort.abort() : undefined);
    const cut = await fineTune(specOf("cut", { given }), { signal: abort.signal, beforeStep });
    expect(cut.outcome.progress.step).toBe(7);
    const resumed = await fineTune(specOf("cut", { given }), { resume: true });
    expect(hexOf(resumed.outcome)).toEqual(hexOf(whole.outcome));
  });

  it("ends in the same bytes however many steps one run of a graph takes", { timeout: 120_000 }, async () => {
    const given = { dropout: 0.1, trainStep: 13, saveCheckpointsSteps: 5, tokenBudget: 512 };
    const single = await fineTune(specOf("single", { given }));
    let together = 0;
    const looped = await fineTune(specOf("looped", { given: { ...given, iterationsPerLoop: 2 } }), {
      openExecutor: async (...args) => {
        const executor = await openExecutor(...args);
        const steps = executor.steps!.bind(executor); // the executor on ONNX Runtime has it
        executor.steps = (...group) => {
          together++;
          return steps(...group);
        };
        return executor;
      },
    });
    expect(together).toBeGreaterThan(0);
    expect(hexOf(looped.outcome)).toEqual(hexOf(single.outcome));
    const told = ({ events }: typeof single) =>
      events.flatMap((event) => (event.kind === "step_metrics" ? [[event.step, event.loss, event.learningRate]] : []));
    expect(told(looped)).toEqual(told(single));
    const evaluated = looped.events.flatMap((event) => (event.kind === "eval_result" ? [event.step] : []));
    expect(evaluated).toEqual([5, 10, 13]);
  });

  it("leaves frozen parameters as they were and moves all others", async () => {
    const { outcome, prepared } = await fineTune(specOf("frozen", { given: { freeze: ["embeddings"], trainStep: 3 } }));
    for (const [name, { data }] of outcome.parameters) {
      const same = data.every((value, at) => value === prepared.initial.parameters.get(name)!.data[at]);
      expect([name, same]).toEqual([name, name.includes("embeddings")]);
    }
  });

  describe("that unfreezes", () => {
    const grouped = () => ({
      start: {
        kind: "random",
        architecture: join(directory, "grouped.json"),
        vocabulary: join(directory, "vocab.txt"),
      } as const,
    });
    beforeAll(async () => {
      const tiny = JSON.parse(await readFile(join(directory, "tiny.json"), "utf8"));
      await writeFile(join(directory, "grouped.json"), JSON.stringify({ ...tiny, num_hidden_groups: 2 }));
    });
    const groupOf = (name: string) => /group_\d/.exec(name)?.[0] ?? (/embedding/.test(name) ? "embeddings" : "head");

    it("lets one group of layers after the other learn, from the head downwards", { timeout: 60_000 }, async () => {
      const expected = ["head", "group_1", "group_0", "embeddings"];
      for (const [stage] of expected.entries()) {
        const given = { unfreezeStep: 3, warmupStep: 0, saveCheckpointsSteps: 20 };
        const run = specOf(`unfreezes-${stage}`, { given, ...grouped() });
        const { outcome, prepared } = await fineTune(run, { maxSteps: 3 * stage + 1 });
        const moved = new Set<string>();
        for (const [name, { data }] of outcome.parameters) {
          const before = prepared.initial.parameters.get(name)!.data;
          if (data.some((value, at) => value !== before[at])) moved.add(groupOf(name));
        }
        expect([...moved].sort()).toEqual(expected.slice(0, stage + 1).sort());
      }
    });

    it("ends in the same bytes when interrupted in any stage and resumed", { timeout: 60_000 }, async () => {
      const given = {
        unfreezeStep: 3,
        dropout: 0.1,
        emaDecay: 0.9,
        optimizer: "adamw-corrected",
        iterationsPerLoop: 2,
      } as const;
      const whole = await fineTune(specOf("unfreezes", { given, ...grouped() }));
      for (const at of [2, 6, 8]) {
        const abort = new AbortController();
        const beforeStep = (step: number) => (step >= at ? abort.abort() : undefined);
        const spec = specOf(`unfreezes-cut-${at}`, { given, ...grouped() });
        const cut = await fineTune(spec, { signal: abort.signal, beforeStep });
        expect(cut.outcome.progress.step).toBe(at);
        const resumed = await fineTune(spec, { resume: true });
        expect(hexOf(resumed.outcome)).toEqual(hexOf(whole.outcome));
      }
    });

    it("counts passes, takes layers that share weights as one group and says so, and refuses a run that is too short", async () => {
      const shared = await prepareFineTune(specOf("shared", { given: { unfreezeEpochs: 1.5 } }));
      await shared.close();
      expect(shared.resolved.settings.unfreezeStep).toBe(5); // of 24 examples in steps of 8
      expect(shared.warnings.join()).toContain("2 layers share weights: they begin to learn together");
      await expect(prepareFineTune(specOf("short", { given: { unfreezeStep: 6 } }))).rejects.toMatchObject({
        violations: [
          { field: "unfreeze_step", description: expect.stringMatching(/after 12 steps, of 12.*at most 5 steps/) },
        ],
      });
      const headOnly = specOf("only", { given: { unfreezeStep: 2, headOnly: true } });
      await expect(prepareFineTune(headOnly)).rejects.toMatchObject({ violations: [{ field: "unfreeze_step" }] });
    });
  });

  it("draws several files in their shares, and ends in the same bytes when interrupted and resumed", {
    timeout: 60_000,
  }, async () => {
    const rows = (words: string, count: number) =>
      Array.from({ length: count }, (_, i) =>
        JSON.stringify({ text: `${words} ${"old ".repeat(i % 5)}`, label: i % 2 ? "up" : "down" }),
      );
    await writeFile(join(directory, "few.jsonl"), rows("a fine film", 6).join("\n"));
    await writeFile(join(directory, "many.jsonl"), rows("the dog slept", 60).join("\n"));
    const data = {
      task: "classification",
      train: join(directory, "few.jsonl"),
      eval: join(directory, "many.jsonl"),
      mix: { weight: 3, further: [{ path: join(directory, "many.jsonl"), weight: 1 }] },
    } as const;
    const given = { dropout: 0.1, trainStep: 20 };
    const whole = await fineTune(specOf("mixed", { data, given }));
    const { prepared } = whole;
    expect(prepared.data.train.count).toBe(66);
    const mix = { name: "mix", value: "75 % of 6, 25 % of 60" };
    expect(planFineTune(prepared).settings).toContainEqual(expect.objectContaining(mix));
    expect(lineageOf(prepared, {}).recipe).toMatchObject({ mix: [{ weight: 3 }, { weight: 1 }] });
    const few = Array.from({ length: 18 }, (_, step) =>
      prepared.source.order.microBatches(step).flatMap(({ examples }) => examples),
    ).flat();
    expect(few.filter((example) => example < 6).length / few.length).toBeCloseTo(0.75, 1);
    const abort = new AbortController();
    const beforeStep = (step: number) => (step === 13 ? abort.abort() : undefined);
    await fineTune(specOf("mixed-cut", { data, given }), { signal: abort.signal, beforeStep });
    const resumed = await fineTune(specOf("mixed-cut", { data, given }), { resume: true });
    expect(hexOf(resumed.outcome)).toEqual(hexOf(whole.outcome));
    const other = { ...data, mix: { ...data.mix, weight: 2 } };
    await expect(fineTune(specOf("mixed-cut", { data: other, given }), { resume: true })).rejects.toThrow(
      /another run/,
    );
    for (const [mix, message] of [
      [{ weight: 0, further: data.mix.further }, /weights above 0/],
      [{ weight: 2, further: [] }, /a single file has no share/],
    ] as const) {
      await expect(prepareFineTune(specOf("odd", { data: { ...data, mix } }))).rejects.toThrow(message);
    }
  });

  it("holds out the same share of every file of a mix", async () => {
    const rows = (words: string) =>
      Array.from({ length: 100 }, (_, i) => JSON.stringify({ text: `${words} ${i}`, label: i % 2 ? "up" : "down" }));
    const [a, b] = [join(directory, "a.jsonl"), join(directory, "b.jsonl")];
    await writeFile(a, rows("first").join("\n"));
    await writeFile(b, rows("second").join("\n"));
    const mix = { weight: 1, further: [{ path: b, weight: 2 }] };
    const data = await checkData({ task: "classification", train: a, mix, holdOut: { share: 0.3, seed: 1 } }, []);
    expect(data.parts!.map((part) => part.weight)).toEqual([1, 2]);
    const counts = data.parts!.map((part) => part.data.count);
    expect(counts[0]! + counts[1]!).toBe(data.train.count);
    expect(data.train.count + data.eval!.count).toBe(200);
    for (const count of counts) expect(Math.abs(count - 70)).toBeLessThan(15);
    for await (const example of data.parts![1]!.data.examples()) {
      expect(example.kind === "classification" && example.text).toMatch(/^second/);
    }
  });

  it("fits what its head decides to the evaluation data where asked, and measures with the fit", {
    timeout: 60_000,
  }, async () => {
    const rows = Array.from(
      { length: 90 },
      (_, i) => `the ${i % 3 === 0 ? "good" : "dull"} film ${"old ".repeat(i % 4)}\t${i % 5 < 2 ? 1 : 0}`,
    );
    const path = join(directory, "noisy.tsv");
    await writeFile(path, ["sentence\tlabel", ...rows].join("\n"));
    const data = { train: path, eval: path };
    const plain = await fineTune(specOf("unfitted", { data }));
    const { outcome, prepared } = await fineTune(specOf("fitted", { data, given: { calibrate: "threshold" } }));
    expect(hexOf(outcome)).toEqual(hexOf(plain.outcome));
    expect(outcome.head).toMatchObject({
      temperature: expect.any(Number),
      thresholds: [expect.any(Number), expect.any(Number)],
    });
    expect(outcome.calibrated).toMatchObject({ examples: 90, before: { log_loss: expect.any(Number) } });
    expect(outcome.metrics["eval_loss"]).toBeLessThan(plain.outcome.metrics["eval_loss"]!);
    expect(outcome.metrics["f1"]).toBeGreaterThan(plain.outcome.metrics["f1"]!);
    expect(lineageOf(prepared, outcome).calibrated).toEqual(outcome.calibrated);
    const few = specOf("few", { given: { calibrate: "temperature" } });
    await expect(prepareFineTune(few)).rejects.toMatchObject({
      violations: [{ field: "calibrate", description: "needs evaluation data of at least 50 examples, got 24" }],
    });
  });

  it("hands the chosen loss and the decay of layers to its steps", async () => {
    const given = { labelSmoothing: 0.1, classWeights: ["1=3"], layerDecay: 0.8 };
    const prepared = await prepareFineTune(specOf("loss", { given }));
    await prepared.close();
    expect(prepared.stepSpec.optimizer.layerDecay).toBe(0.8);
    expect(prepared.stepSpec.loss).toEqual({ labelSmoothing: 0.1, focalGamma: 0, classWeights: [1, 3] });
    const plain = await prepareFineTune(specOf("plain-loss"));
    await plain.close();
    expect(plain.stepSpec.loss).toBeUndefined();
  });

  it("draws parameters anew where asked, and reports them", async () => {
    const prepared = await prepareFineTune(specOf("anew", { given: { reinitialize: ["pooler"] } }));
    await prepared.close();
    expect(prepared.initialised.filter((name) => name.includes("pooler"))).toHaveLength(2);
  });

  it("averages weights so that a short run is as good with it as without", async () => {
    const given = { trainStep: 40, saveCheckpointsSteps: 20, emaDecay: 0.999 };
    const { outcome } = await fineTune(specOf("averages", { given }));
    expect(outcome.metrics["eval_accuracy"]).toBe(1);
  });

  it("sees every example as often as its passes say, and counts so everywhere", async () => {
    const given = { numTrainEpochs: 3, trainBatchSize: 7, trainStep: undefined, saveCheckpointsSteps: 5 };
    const { outcome, events, prepared } = await fineTune(specOf("passes", { given }));
    expect(outcome.progress).toMatchObject({ step: 12, examplesSeen: 3 * 24 });
    expect(planFineTune(prepared)).toMatchObject({ steps: 12, epochs: 3 });
    expect(events.flatMap((event) => (event.kind === "step_metrics" ? [event.epoch] : [])).at(-1)).toBe(3);
  });

  it("passes over every window of long contexts, not as many times as there are questions", async () => {
    const file = join(directory, "squad.json");
    const given = { numTrainEpochs: 2, trainBatchSize: 1, trainStep: undefined, docStride: 4, maxSeqLength: 16 };
    const data = { task: "squad-v1", train: file, eval: file } as const;
    const prepared = await prepareFineTune(specOf("windows", { data, given }));
    await prepared.close();
    const windows = prepared.features.lengths.length;
    expect(windows).toBeGreaterThan(2);
    expect(prepared.resolved.settings.trainStep).toBe(2 * windows);
  });

  it("chooses a metric that fits the problem, tests rates where none is known, and says what came of it", async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `the cat sat ${"old ".repeat(i % 4)},${i % 4}`);
    const path = join(directory, "scores.csv");
    await writeFile(path, ["text,score", ...rows].join("\n"));
    const data = { task: "classification", train: path, eval: path, problemType: "regression" } as const;
    const given = { trainStep: 200, learningRate: undefined };
    const spec = specOf("regression", { data: { ...data, columns: { label: "score" } }, given });
    const prepared = await prepareFineTune(spec, undefined, openExecutor);
    expect(prepared.resolved.settings.metric).toBe("pearson");
    expect(prepared.resolved.reasons.learningRate).toMatch(/range test|random weights/);
    expect(await readFile(join(directory, "regression/range-test.json"), "utf8")).toContain('"tried"');
    await prepared.close();
  });

  for (const [task, file] of [
    ["sst-2", "train.tsv"],
    ["squad-v1", "squad.json"],
    ["squad-v2", "squad.json"],
    ["race", "race.txt"],
  ] as const) {
    it(`trains only the head of ${task} on cached outputs of the trunk`, async () => {
      const data = join(directory, file);
      const given = { headOnly: true, trainStep: 4, docStride: 8, saveCheckpointsSteps: 4 };
      const { outcome, prepared } = await fineTune(
        specOf(`head-${task}`, { data: { task, train: data, eval: data }, given }),
      );
      const moved = [...outcome.parameters].filter(([name, { data: values }]) =>
        values.some((value, at) => value !== prepared.initial.parameters.get(name)!.data[at]),
      );
      expect(moved.length).toBeGreaterThan(0);
      for (const [name] of moved) expect(name.startsWith("bert/")).toBe(false);
    });

    it(`trains the whole of ${task} and reports every metric it promised`, async () => {
      const data = join(directory, file);
      const given = { trainStep: 4, docStride: 8, saveCheckpointsSteps: 4 };
      const { events, prepared } = await fineTune(
        specOf(`all-${task}`, { data: { task, train: data, eval: data }, given }),
      );
      const result = events.find((event) => event.kind === "eval_result")!;
      expect(Object.keys(result.kind === "eval_result" ? result.metrics : {})).toEqual(
        expect.arrayContaining([...metricsOf(prepared.head)]),
      );
    });
  }

  it("plans what it would do without a step", async () => {
    const prepared = await prepareFineTune(specOf("planned"));
    const plan = planFineTune(prepared);
    await prepared.close();
    expect(plan).toMatchObject({ examples: 24, steps: 12, epochs: 4 });
    expect(plan.settings).toContainEqual({ name: "learning_rate", value: "0.01", origin: "given" });
    expect(plan.settings.find(({ name }) => name === "clip_norm")?.origin).toMatch(/official/);
  });
});

describe("a fine-tune is refused before its first step", () => {
  it("for a wrong label, with its line", async () => {
    await expect(prepareFineTune(specOf("label", { data: { train: join(directory, "bad.tsv") } }))).rejects.toThrow(
      /bad\.tsv:3/,
    );
  });

  it("for a metric that evaluation will not report", async () => {
    await expect(fineTune(specOf("metric", { given: { metric: "accuracy" } }))).rejects.toThrow(
      /did you mean eval_accuracy/,
    );
  });

  it("for a metric of another problem", async () => {
    const given = { metric: "pearson" };
    await expect(prepareFineTune(specOf("pearson", { given }))).rejects.toThrow(/reports eval_accuracy.*not pearson/);
  });

  it("for early stopping without evaluation data", async () => {
    const spec = specOf("patience", { given: { patience: 2 } });
    await expect(fineTune({ ...spec, data: { task: "sst-2", train: spec.data.train } })).rejects.toThrow(
      /early stopping needs evaluation data/,
    );
  });

  it("for a loss that its head does not have", async () => {
    const squad = join(directory, "squad.json");
    const spec = specOf("smoothed", {
      data: { task: "squad-v1", train: squad, eval: squad },
      given: { labelSmoothing: 0.1 },
    });
    await expect(prepareFineTune(spec)).rejects.toMatchObject({
      violations: [{ field: "label_smoothing", description: expect.stringContaining("with one label a text") }],
    });
  });

  it("for a frozen name that no parameter has", async () => {
    await expect(prepareFineTune(specOf("name", { given: { freeze: ["embedings"] } }))).rejects.toThrow(/embedings/);
  });

  it("for a checkpoint of another run", async () => {
    const abort = new AbortController();
    await fineTune(specOf("other"), {
      signal: abort.signal,
      beforeStep: (step) => (step === 2 ? abort.abort() : undefined),
    });
    await expect(fineTune(specOf("other", { given: { learningRate: 0.02 } }), { resume: true })).rejects.toThrow(
      /belong to another run: settings changed/,
    );
    expect(await readFile(join(directory, "other/checkpoints/step-000000002/manifest.json"), "utf8")).toContain(
      '"step":2',
    );
  });
});

describe("the data of a run", () => {
  it("holds out a part of the training data where no evaluation data is given, and never trains on it", async () => {
    const rows = Array.from(
      { length: 60 },
      (_, i) => `{"text": "text number ${i} here", "label": "${i % 2 === 0 ? "even" : "odd"}"}`,
    );
    await writeFile(join(directory, "own.jsonl"), rows.join("\n"));
    const spec = {
      task: "classification",
      train: join(directory, "own.jsonl"),
      holdOut: { share: 0.3, seed: 1 },
    } as const;
    const data = await checkData(spec, []);
    expect(data.head).toEqual({
      name: "classification",
      kind: "classification",
      problemType: "single-label",
      labels: ["even", "odd"],
    });
    expect(data.train.count + data.eval!.count).toBe(60);
    expect(data.eval!.count).toBeGreaterThan(5);
    const idsOf = async (examples: AsyncIterable<{ readonly id: string }>) => {
      const ids = new Set<string>();
      for await (const { id } of examples) ids.add(id);
      return ids;
    };
    const trained = await idsOf(data.train.examples());
    for (const id of await idsOf(data.eval!.examples())) expect(trained.has(id)).toBe(false);
  });

  it("goes on with the model's own head where the labels are the same, whatever their order", async () => {
    const own = { name: "mood", kind: "classification", problemType: "single-label", labels: ["1", "0"] } as const;
    const spec = {
      task: "classification",
      train: join(directory, "train.tsv"),
      columns: { text: "sentence" },
    } as const;
    expect((await checkData(spec, [own])).head).toEqual(own);
    expect((await checkData(spec, [{ ...own, labels: ["1", "0", "2"] }])).head.name).toBe("classification");
  });

  it("is refused with every problem and its place at once", async () => {
    const path = join(directory, "broken.jsonl");
    await writeFile(path, ['{"text": "fine", "label": "a"}', '{"text": "", "label": "b"}', "{not json"].join("\n"));
    await expect(checkData({ task: "classification", train: path }, [])).rejects.toThrow(
      /2 of 3 rows cannot be used.*broken\.jsonl:2.*broken\.jsonl:3/s,
    );
  });
});
