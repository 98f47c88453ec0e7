import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { JobSpec } from "../../../src/jobs/job-spec.ts";
import { NO_OP_CONTROL } from "../../../src/jobs/runner/job-control.ts";
import { removeSpentFiles } from "../../../src/jobs/runner/publish-result.ts";
import type { ResolvedSpec } from "../../../src/jobs/runner/resolved-spec.ts";
import { planJob, runJob } from "../../../src/jobs/runner/run-job.ts";
import { openModelDirectory } from "../../../src/model/directory/open-model-directory.ts";
import { writeModelDirectory } from "../../../src/model/directory/write-model-directory.ts";
import { tinyText } from "../../support/english.ts";
import { missing } from "../../support/fixtures.ts";
import { tinyModel } from "../../support/models/tiny-model.ts";
import { ALL_HEADS, writeTinyModel } from "../../support/models/tiny-model-directory.ts";

const base = mkdtempSync(join(tmpdir(), "albert-plans-"));
const text = join(base, "text.txt");
const rows = join(base, "rows.jsonl");
let model: string;
const withoutTrainer = missing(
  "spm_train (Debian package sentencepiece)",
  spawnSync("spm_train", ["--version"]).error === undefined,
);

beforeAll(async () => {
  model = await writeTinyModel(ALL_HEADS.filter(({ kind, name }) => kind !== "classification" || name === "sentiment"));
  writeFileSync(
    text,
    tinyText(60, (document) => 4 + (document % 5)),
  );
  const row = (i: number) => JSON.stringify({ text: `good day ${i}`, label: i % 2 === 0 ? "positive" : "negative" });
  writeFileSync(rows, Array.from({ length: 100 }, (_, i) => row(i)).join("\n"));
  await mkdir(join(base, "job"));
});
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** The plan of a job of some kind, and what planning left in the job's directory. */
async function planOf(kind: JobSpec["kind"], data: object, more: Partial<JobSpec> = {}) {
  const directory = join(base, "job");
  const spec: JobSpec = {
    ...{ kind, model: "m", task: "", init: "", recipe: {}, seed: 1, promote: "manual" },
    ...{ priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {} },
    ...more,
  };
  const start = { kind: "checkpoint", path: model } as const;
  const executor = { kind: "onnx", device: "cpu", threads: 1 } as const;
  const cache = join(base, "cache");
  const plan = await planJob({ jobId: "", spec, start, ...data, directory, cache, executor, program: "test" });
  return { ...plan, values: Object.fromEntries(plan.settings.map(({ name, value }) => [name, value])) };
}

