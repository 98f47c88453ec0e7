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
    server = await runServer({ models: [{ name: "tiny", directory: await writeTinyModel() }], config: { store } });
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
});
