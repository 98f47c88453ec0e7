import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DataFiles } from "../../src/deployment/data-files.ts";
import { Deployment } from "../../src/deployment/deployment.ts";
import { type GateReport, keepGateReport } from "../../src/deployment/gate/gate-report.ts";
import { keepEvaluation, latestEvaluation } from "../../src/deployment/gate/kept-reports.ts";
import { jobPublisher } from "../../src/deployment/job-publisher.ts";
import type { Job } from "../../src/jobs/job.ts";
import type { EvaluationReport } from "../../src/report/evaluation-report.ts";
import type { ModelRegistry } from "../../src/serving/models/registry.ts";
import { openStore } from "../../src/store/open-store.ts";
import { SILENT_CANARIES } from "../support/silent-canaries.ts";
import { workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop();
let made = 0;
const job = { id: "j1", spec: { model: "m" } } as Job;

/** A store with three versions, of which the first is the champion, and the verdict that the second is better than the first. */
async function published() {
  const store = await openStore(path(`published-${made++}`));
  for (let i = 0; i < 3; i++) await store.versions.publish("m", await modelDirectory());
  await store.aliases.point("m", 1, { expectedGeneration: 0, reason: "first" });
  const report: GateReport = {
    id: "r1",
    verdict: "pass",
    better: true,
    champion: 1,
    metric: "eval_accuracy",
    candidateValue: 1,
    examples: 1,
    dataset: "",
    findings: [],
  };
  await keepGateReport(store.versions, "m", 2, report);
  const live = {} as ModelRegistry; // this process serves nothing
  const prepareModel = () => Promise.reject(new Error("a version was opened"));
  const deployment = new Deployment({
    store,
    live,
    prepareModel,
    serves: false,
    pollMs: 60_000,
    onError: () => {},
    onFallback: () => {},
    canaries: SILENT_CANARIES,
  });
  const engine = () => Promise.reject(new Error("the gate ran"));
  const data = new DataFiles(store.datasets, []);
  const publisherOver = (changes: Pick<Deployment, "promote">) =>
    jobPublisher({ store, data, deployment: changes as Deployment, background: false, engine });
  const verdict = { verdict: "pass", better: true, report: { ...report } } as const;
  const champion = async () => (await store.aliases.get("m", "champion"))!;
  return { champion, deployment, publisher: publisherOver(deployment), publisherOver, store, verdict };
}

describe("what a job made", () => {
  it("may be a report, which is kept with the version that it is about, once", async () => {
    const { publisher, store } = await published();
    const report = { formatVersion: 1, task: "classification", figures: [{ name: "f1", value: 0.1, low: 0, high: 1 }] };
    const file = path("report.json");
    writeFileSync(file, JSON.stringify(report));
    await publisher.keepReport("m@2", file);
    await publisher.keepReport("m@2", file);
    expect(await latestEvaluation(store.versions, { model: "m", version: 2 })).toEqual(report);
    expect(await store.versions.report("m", 2, "evaluation.2")).toBeUndefined();
    writeFileSync(file, JSON.stringify({ ...report, task: "qa" }));
    // Two processes at the same time keep both.
    const other = { ...report, task: "race" } as unknown as EvaluationReport;
    await Promise.all([
      publisher.keepReport("m@2", file),
      keepEvaluation(store.versions, { model: "m", version: 2 }, other),
    ]);
    const kept = await Promise.all([2, 3].map((n) => store.versions.report("m", 2, `evaluation.${n}`)));
    expect(kept.map((one) => (one as { task: string }).task).sort()).toEqual(["qa", "race"]);
    expect(await latestEvaluation(store.versions, { model: "m", version: 1 })).toBeUndefined();
  });

  it("becomes the champion in the place of the one that the gate compared it with, once", async () => {
    const { champion, publisher, verdict } = await published();
    expect(await publisher.promoteIfUnchanged(job, "m@2", verdict)).toBe(true);
    expect(await champion()).toMatchObject({ version: 2, generation: 2 });
    expect(await publisher.promoteIfUnchanged(job, "m@2", verdict)).toBe(true);
    expect(await champion()).toMatchObject({ version: 2, generation: 2 });
  });

  it("leaves a champion that the gate did not compare it with, whenever that one came", async () => {
    const { champion, deployment, publisher, publisherOver, store, verdict } = await published();
    const other = () => store.aliases.point("m", 3, { expectedGeneration: 1, reason: "somebody else" });
    const late = publisherOver({ promote: async (...change) => other().then(() => deployment.promote(...change)) });
    expect(await late.promoteIfUnchanged(job, "m@2", verdict)).toBe(false);
    expect(await publisher.promoteIfUnchanged(job, "m@2", verdict)).toBe(false);
    expect(await champion()).toMatchObject({ version: 3, generation: 2 });
  });

  it("is not taken for promoted when promoting fails", async () => {
    const { champion, publisherOver, verdict } = await published();
    const full = publisherOver({ promote: () => Promise.reject(new Error("the disk is full")) });
    await expect(full.promoteIfUnchanged(job, "m@2", verdict)).rejects.toThrow("the disk is full");
    expect(await champion()).toMatchObject({ version: 1, generation: 1 });
  });
});