describe("a plan", { timeout: 120_000 }, () => {
  it("of a pretraining counts steps and tokens, and measures time and memory", async () => {
    const recipe = {
      ...{ num_train_steps: "40", num_warmup_steps: "4", train_batch_size: "6", max_seq_length: "32" },
      ...{ token_budget: "64", curriculum: "16:0.5", held_out: "0.1" },
    };
    const plan = await planOf("pretrain", { train: text }, { recipe });
    expect(plan.problems).toEqual([]);
    expect(plan.steps).toBe(40);
    // Half of the steps have at most 6 x 16 tokens, the others at most 6 x 32.
    expect(plan.tokens).toBeGreaterThan(40 * 6 * 8);
    expect(plan.tokens).toBeLessThanOrEqual(20 * 6 * 16 + 20 * 6 * 32);
    expect(plan.paddingShare).toBeGreaterThan(0);
    expect(plan.paddingShare).toBeLessThan(1);
    for (const figure of [plan.peakMemoryBytes, plan.diskBytes, plan.etaSeconds]) expect(figure).toBeGreaterThan(0);
    expect(plan.values).toMatchObject({ num_train_steps: "40", curriculum: "16:0.5", optimizer: "lamb" });
    const origins = Object.fromEntries(plan.settings.map(({ name, origin }) => [name, origin]));
    expect(origins).toMatchObject({ num_train_steps: "given", optimizer: "default" });

    const bounded = await planOf("pretrain", { train: text }, { recipe, maxSteps: 10 });
    expect(bounded.steps).toBe(10);
    expect(bounded.tokens).toBe(Math.round(plan.tokens / 4));
  });

  it("of a pretraining with a teacher shows how it teaches", async () => {
    const student = JSON.stringify({
      ...{ embedding_size: 8, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 },
      max_position_embeddings: 32,
    });
    const recipe = {
      num_train_steps: "8",
      num_warmup_steps: "1",
      train_batch_size: "4",
      max_seq_length: "32",
      student,
    };
    const data = { train: text, teacher: model, start: undefined };
    const plan = await planOf("pretrain", data, { recipe: { ...recipe, temperature: "3" }, teacher: "m@1" });
    expect(plan.problems).toEqual([]);
    expect(plan.values).toMatchObject({ temperature: "3", soft_weight: "1", hard_weight: "0.5" });
    const { values } = await planOf("pretrain", { train: text }, { recipe: { max_seq_length: "32" } });
    expect(values).not.toHaveProperty("soft_weight");
  });

  it("of an evaluation counts the rows, and estimates tokens and time from some of them", async () => {
    const plan = await planOf("evaluate", { eval: rows }, { task: "classification" });
    expect(plan.problems).toEqual([]);
    expect(plan.values).toMatchObject({ examples: "100" });
    expect(plan.tokens).toBeGreaterThan(100 * 4);
    expect(plan.etaSeconds).toBeGreaterThan(0);
  });

  it("of a conversion answers the rows twice, and says how weights would be stored", async () => {
    const evaluation = await planOf("evaluate", { eval: rows }, { task: "classification" });
    const plan = await planOf("convert", { eval: rows }, { task: "classification", recipe: { weights: "float16" } });
    expect(plan.problems).toEqual([]);
    expect(plan.values).toMatchObject({ examples: "100", weights: "float16", embeddings_apart: "false" });
    expect(plan.tokens).toBe(2 * evaluation.tokens);
  });

  it("of a quantisation checks both data sets, and says how scales would be found", async () => {
    const plan = await planOf("quantise", { train: rows, eval: rows }, { task: "classification" });
    expect(plan.problems).toEqual([]);
    expect(plan.values).toMatchObject({ examples: "100", calibration_examples: "256", max_loss: "0.005" });
    expect((await planOf("quantise", { eval: rows }, { task: "classification" })).problems).not.toEqual([]);
  });

  it.skipIf(withoutTrainer)(
    "of a vocabulary counts the lines, estimates memory, disk and time, and shows the settings that apply",
    async () => {
      const plan = await planOf("train-vocabulary", { train: text }, { recipe: { vocab_size: "60" } });
      expect(plan.problems).toEqual([]);
      for (const figure of [plan.peakMemoryBytes, plan.diskBytes, plan.etaSeconds]) expect(figure).toBeGreaterThan(0);
      expect(plan.values).toMatchObject({ vocab_size: "60", cased: "false", character_coverage: "0.99995" });
      expect(Number(plan.values["lines"])).toBeGreaterThan(200);

      const large = await planOf("train-vocabulary", { train: text }, { recipe: { vocab_size: "9000" } });
      expect(large.problems).toMatchObject([
        { where: "vocab_size", what: expect.stringMatching(/at most \d+ pieces/) },
      ]);
    },
  );

  it("of a vocabulary says when its trainer is not installed", async () => {
    vi.stubEnv("PATH", base);
    const { problems } = await planOf("train-vocabulary", { train: text });
    expect(problems).toMatchObject([
      { what: expect.stringMatching(/spm_train was not found on the PATH; install it/) },
    ]);
  });

  it("of pretraining data makes some instances to estimate the rest, and leaves nothing behind", async () => {
    const recipe = { max_seq_length: "32", dupe_factor: "2" };
    const plan = await planOf("pretraining-data", { train: text }, { recipe });
    expect(plan.problems).toEqual([]);
    for (const figure of [plan.tokens, plan.diskBytes, plan.etaSeconds]) expect(figure).toBeGreaterThan(0);
    expect(plan.values).toMatchObject({ max_seq_length: "32", dupe_factor: "2", ngram: "3" });
    expect(plan.values["instances"]).toMatch(/^about \d+$/);
    expect(await readdir(join(base, "job"))).toEqual([]);
  });

  it("tells why the job would be rejected", async () => {
    const unlabelled = join(base, "unlabelled.jsonl");
    writeFileSync(unlabelled, '{"text": "good day"}\n');
    const evaluation = await planOf("evaluate", { eval: unlabelled }, { task: "classification" });
    expect(evaluation.problems.length).toBeGreaterThan(0);
    const long = await planOf("pretrain", { train: text }, { recipe: { max_seq_length: "512" } });
    expect(long.problems).toMatchObject([{ where: "max_seq_length" }]);
  });
});

