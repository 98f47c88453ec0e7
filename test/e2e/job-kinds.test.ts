import { spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { uploadDataset } from "../../src/client/upload-dataset.ts";
import {
  type Job,
  type JobEvent,
  JobKind,
  JobState,
  PromotePolicy,
  SweepMethod,
} from "../../src/gen/albert/v1/training_pb.js";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { runAlbertInto } from "../support/command-line.ts";
import { tinyText } from "../support/english.ts";
import { missing } from "../support/fixtures.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

const spmTrain = spawnSync("spm_train", ["--version"]).error === undefined;

/** Rows whose words say their label, in words of the tiny text. */
const rows = (count: number, labels: readonly [string, string] = ["animal", "plant"]) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify(
      i % 2 === 0 ? { text: `the red dog ${i}`, label: labels[0] } : { text: `a big tree ${i}`, label: labels[1] },
    ),
  ).join("\n");

describe("jobs of every kind over the admin interface", { timeout: 300_000 }, () => {
  const base = mkdtempSync(join(tmpdir(), "albert-kinds-"));
  let server: RunningServer;
  let admin: AdminClient;
  /** Digests of what was uploaded. */
  const data: Record<string, string> = {};

  beforeAll(async () => {
    server = await runServer({
      models: [],
      config: {
        store: { directory: join(base, "store"), pollMs: 50 },
        training: { threads: 1 },
      },
      openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
    });
    admin = connectAdmin(server.app.addresses.admin!, { maxAttempts: 1 });
    const files = {
      "text.txt": tinyText(40, (document) => 4 + (document % 5)),
      "one-line.txt": "the cat\n",
      "empty.txt": "\n\n",
      "rows.jsonl": rows(80),
      "others.jsonl": rows(40, ["stone", "plant"]),
      "words.txt": "[PAD] [UNK] [CLS] [SEP] [MASK] the red dog a big tree".split(" ").join("\n"),
    };
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(base, name), content);
      data[name] = (await uploadDataset(admin, join(base, name))).digest;
    }
  }, 60_000);
  afterAll(async () => {
    admin?.close();
    await server?.close();
    rmSync(base, { recursive: true, force: true });
  });

  /** Creates a job and watches it to its end. */
  async function run(
    kind: JobKind,
    train: string | undefined,
    rest: { recipe?: Record<string, string>; model?: string; init?: string; task?: string; eval?: string } = {},
  ): Promise<{ readonly job: Job; readonly events: readonly JobEvent[] }> {
    const { eval: evaluation, ...fields } = rest;
    const { job } = await admin.training.createJob({
      requestId: randomUUID(),
      spec: {
        model: "english",
        seed: 3n,
        promote: PromotePolicy.AUTO_IF_BETTER,
        ...fields,
        kind,
        ...(train === undefined ? {} : { train: { dataset: train } }),
        ...(evaluation === undefined ? {} : { eval: { dataset: evaluation } }),
      },
    });
    const events: JobEvent[] = [];
    for await (const { update } of admin.training.watchJob({ jobId: job!.id })) {
      if (update.case === "event") events.push(update.value);
    }
    return { job: (await admin.training.getJob({ jobId: job!.id })).job!, events };
  }

  const trail = (events: readonly JobEvent[]) => events.map(({ summary }) => summary).join("\n");
  const violations = (created: Promise<unknown>) =>
    created.then(
      () => [],
      (error) => error.violations.map(({ field }: { field: string }) => field).sort(),
    );

  describe.skipIf(missing("spm_train (Debian package sentencepiece)", spmTrain))("with spm_train", () => {
    it("make a vocabulary, instances, a pretrained model, and a classifier that answers and is measured", async () => {
      const vocabulary = await run(JobKind.TRAIN_VOCABULARY, data["text.txt"], { recipe: { vocab_size: "70" } });
      expect(vocabulary.job.state, trail(vocabulary.events)).toBe(JobState.SUCCEEDED);
      expect(vocabulary.job.progress!.metrics).toMatchObject({ vocab_size: 70 });

      const instances = await run(JobKind.PRETRAINING_DATA, data["text.txt"], {
        recipe: { vocabulary: vocabulary.job.dataset, dupe_factor: "2", max_seq_length: "32" },
      });
      expect(instances.job.state, trail(instances.events)).toBe(JobState.SUCCEEDED);
      const { datasets } = await admin.datasets.listDatasets({});
      const names = new Map(datasets.map(({ digest, name }) => [digest, name]));
      expect(names.get(vocabulary.job.dataset)).toBe("vocabulary.model");
      expect(names.get(instances.job.dataset)).toBe("instances.tf_record");

      const pretrained = await run(JobKind.PRETRAIN, instances.job.dataset, {
        recipe: {
          random_init: "2x128",
          vocabulary: vocabulary.job.dataset,
          num_train_steps: "4",
          num_warmup_steps: "1",
          train_batch_size: "8",
          max_seq_length: "32",
        },
      });
      expect(pretrained.job.state, trail(pretrained.events)).toBe(JobState.SUCCEEDED);
      expect(pretrained.job.modelVersion).toBe("english@1");
      expect(pretrained.events.map(({ kind }) => kind)).toEqual(
        expect.arrayContaining(["step_metrics", "checkpoint_written", "published", "gate_result"]),
      );

      const classifier = await run(JobKind.FINE_TUNE, data["rows.jsonl"], {
        model: "things",
        task: "classification",
        init: "english@1",
        eval: data["rows.jsonl"]!,
        recipe: { train_step: "20", train_batch_size: "16", learning_rate: "0.001", max_seq_length: "16" },
      });
      expect(classifier.job.state, trail(classifier.events)).toBe(JobState.SUCCEEDED);
      expect(classifier.job.modelVersion).toBe("things@1");
      const { lineage } = await admin.models.getVersion({ model: "things" });
      const { version: parent } = await admin.models.getVersion({ model: "english", version: "1" });
      expect(lineage).toMatchObject({ parent: parent!.digest, jobId: classifier.job.id });
      const got = new Map<string, { sha256: string; pieces: Uint8Array[] }>();
      for await (const { file, sha256, data } of admin.models.downloadVersion({ model: "things" })) {
        if (!got.has(file)) got.set(file, { sha256, pieces: [] });
        got.get(file)!.pieces.push(data);
      }
      expect([...got.keys()]).toContain("manifest.json");
      for (const { sha256, pieces } of got.values())
        expect(createHash("sha256").update(Buffer.concat(pieces)).digest("hex")).toBe(sha256);
      const ofJob = JSON.parse((await admin.models.getReport({ model: "things" })).reportJson);
      expect(ofJob).toMatchObject({ model: { name: "things@1" }, data: { name: "rows.jsonl" } });
      expect(ofJob.duplicates.rows).toBe(ofJob.data.judged); // it was trained on this very data
      const answer = await server.client.classify({ text: "the red dog", options: { model: "things" } });
      expect(answer.labels.map(({ label }) => label).sort()).toEqual(["animal", "plant"]);

      const measured = await run(JobKind.EVALUATE, undefined, {
        model: "things",
        task: "classification",
        eval: data["rows.jsonl"]!,
      });
      expect(measured.job.state, trail(measured.events)).toBe(JobState.SUCCEEDED);
      const { eval_accuracy: accuracy } = measured.job.progress!.metrics;
      expect(accuracy).toBe(classifier.job.progress!.metrics["eval_accuracy"]);

      const ofEvaluation = JSON.parse((await admin.models.getReport({ model: "things" })).reportJson);
      expect(ofEvaluation).toMatchObject({ model: { name: "things@1" }, data: { name: "rows.jsonl" } });
      expect(ofEvaluation.figures[0]).toMatchObject({ name: "eval_accuracy", value: accuracy });
      expect(ofEvaluation.duplicates).toBeUndefined(); // an evaluation knows nothing of the training

      const strange = await run(JobKind.EVALUATE, undefined, {
        model: "things",
        task: "classification",
        eval: data["others.jsonl"]!,
      });
      expect(strange.job.state, trail(strange.events)).toBe(JobState.REJECTED);
      expect(strange.events.at(-1)!.transition!.reason).toBe("DATA_INVALID");
      expect(trail(strange.events)).toMatch(/stone/);

      const small = await run(JobKind.PRETRAINING_DATA, data["empty.txt"], {
        recipe: { vocabulary: vocabulary.job.dataset },
      });
      expect(small.job.state).toBe(JobState.REJECTED);
      expect(small.events.at(-1)!.transition!.reason).toBe("DATA_INVALID");
      await expect(admin.datasets.deleteDataset({ digest: vocabulary.job.dataset })).resolves.toBeDefined();
    });

    it("fail when a text is too small for the vocabulary that is asked for, and say what it can give", async () => {
      const { job, events } = await run(JobKind.TRAIN_VOCABULARY, data["text.txt"], { recipe: { vocab_size: "9000" } });
      expect(job.state).toBe(JobState.FAILED);
      expect(events.at(-1)!.transition).toMatchObject({ reason: "DATA_INVALID" });
      expect(events.at(-1)!.summary).toMatch(/at most \d+ pieces/);
    });
  });

  it("try settings as jobs of their own, let the better one go on, and publish it alone", async () => {
    const create = (sweep: object, fields: object = {}) =>
      admin.training.createJob({
        requestId: randomUUID(),
        spec: {
          ...{ kind: JobKind.SWEEP, model: "tried", task: "classification", seed: 3n },
          train: { dataset: data["rows.jsonl"]! },
          recipe: {
            ...{ random_init: "2x128", vocabulary: data["words.txt"]!, train_step: "8", train_batch_size: "8" },
            ...{ max_seq_length: "16", warmup_step: "0" },
          },
          sweep: { method: SweepMethod.HALVING, vary: { learning_rate: "1e-9,0.003" }, ...sweep },
          ...fields,
        },
      });
    expect(await violations(create({ trials: 300, reduction: 99, vary: { dropout: "2" } }))).toEqual([
      "spec.sweep.reduction",
      "spec.sweep.trials",
      "spec.sweep.vary.dropout",
    ]);
    expect(await violations(create({ method: 7 }))).toEqual(["spec.sweep.method"]);
    expect(await violations(create({}, { trial: { sweepId: "s", number: 1 } }))).toEqual(["spec.trial"]);
    const { job: sweep } = await create({ trials: 2, reduction: 2 });
    const events: JobEvent[] = [];
    for await (const { update } of admin.training.watchJob({ jobId: sweep!.id })) {
      if (update.case === "event") events.push(update.value);
    }
    const table = await admin.training.getSweep({ jobId: sweep!.id });
    expect(table.job!.state, trail(events)).toBe(JobState.SUCCEEDED);
    expect(table).toMatchObject({
      ...{ metric: "eval_accuracy", lowerIsBetter: false, varied: ["learning_rate"], rungs: [0.5, 1] },
      job: { modelVersion: "tried@1" },
    });
    const [best, other] = [...table.trials].sort((a, b) => Number(b.best) - Number(a.best));
    expect(best).toMatchObject({ best: true, judged: 2, step: 8, state: JobState.SUCCEEDED });
    expect(other).toMatchObject({ best: false, judged: 1, step: 4, state: JobState.SUCCEEDED });
    expect(best!.metrics["eval_accuracy"]).toBe(best!.value);
    const { job: given } = await admin.training.getJob({ jobId: other!.jobId });
    expect(given).toMatchObject({ stoppedBy: "sweep", modelVersion: "", spec: { trial: { sweepId: sweep!.id } } });
    const { job: kept } = await admin.training.getJob({ jobId: best!.jobId });
    expect(kept!.modelVersion).toBe("tried@1");
    expect((await admin.models.listVersions({ model: "tried" })).versions).toHaveLength(1);
    await expect(admin.training.getSweep({ jobId: best!.jobId })).rejects.toMatchObject({ reason: "NOT_A_SWEEP" });
    const printed = { out: "", err: "" };
    const { admin: address } = server.app.addresses;
    expect(await runAlbertInto(printed, ["jobs", "sweep", sweep!.id, "--admin", address!])).toBe(0);
    expect(printed.out).toMatch(/^ +TRIAL +learning_rate +eval_accuracy +STEPS +STATE$/m);
    expect(printed.out).toMatch(new RegExp(`^\\* +${best!.number} +\\S+ +\\S+ +8 +succeeded +${best!.jobId}$`, "m"));
  });

  it("are refused at once when their recipe makes no sense", async () => {
    const create = (kind: JobKind, recipe: Record<string, string>, fields: object = {}) =>
      violations(
        admin.training.createJob({
          requestId: randomUUID(),
          spec: { kind, model: "english", train: { dataset: data["text.txt"]! }, recipe, ...fields },
        }),
      );
    expect(await create(JobKind.TRAIN_VOCABULARY, { vocab_size: "many", cased: "perhaps", size: "1" })).toEqual([
      "spec.recipe.cased",
      "spec.recipe.size",
      "spec.recipe.vocab_size",
    ]);
    expect(await create(JobKind.PRETRAINING_DATA, { dupe_factor: "0", learning_rate: "1" })).toEqual([
      "spec.recipe.dupe_factor",
      "spec.recipe.learning_rate",
    ]);
    expect(await create(JobKind.PRETRAIN, { random_init: "tiny", num_train_steps: "-1" })).toEqual([
      "spec.recipe.num_train_steps",
      "spec.recipe.random_init",
      "spec.recipe.vocabulary",
    ]);
    expect(await create(JobKind.EVALUATE, { anything: "1" }, { task: "classification" })).toEqual([
      "spec.eval",
      "spec.recipe.anything",
    ]);
  });

  it("are rejected, not failed, when the model they start from does not exist", async () => {
    const { job, events } = await run(JobKind.PRETRAIN, data["text.txt"], { model: "nothing" });
    expect(job.state).toBe(JobState.REJECTED);
    expect(trail(events)).toMatch(/nothing/);
  });
});
