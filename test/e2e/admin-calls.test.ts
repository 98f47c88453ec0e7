import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdminClient, connectAdmin } from "../../src/client/admin-client.ts";
import { RunFormat } from "../../src/gen/albert/v1/training_pb.js";
import { writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { type RunningServer, runServer } from "../support/running-server.ts";

describe("calls of administrators over a connection", () => {
  let server: RunningServer;
  let admin: AdminClient;

  beforeAll(async () => {
    const store = { directory: mkdtempSync(join(tmpdir(), "albert-admin-")) };
    server = await runServer({
      models: [{ name: "tiny", directory: await writeTinyModel() }],
      config: { store, feedback: { answers: 4, maxChars: 40 } },
    });
    admin = connectAdmin(server.app.addresses.admin ?? "", { maxAttempts: 1 });
  });
  afterAll(async () => {
    admin.close();
    await server.close();
  });

  it("collect no garbage where everything is needed, and say so", async () => {
    expect((await admin.models.collectGarbage({ dryRun: true })).versions).toEqual([]);
    expect((await admin.models.collectGarbage({})).versions).toEqual([]);
    expect((await server.client.classify({ text: "a cat", options: { head: "sentiment" } })).labels).toHaveLength(2);
  });

  it("show which version serves as soon as it is watched", async () => {
    for await (const { update } of admin.models.watchServing({ model: "tiny" })) {
      expect(update).toMatchObject({ case: "model", value: { model: "tiny" } });
      break;
    }
  });

  it("refuse to pause, resume, note or clone a job that does not exist", async () => {
    const missing = { status: "NOT_FOUND", reason: "JOB_NOT_FOUND" };
    const jobId = "no-such-job";
    await expect(admin.training.pauseJob({ jobId })).rejects.toMatchObject(missing);
    await expect(admin.training.resumeJob({ jobId })).rejects.toMatchObject(missing);
    await expect(admin.training.annotateJob({ jobId, note: "n" })).rejects.toMatchObject(missing);
    await expect(admin.training.cloneJob({ jobId, requestId: "clone-1" })).rejects.toMatchObject(missing);
  });

  it("refuse to export no runs, too many, unknown ones, or in no format", async () => {
    const exported = async (jobIds: string[], format: RunFormat) => {
      for await (const _ of admin.training.exportRuns({ jobIds, format })) void _;
    };
    const many = Array.from({ length: 101 }, (_, i) => `job-${i}`);
    await expect(exported([], RunFormat.CSV)).rejects.toThrow(/job_ids: must name 1 to 100 jobs, got 0/);
    await expect(exported(many, RunFormat.CSV)).rejects.toThrow(/got 101/);
    await expect(exported(["j"], RunFormat.UNSPECIFIED)).rejects.toThrow(/format: has no value 0/);
    await expect(exported(["j"], RunFormat.CSV)).rejects.toMatchObject({ reason: "JOB_NOT_FOUND" });
  });

  it("keep what a model was least sure of in pages, and of judged answers what was said, for every server", async () => {
    const model = "tiny";
    const options = { head: "sentiment" };
    for (let i = 0; i < 9; i++) await server.client.classify({ text: `text number ${i}`, options });
    await server.client.classify({ text: "long ".repeat(9), options });
    await server.client.classify({ text: "one label wanted", options, topK: 1 });
    const all = await admin.models.listAnswers({ model });
    expect(all).toMatchObject({ waiting: 4, judged: 0, keeping: true });
    const margins = all.answers.map(({ margin }) => margin);
    expect(margins).toEqual([...margins].sort((a, b) => a - b));
    expect(all.answers[0]).toMatchObject({ head: "sentiment", labels: ["negative", "positive"] });
    const first = await admin.models.listAnswers({ model, pageSize: 2 });
    const [judged, skipped] = first.answers;
    await admin.models.judgeAnswer({ model, answerId: judged!.id, verdict: { case: "label", value: judged!.label } });
    await admin.models.judgeAnswer({ model, answerId: skipped!.id, verdict: { case: "skip", value: true } });
    const next = await admin.models.listAnswers({ model, pageSize: 2, pageToken: first.nextPageToken });
    expect(next.answers.map(({ id }) => id)).toEqual(all.answers.slice(2).map(({ id }) => id));
    expect(next).toMatchObject({ waiting: 2, judged: 1, nextPageToken: "" });
    expect(next.accuracies).toMatchObject([{ judged: 1, right: 1, high: 1 }]);
    await expect(admin.models.judgeAnswer({ model, answerId: next.answers[0]!.id })).rejects.toThrow(/verdict: give a/);
    await expect(admin.models.listAnswers({ model: "../x" })).rejects.toMatchObject({ reason: "FIELD_INVALID" });
    const stored = await admin.models.storeJudgements({ model, name: "said.jsonl" });
    expect(stored).toMatchObject({ rows: 1, name: "said.jsonl" });
    expect(await admin.models.deleteJudgements({ model })).toMatchObject({ judged: 1, waiting: 2 });
    expect(await admin.models.listAnswers({ model })).toMatchObject({ waiting: 0, judged: 0 });
    await expect(admin.models.storeJudgements({ model })).rejects.toMatchObject({ reason: "NOTHING_JUDGED" });
  });
});