describe("an evaluation", { timeout: 120_000 }, () => {
  const evaluation = async (more: object) => {
    const spec: JobSpec = {
      ...{ kind: "evaluate", model: "m", task: "classification", init: "", recipe: {}, seed: 1, promote: "manual" },
      ...{ priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {} },
    };
    const executor = { kind: "onnx", device: "cpu", threads: 1 } as const;
    const directory = join(base, "evaluation");
    return runJob(
      {
        ...{ jobId: "j", spec, directory, cache: base, program: "p", executor, eval: rows },
        ...{ start: { kind: "checkpoint", path: model }, ...more },
      },
      NO_OP_CONTROL,
    );
  };

  it("leaves a report to be kept with the version that it measured", async () => {
    const outcome = await evaluation({ startVersion: "m@3" });
    if (outcome.kind !== "finished" || outcome.report === undefined) throw new Error(JSON.stringify(outcome));
    expect(outcome.report.version).toBe("m@3");
    expect(JSON.parse(readFileSync(outcome.report.path, "utf8"))).toMatchObject({
      ...{ kind: "single-label", model: { name: "m@3" }, data: { name: "rows.jsonl", judged: 100 } },
      figures: expect.arrayContaining([
        expect.objectContaining({ name: "eval_accuracy", value: outcome.metrics["eval_accuracy"] }),
      ]),
    });
  });

  it("leaves none about a model that is no stored version", async () => {
    expect(await evaluation({})).toEqual({ kind: "finished", metrics: expect.anything() });
  });
});

describe("a sweep", { timeout: 120_000 }, () => {
  it("is planned as its trials take steps, and a trial stops at its rung with what it is judged by", async () => {
    const recipe = { train_step: "8", train_batch_size: "8", max_seq_length: "16" };
    const sweep = { method: "halving", vary: { learning_rate: "0.001,0.002" }, trials: 2, reduction: 2 } as const;
    const plan = await planOf("sweep", { train: rows }, { task: "classification", recipe, sweep });
    expect(plan.problems).toEqual([]);
    expect(plan.steps).toBe(12);
    expect(plan.values["learning_rate"]).toMatch(/^0\.00[12]$/);
    const directory = join(base, "trial");
    await mkdir(directory);
    const spec: JobSpec = {
      ...{ kind: "fine-tune", model: "m", task: "classification", init: "", seed: 1, promote: "manual" },
      ...{ priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {}, recipe: { ...recipe, learning_rate: "0.002" } },
      trial: { sweep: "s", number: 1, shares: [0.5, 1] },
    };
    const run = (judgedBefore: number) => {
      const steps: number[] = [];
      const control = { ...NO_OP_CONTROL, beforeStep: (step: number) => void steps.push(step) };
      const start = { kind: "checkpoint", path: model } as const;
      const executor = { kind: "onnx", device: "cpu", threads: 1 } as const;
      const resolved: ResolvedSpec = {
        ...{ jobId: "j", spec, start, train: rows, directory, judgedBefore },
        ...{ cache: join(base, "cache"), executor, program: "test" },
      };
      return runJob(resolved, control).then((outcome) => ({ outcome, steps: [...new Set(steps)] }));
    };
    const first = await run(0);
    expect(first).toMatchObject({ outcome: { kind: "held", metrics: { eval_accuracy: expect.any(Number) } } });
    expect(first.steps).toEqual([0, 1, 2, 3]);
    expect(await readdir(directory)).not.toContain("model");
    const second = await run(1);
    expect(second).toMatchObject({ outcome: { kind: "finished" }, steps: [4, 5, 6, 7] });
    // As one that has been judged at its end, and is published from its checkpoint.
    expect(await run(2)).toMatchObject({ outcome: { kind: "finished" }, steps: [] });
  });
});

