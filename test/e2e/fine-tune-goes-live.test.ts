import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { uploadDataset } from "../../src/client/upload-dataset.ts";
import { BetterVersion, GateVerdict, TrafficMode } from "../../src/gen/albert/v1/models_pb.js";
import { type JobEvent, JobKind, JobState, PromotePolicy } from "../../src/gen/albert/v1/training_pb.js";
import { openEngine } from "../../src/runtime/packed-engine.ts";
import { runAlbert } from "../support/command-line.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { moodRows } from "../support/mood-rows.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

const MODEL = "reviews";

describe("a fine-tune", () => {
  const base = mkdtempSync(join(tmpdir(), "albert-live-"));
  const roots = join(base, "data");
  let server: RunningServer;
  let admin: AdminClient;
  let train: string;
  let evaluation: string;

  const spec = (overrides: object = {}) => ({
    kind: JobKind.FINE_TUNE,
    model: MODEL,
    task: "classification",
    train: { dataset: train },
    eval: { dataset: evaluation },
    recipe: {
      train_step: "60",
      learning_rate: "0.01",
      train_batch_size: "16",
      max_seq_length: "16",
      save_checkpoints_steps: "60",
    },
    seed: 7n,
    promote: PromotePolicy.AUTO_IF_BETTER,
    ...overrides,
  });

  beforeAll(async () => {
    mkdirSync(roots);
    writeFileSync(join(base, "train.jsonl"), moodRows(200, 0));
    writeFileSync(join(base, "dev.jsonl"), moodRows(80, 200));
    writeFileSync(join(roots, "below.jsonl"), moodRows(80, 300));
    symlinkSync(join(base, "train.jsonl"), join(roots, "link.jsonl"));
    server = await runServer({
      models: [{ name: MODEL, directory: await writeTinyModel(ALL_HEADS.slice(0, 1)) }],
      config: {
        store: { directory: join(base, "store"), pollMs: 50, checkpointRoots: [base] },
        training: { datasetRoots: [roots], threads: 1, maxDatasetBytes: 1_000_000 },
        runtime: { device: "cpu" },
      },
      openEngine: (model) => openEngine(model, { threads: 1, calibrationMs: 0 }),
    });
    admin = connectAdmin(server.app.addresses.admin!, { maxAttempts: 1 });
    train = (await uploadDataset(admin, join(base, "train.jsonl"))).digest;
    evaluation = (await uploadDataset(admin, join(base, "dev.jsonl"))).digest;
  }, 120_000);

  afterAll(async () => {
    admin?.close();
    await server?.close();
    rmSync(base, { recursive: true, force: true });
  });

  it("is judged, promoted and swapped in while a client keeps calling, and no call fails", async () => {
    const versions: string[] = [];
    let calling = true;
    const callers = (async () => {
      while (calling) {
        const { meta } = await server.client.classify({ text: "good day 7" });
        if (versions.at(-1) !== meta!.version) versions.push(meta!.version);
        await setTimeout(20); // at a steady rate: a caller that never pauses leaves training no processor
      }
    })();
    const events: JobEvent[] = [];
    const { job } = await admin.training.createJob({ requestId: "live-1", spec: spec() });
    try {
      for await (const { update } of admin.training.watchJob({ jobId: job!.id })) {
        if (update.case === "event") events.push(update.value);
      }
    } finally {
      calling = false;
      await callers;
    }
    const done = (await admin.training.getJob({ jobId: job!.id })).job!;
    const trail = events.map(({ kind, summary }) => `${kind}: ${summary}`).join("\n");
    expect(done.state, trail).toBe(JobState.SUCCEEDED);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
    expect(
      events.map(({ kind }) => kind),
      done.gateReportJson,
    ).toEqual(
      expect.arrayContaining(["planned", "step_metrics", "eval_result", "published", "gate_result", "promoted"]),
    );
    expect(done.modelVersion).toBe(`${MODEL}@2`);
    const { labels, meta } = await server.client.classify({ text: "good day 7" });
    expect(meta!.version).toBe("2");
    expect(labels[0]!.label).toBe("positive");
    if (versions.at(-1) !== meta!.version) versions.push(meta!.version);
    expect(versions).toEqual(["1", "2"]);

    const { version, gateReport, lineage } = await admin.models.getVersion({ model: MODEL });
    expect(version).toMatchObject({ version: 2, aliases: ["champion"] });
    expect(gateReport).toMatchObject({ verdict: GateVerdict.PASS, metric: "eval_accuracy", examples: 80 });
    expect(gateReport!.differenceLow).toBeGreaterThan(0);
    expect(gateReport!.mcnemarP).toBeLessThan(0.05);
    expect(lineage).toMatchObject({ jobId: job!.id });
    const { aliases } = await admin.models.listVersions({ model: MODEL });
    expect(aliases).toContainEqual(expect.objectContaining({ name: "previous", version: 1 }));
  }, 180_000);

  it("can be rolled back, and promoted again by hand", async () => {
    const back = await admin.models.rollback({ model: MODEL, expectedGeneration: 2, reason: "a test" });
    expect(back.alias).toMatchObject({ version: 1, generation: 3 });
    expect((await server.client.classify({ text: "good" })).meta!.version).toBe("1");
    const again = await admin.models.promote({ model: MODEL, version: 2, expectedGeneration: 3 });
    expect(again.report).toMatchObject({ fromVersion: 1, toVersion: 2, requestsFailed: 0 });
    expect((await server.client.classify({ text: "good" })).meta!.version).toBe("2");
  });

  it("leaves a report of where it is wrong, in the terminal and as a page", async () => {
    const reply = await admin.models.getReport({ model: MODEL, version: "2" });
    expect(reply).toMatchObject({ model: MODEL, version: 2, task: "classification", examples: 80 });
    expect(reply.figures[0]!.name).toBe("eval_accuracy");
    expect(reply.figures[0]!.low).toBeLessThanOrEqual(reply.figures[0]!.value);
    const report = JSON.parse(reply.reportJson);
    expect(report).toMatchObject({ kind: "single-label", model: { name: `${MODEL}@2` }, data: { judged: 80 } });
    expect(report.duplicates).toMatchObject({ trainingExamples: 200, rows: 0 });
    const page = join(base, "report.html");
    const flags = ["--admin", server.app.addresses.admin!];
    const { out } = await runAlbert("models", "report", `${MODEL}@2`, "--output", page, ...flags);
    expect(out).toMatch(/^reviews@2 on 80 examples of dev\.jsonl \(classification\)\n/);
    expect(out).toMatch(/figures of 80 examples/);
    expect(readFileSync(page, "utf8")).toContain(`<h1>${MODEL}@2 on dev.jsonl</h1>`);
    const card = await runAlbert("models", "card", `${MODEL}@2`, ...flags);
    expect(card.out).toContain(`# ${MODEL}@2\n`);
    expect(card.out).toMatch(/\| accuracy \| [\d.]+ % \|/);
    expect((await runAlbert("models", "card", `${MODEL}@1`, ...flags)).out).toContain(
      "Nobody has evaluated this version",
    );
    const none = admin.models.getReport({ model: MODEL, version: "1" });
    await expect(none).rejects.toMatchObject({ status: "NOT_FOUND", reason: "REPORT_NOT_FOUND" });
  }, 60_000);

  it("is compared with what it began from, on the server and from the terminal", async () => {
    const asked = { before: `${MODEL}@1`, after: `${MODEL}/champion`, task: "classification" };
    const reply = await admin.models.compareVersions({ ...asked, path: "below.jsonl" });
    expect(reply).toMatchObject({
      ...{ metric: "eval_accuracy", examples: 80, better: BetterVersion.AFTER },
      ...{ before: { name: `${MODEL}@1` }, after: { name: `${MODEL}@2` } },
    });
    expect(reply.fixedRows - reply.brokenRows).toBe(Math.round(80 * (reply.after!.value - reply.before!.value)));
    expect(reply.findings[0]).toMatch(/^reviews@2 is better than reviews@1 beyond chance/);
    const flags = ["--task", "classification", "--admin", server.app.addresses.admin!];
    const { out } = await runAlbert("compare", asked.before, asked.after, "--data", evaluation, ...flags);
    expect(out).toMatch(/^MODEL +DIGEST +eval_accuracy +AN EXAMPLE +SIZE\nreviews@1 .*\nreviews@2 /);
    const wrong = (changes: object) => admin.models.compareVersions({ ...asked, path: "below.jsonl", ...changes });
    await expect(wrong({ after: "a@b@c" })).rejects.toMatchObject({ status: "INVALID_ARGUMENT" });
    await expect(wrong({ after: `${MODEL}@9` })).rejects.toMatchObject({ reason: "VERSION_NOT_FOUND" });
    await expect(wrong({ path: "" })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
  }, 120_000);

  it("is judged anew on another set, and that report is kept too", async () => {
    const { report } = await admin.models.validateVersion({
      model: MODEL,
      version: 1,
      task: "classification",
      path: "below.jsonl",
    });
    expect(report).toMatchObject({ verdict: GateVerdict.FAIL, examples: 80 });
    const { reportJson } = await admin.models.getReport({ model: MODEL, version: "1" });
    expect(JSON.parse(reportJson).data).toMatchObject({ name: "below.jsonl", digest: report!.dataset });
    const promote = admin.models.promote({ model: MODEL, version: 1, expectedGeneration: 4 });
    await expect(promote).rejects.toMatchObject({ status: "FAILED_PRECONDITION", reason: "GATE_FAILED" });
  }, 120_000);

  it("is planned without being queued", async () => {
    const before = (await admin.training.listJobs({})).jobs.length;
    const plan = await admin.training.planJob({ spec: spec({ train: { dataset: train.slice(0, 8) } }) });
    expect(plan.steps).toBe(60);
    expect(plan.tokens).toBeGreaterThan(0);
    expect(plan.settings.find(({ name }) => name === "learning_rate")).toMatchObject({ value: "0.01" });
    expect((await admin.training.listJobs({})).jobs).toHaveLength(before);
  }, 120_000);

  it("has its data checked with every problem's line", async () => {
    const path = join(base, "broken.jsonl");
    writeFileSync(path, `${moodRows(4, 0)}{"text": "", "label": "positive"}\nnot json\n`);
    const { digest } = await uploadDataset(admin, path);
    const reply = await admin.datasets.validateDataset({
      source: { dataset: digest.slice(0, 10) },
      task: "classification",
      model: MODEL,
    });
    expect(reply).toMatchObject({ usable: false, rowsRead: 6, rowsAccepted: 4, rowsRejected: 2 });
    expect(reply.labelCounts.map(({ label, rows }) => [label, rows])).toEqual([
      ["negative", 2],
      ["positive", 2],
    ]);
    expect(reply.issues.find(({ kind }) => kind === "bad-json")!.locations[0]).toMatch(/^broken\.jsonl:6:/);
    const read = { source: { dataset: digest }, task: "classification" };
    const listed = await admin.datasets.listRows({ ...read, problem: "any" });
    expect(listed.rows.map(({ number, line, problems }) => [number, line, problems[0]!.kind])).toEqual([
      [5, 5, "empty-text"],
      [6, 6, "bad-json"],
    ]);
    const fixed = await admin.datasets.editDataset({
      ...{ ...read, leaveOut: [6] },
      edits: [{ row: 5, cells: [{ column: "text", value: "good again" }] }],
    });
    expect(fixed).toMatchObject({ rows: 5, leftOut: 1, changed: 1 });
    expect(fixed.dataset).toMatchObject({
      ...{ name: `broken-edited-${digest.slice(0, 8)}.jsonl`, origin: digest },
      madeBy: "1 row left out, 1 changed; 5 rows",
    });
    const source2 = { dataset: fixed.dataset!.digest };
    expect(await admin.datasets.validateDataset({ ...read, source: source2 })).toMatchObject({ usable: true });
    const halves = { ...read, source: source2, heldOutShare: 0.4, seed: 1n };
    const split = await admin.datasets.splitDataset(halves);
    expect([split.trainRows, split.heldOutRows]).toEqual([3, 2]);
    expect(split.train!.name).toBe(`broken-train-${fixed.dataset!.digest.slice(0, 8)}.jsonl`);
    expect(split.heldOut!.origin).toBe(fixed.dataset!.digest);
    await expect(admin.datasets.splitDataset({ ...halves, heldOutShare: 1 })).rejects.toMatchObject({
      violations: [{ field: "held_out_share" }],
    });
    const nowhere = admin.datasets.editDataset({ ...read, leaveOut: [7] });
    await expect(nowhere).rejects.toMatchObject({ violations: [{ field: "leave_out" }] });
    await admin.datasets.deleteDataset({ digest: digest.slice(0, 12) });

    const odd = join(base, "odd.jsonl");
    const row = (text: string) => `${JSON.stringify({ text, label: "__proto__" })}\n`;
    writeFileSync(odd, `${moodRows(4, 0)}${row("good one")}${row("sad two")}`);
    const source = { dataset: (await uploadDataset(admin, odd)).digest };
    const { labelCounts } = await admin.datasets.validateDataset({ source, task: "classification" });
    expect(labelCounts.map(({ label, rows }) => [label, rows])).toEqual([
      ["__proto__", 2],
      ["negative", 2],
      ["positive", 2],
    ]);
    const again = admin.datasets.deleteDataset({ digest });
    await expect(again).rejects.toMatchObject({ status: "NOT_FOUND", reason: "DATASET_NOT_FOUND" });
  });

  describe("is refused", () => {
    const rejects = (call: Promise<unknown>, expected: object) => expect(call).rejects.toMatchObject(expected);
    const fields = (call: Promise<unknown>) =>
      call.then(
        () => [],
        (error) => error.violations.map(({ field }: { field: string }) => field),
      );

    it.each([
      ["../train.jsonl", "INVALID_ARGUMENT", "FIELD_INVALID"],
      ["/etc/passwd", "INVALID_ARGUMENT", "FIELD_INVALID"],
      ["link.jsonl", "PERMISSION_DENIED", "PATH_IS_LINK"],
      ["absent.jsonl", "NOT_FOUND", "PATH_NOT_FOUND"],
    ])("when its data is registered as %s", async (path, status, reason) => {
      await rejects(admin.datasets.registerDataset({ path, name: "data.jsonl" }), { status, reason });
      const validated = admin.datasets.validateDataset({ source: { path }, task: "classification" });
      await rejects(validated, { status, reason });
    });

    it("when a checkpoint lies outside of the roots", async () => {
      const imported = admin.models.importCheckpoint({ model: "other", path: "../model" });
      await rejects(imported, { status: "INVALID_ARGUMENT", violations: [{ field: "path" }] });
    });

    it("when its data is too large, cut short, or not what was announced", async () => {
      const digest = createHash("sha256").update("announced").digest("hex");
      const begin = (bytes: bigint) => admin.datasets.beginUpload({ name: "data.jsonl", bytes, digest });
      await rejects(begin(1_000_001n), { status: "RESOURCE_EXHAUSTED", reason: "DATASET_TOO_LARGE" });
      const { uploadId } = await begin(9n);
      await admin.datasets.uploadChunk({ uploadId, offset: 0n, data: Buffer.from("other") });
      await rejects(admin.datasets.commitUpload({ uploadId }), { reason: "UPLOAD_INCOMPLETE" });
      await admin.datasets.uploadChunk({ uploadId, offset: 5n, data: Buffer.from("data") });
      await rejects(admin.datasets.commitUpload({ uploadId }), { status: "DATA_LOSS", reason: "DIGEST_MISMATCH" });
    });

    it("with every wrong field at once", async () => {
      const wrong = spec({ task: "poetry", train: undefined, recipe: { learnin_rate: "1", train_step: "many" } });
      const named = await fields(admin.training.createJob({ requestId: "wrong", spec: wrong }));
      expect(named.sort()).toEqual(["spec.recipe.learnin_rate", "spec.recipe.train_step", "spec.task", "spec.train"]);
    });

    it("when its request id belongs to another specification, and given back when it is the same", async () => {
      const replayed = await admin.training.createJob({ requestId: "live-1", spec: spec() });
      expect(replayed.replayed).toBe(true);
      const other = admin.training.createJob({ requestId: "live-1", spec: spec({ seed: 8n }) });
      await rejects(other, { status: "ALREADY_EXISTS", reason: "REQUEST_ID_REUSED" });
    });

    it("when it does not exist or is over", async () => {
      await rejects(admin.training.getJob({ jobId: "none" }), { status: "NOT_FOUND", reason: "JOB_NOT_FOUND" });
      const { jobs } = await admin.training.listJobs({ states: [JobState.SUCCEEDED] });
      const cancelled = admin.training.cancelJob({ jobId: jobs[0]!.id });
      await rejects(cancelled, { status: "FAILED_PRECONDITION", reason: "ILLEGAL_TRANSITION" });
    });

    it("when somebody promoted in between", async () => {
      const promote = admin.models.promote({ model: MODEL, version: 2, expectedGeneration: 1 });
      await rejects(promote, { status: "ABORTED", reason: "GENERATION_MISMATCH", metadata: { current: "4" } });
    });

    it("when its version does not exist or its traffic makes no sense", async () => {
      const load = admin.models.loadVersion({ model: MODEL, version: 99 });
      await rejects(load, { status: "NOT_FOUND", reason: "VERSION_NOT_FOUND" });
      const traffic = admin.models.setTraffic({ model: MODEL, mode: TrafficMode.CANARY, percent: 101 });
      expect(await fields(traffic)).toEqual(["percent", "challenger_version"]);
    });

    it("when a dataset that a version came from is to be deleted", async () => {
      const refused = admin.datasets.deleteDataset({ digest: train });
      await rejects(refused, { reason: "DATASET_REFERENCED" });
      await expect(refused).rejects.toThrow(`version ${MODEL}@`);
    });

    it("when a dataset that a job needs is to be deleted", async () => {
      const queued = await admin.training.createJob({
        requestId: "held",
        spec: spec({ promote: PromotePolicy.MANUAL }),
      });
      await rejects(admin.datasets.deleteDataset({ digest: train }), { reason: "DATASET_REFERENCED" });
      await admin.training.cancelJob({ jobId: queued.job!.id });
    });
  });
});