describe("a fine-tune of several runs", { timeout: 120_000 }, () => {
  it("leaves the chosen one with what all of them gave, and is planned as all of them", async () => {
    const recipe = {
      ...{ train_step: "4", train_batch_size: "8", max_seq_length: "16", learning_rate: "0.001", folds: "2" },
      publish: "median",
    };
    const plan = await planOf("fine-tune", { train: rows }, { task: "classification", recipe });
    expect(plan.problems).toEqual([]);
    expect(plan.steps).toBe(8);
    const directory = join(base, "folds");
    await mkdir(directory);
    const spec: JobSpec = {
      ...{ kind: "fine-tune", model: "several", task: "classification", init: "", seed: 1, promote: "manual", recipe },
      ...{ priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {} },
    };
    const outcome = await runJob(
      {
        ...{ jobId: "j", spec, start: { kind: "checkpoint", path: model }, train: rows, directory },
        ...{ cache: join(base, "cache"), executor: { kind: "onnx", device: "cpu", threads: 1 }, program: "test" },
      },
      NO_OP_CONTROL,
    );
    expect(outcome).toMatchObject({ kind: "finished", metrics: { eval_accuracy_mean: expect.any(Number) } });
    const made = await openModelDirectory(join(directory, "model"));
    expect(made.manifest.lineage?.repeats).toMatchObject({
      publishedAs: "median",
      runs: [{ name: "fold-1" }, { name: "fold-2" }],
    });
    // The gate compares on a tenth of the rows, which no fold holds.
    const predicted = readFileSync(join(directory, "work/out_of_fold.jsonl"), "utf8").trim().split("\n");
    expect(predicted.length).toBeLessThan(100);
    expect(predicted.length).toBeGreaterThan(75);
    await removeSpentFiles(directory);
    expect(await readdir(join(directory, "work/fold-1"))).not.toContain("checkpoints");
  });
});

describe("a distillation", { timeout: 120_000 }, () => {
  const recipe = {
    student: JSON.stringify({
      ...{ embedding_size: 4, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8 },
      max_position_embeddings: 32,
    }),
    ...{ train_step: "6", train_batch_size: "8", max_seq_length: "16", warmup_step: "1", learning_rate: "0.001" },
    ...{ hidden_weight: "1", student_start: "random" },
  };

  it("makes a student of its teacher, from texts with and without labels", async () => {
    const plain = join(base, "plain.csv");
    writeFileSync(plain, "text\ngood day\nbad day\n");
    const data = { teacher: model, train: rows, unlabelled: plain, start: undefined };
    const plan = await planOf("distil", data, { task: "classification", recipe, teacher: "m@1" });
    expect(plan.problems).toEqual([]);
    expect(plan.values).toMatchObject({ hidden_weight: "1", teacher_answers: "computed", layer_map: "0:0,1:2" });
    const directory = join(base, "distillation");
    await mkdir(directory);
    const spec: JobSpec = {
      ...{
        kind: "distil",
        model: "small",
        task: "classification",
        init: "",
        teacher: "m@1",
        seed: 1,
        promote: "manual",
      },
      ...{ recipe, priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {} },
    };
    const outcome = await runJob(
      {
        ...{ jobId: "j", spec, teacher: model, train: rows, unlabelled: plain, directory },
        ...{ cache: join(base, "cache"), executor: { kind: "onnx", device: "cpu", threads: 1 }, program: "test" },
      },
      NO_OP_CONTROL,
    );
    expect(outcome).toMatchObject({ kind: "finished", metrics: { eval_accuracy: expect.any(Number) } });
    const [big, small] = [await openModelDirectory(model), await openModelDirectory(join(directory, "model"))];
    expect(small.config.hiddenSize).toBe(8);
    expect(small.tokenizer.digest).toBe(big.tokenizer.digest);
    expect(small.manifest.lineage).toMatchObject({
      teacher: big.digest,
      jobId: "j",
      datasets: { unlabelled: expect.any(String) },
    });
    expect(small.manifest.lineage!.parent).toBeUndefined();
  });

  it("says what it lacks", async () => {
    const { problems } = await planOf("distil", { train: rows }, { task: "classification" });
    expect(problems).toMatchObject([{ where: "spec.teacher" }]);
  });
});

describe("a calibration", { timeout: 120_000 }, () => {
  const calibration = async (recipe: JobSpec["recipe"], name: string) => {
    const directory = join(base, name);
    await mkdir(join(directory, "model"), { recursive: true }); // what an attempt that was cut short left
    const spec: JobSpec = {
      ...{ kind: "calibrate", model: "fitted", task: "classification", init: "", seed: 1, promote: "manual", recipe },
      ...{ priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {} },
    };
    const outcome = await runJob(
      {
        ...{ jobId: "j", spec, start: { kind: "checkpoint", path: model }, eval: rows, directory },
        ...{ cache: join(base, "cache"), executor: { kind: "onnx", device: "cpu", threads: 1 }, program: "test" },
      },
      NO_OP_CONTROL,
    );
    return { outcome, output: join(directory, "model") };
  };

  it("makes the same version with the fit of its head, and tells what that changed", async () => {
    const { outcome, output } = await calibration({ fit: "threshold" }, "calibration");
    expect(outcome).toMatchObject({ kind: "finished", modelDirectory: output, metrics: { examples: 100 } });
    const [before, after] = [await openModelDirectory(model), await openModelDirectory(output)];
    expect(after.manifest.files).toEqual(before.manifest.files);
    const head = after.heads.find(({ name }) => name === "sentiment");
    expect(head).toMatchObject({
      temperature: expect.any(Number),
      thresholds: [expect.any(Number), expect.any(Number)],
    });
    const { calibrated } = after.manifest.lineage!;
    expect(calibrated).toMatchObject({ from: before.digest, task: "classification", examples: 100 });
    expect(after.manifest.metrics).toEqual(calibrated!.after);
  });

  it("is planned as one pass over its data, and refused where nothing can be fitted", async () => {
    const plan = await planOf("calibrate", { eval: rows }, { task: "classification", recipe: { fit: "threshold" } });
    expect(plan.problems).toEqual([]);
    expect(plan.values).toMatchObject({ examples: "100", fit: "threshold" });
    const few = join(base, "few.jsonl");
    writeFileSync(few, '{"text": "good day", "label": "positive"}\n');
    const directory = join(base, "few");
    const spec: JobSpec = {
      ...{ kind: "calibrate", model: "f", task: "classification", init: "", seed: 1, promote: "manual", recipe: {} },
      ...{ priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {} },
    };
    const outcome = await runJob(
      {
        ...{ jobId: "j", spec, start: { kind: "checkpoint", path: model }, eval: few, directory },
        ...{ cache: join(base, "cache"), executor: { kind: "onnx", device: "cpu", threads: 1 }, program: "test" },
      },
      NO_OP_CONTROL,
    );
    expect(JSON.stringify(outcome)).toContain("expected at least 50");
  });
});

describe("a conversion", { timeout: 120_000 }, () => {
  it("makes the same model with its weights in fewer bytes, and keeps with it what that changed", async () => {
    const directory = join(base, "conversion");
    // What an attempt that was cut short left.
    for (const left of ["work/converted", "model"]) await mkdir(join(directory, left), { recursive: true });
    const spec: JobSpec = {
      ...{ kind: "convert", model: "smaller", task: "classification", init: "", seed: 1, promote: "manual" },
      ...{
        recipe: { weights: "float16", embeddings_apart: "true" },
        priority: 0,
        maxWallSeconds: 0,
        maxSteps: 0,
        labels: {},
      },
    };
    const seen: number[] = [];
    const outcome = await runJob(
      {
        ...{ jobId: "j", spec, start: { kind: "checkpoint", path: model }, eval: rows, directory },
        ...{ cache: join(base, "cache"), executor: { kind: "onnx", device: "cpu", threads: 1 }, program: "test" },
      },
      { ...NO_OP_CONTROL, beforeStep: (step) => void seen.push(step) },
    );
    const output = join(directory, "model");
    expect(outcome).toMatchObject({ kind: "finished", modelDirectory: output, metrics: { examples: 100 } });
    expect(seen.at(-1)).toBe(200);
    const [before, after] = [await openModelDirectory(model), await openModelDirectory(output)];
    expect(after.manifest).toMatchObject({ name: "smaller", weights: "float16", heads: before.heads });
    expect(after.manifest.files).toHaveProperty(["embeddings.safetensors"]);
    const { converted } = after.manifest.lineage!;
    expect(converted).toMatchObject({
      from: before.digest,
      weights: "float16",
      measured: { task: "classification", examples: 100 },
    });
    expect(after.manifest.metrics).toEqual(converted!.measured!.after);
    expect(await readdir(join(directory, "work"))).toEqual([]);
  });

  it("finds scales of static int8 by one data set, and keeps with the version what they change on another", async () => {
    const directory = join(base, "quantisation");
    const recipe = { calibration_examples: "20", max_loss: "1" };
    const spec: JobSpec = {
      ...{ kind: "quantise", model: "rounded", task: "classification", init: "", seed: 7, promote: "manual", recipe },
      ...{ priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {} },
    };
    const seen: number[] = [];
    const outcome = await runJob(
      {
        ...{ jobId: "j", spec, start: { kind: "checkpoint", path: model }, train: rows, eval: rows, directory },
        ...{ cache: join(base, "cache"), executor: { kind: "onnx", device: "cpu", threads: 1 }, program: "test" },
      },
      { ...NO_OP_CONTROL, beforeStep: (step) => void seen.push(step) },
    );
    const output = join(directory, "model");
    expect(outcome).toMatchObject({ kind: "finished", modelDirectory: output, metrics: { examples: 100 } });
    expect(seen.at(-1)).toBe(200);
    const [before, after] = [await openModelDirectory(model), await openModelDirectory(output)];
    expect(after.parameters).toEqual(before.parameters);
    const { quantised } = after.manifest.lineage!;
    expect(quantised).toMatchObject({
      ...{ from: before.digest, task: "classification", examples: 20, seed: 7, maxLoss: 1, inFloat32: [] },
      measured: { task: "classification", examples: 100 },
    });
    expect(after.scales!.size).toBe(quantised!.products);
  });

  it("measures a sentence encoder without a head by the cosine of its vectors", async () => {
    const encoder = join(base, "encoder");
    const encoding = { pooling: "mean", normalize: true } as const;
    await writeModelDirectory(encoder, { ...tinyModel([], { vocab_size: 9 }), encoding });
    const columns = "index genre filename year old_index source1 source2 sentence1 sentence2 score".split(" ");
    const pairs = ["a b\tb\t5.0", "a\tc\t1.0", "b c\ta\t2.0"].map((pair, i) => `${i}\tg\tf\t2012\t${i}\ts\ts\t${pair}`);
    const data = join(base, "pairs.tsv");
    writeFileSync(data, `${[columns.join("\t"), ...pairs].join("\n")}\n`);
    const spec: JobSpec = {
      ...{ kind: "convert", model: "e", task: "sts-b", init: "", seed: 1, promote: "manual", recipe: {} },
      ...{ priority: 0, maxWallSeconds: 0, maxSteps: 0, labels: {} },
    };
    const directory = join(base, "encoder-conversion");
    const outcome = await runJob(
      {
        ...{ jobId: "j", spec, start: { kind: "checkpoint", path: encoder }, eval: data, directory },
        ...{ cache: join(base, "cache"), executor: { kind: "onnx", device: "cpu", threads: 1 }, program: "test" },
      },
      NO_OP_CONTROL,
    );
    expect(outcome).toMatchObject({ kind: "finished", metrics: { examples: 3, spearman: expect.any(Number) } });
  });

  it("is rejected without data that its head answers", async () => {
    const problems = (await planOf("convert", { eval: text }, { task: "classification" })).problems;
    expect(problems.length).toBeGreaterThan(0);
  });
});
