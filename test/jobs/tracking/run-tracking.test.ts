import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobService } from "../../../src/jobs/job-service.ts";
import { openJobService } from "../../../src/jobs/open-job-service.ts";
import { MlflowClient } from "../../../src/jobs/tracking/mlflow-client.ts";
import { RunTracking, type RunTrackingOptions } from "../../../src/jobs/tracking/run-tracking.ts";
import { FakeMlflow } from "../../support/fake-mlflow.ts";
import { ManualRunner, PLAN, RecordingPublisher, specOf, until } from "../fake-runner.ts";

let directory: string;
let mlflow: FakeMlflow;
let uri: string;
let jobs: JobService;
let runner: ManualRunner;
/** What the tracking said: reach, refusals, points. */
let said: { reached: boolean[]; refused: string[]; sent: number; lost: number };
let nowMs: number;

async function openJobs(): Promise<void> {
  runner = new ManualRunner();
  const publisher = new RecordingPublisher();
  jobs = await openJobService({
    ...{ directory: join(directory, "jobs"), runner, publisher, checkSpec: () => {} },
    onDefect: (error) => {
      throw error;
    },
    // With milliseconds of an event apart, all that is reported is logged.
    steadyClock: (() => {
      let at = 0;
      return () => (at += 10_000);
    })(),
  });
}

function track(varied: Partial<RunTrackingOptions> = {}, credential = ""): RunTracking {
  return new RunTracking({
    client: new MlflowClient({ uri, credential: async () => credential, timeoutMs: 2000 }),
    experiment: "tests",
    jobs,
    card: async (version) => `# ${version}\n`,
    every: () => () => {},
    clock: () => nowMs,
    onReach: (error) => said.reached.push(error === undefined),
    onRefused: (error) => said.refused.push(error.message),
    onPoints: (outcome, count) => {
      said[outcome] += count;
    },
    ...varied,
  });
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-tracking-"));
  mlflow = new FakeMlflow();
  uri = await mlflow.start();
  said = { reached: [], refused: [], sent: 0, lost: 0 };
  nowMs = Date.now();
  await openJobs();
});
afterEach(async () => {
  for (const work of runner.started) work.finish({ kind: "stopped" });
  await jobs.close();
  await mlflow.close();
  await rm(directory, { recursive: true, force: true });
});

/** A job that has begun. */
async function begin(): Promise<string> {
  const spec = specOf({ recipe: { learning_rate: "0.1" }, labels: { round: "2" }, seed: runner.started.length + 1 });
  const { job } = await jobs.create("", spec, "ann");
  await until(
    () => runner.started.length > 0 && runner.current.job.id === job.id,
    () => "it does not begin",
  );
  runner.current.hooks.phase("validated");
  runner.current.hooks.phase("prepared");
  runner.current.hooks.planned({ ...PLAN, settings: [{ name: "optimizer", value: "adamw", origin: "default" }] });
  return job.id;
}

async function step(id: string, at: number, loss: number): Promise<void> {
  const rates = { epoch: 0, learningRate: 1e-3, gradNorm: 1, tokensPerSecond: 9, paddingShare: 0, dataWaitShare: 0 };
  const seen = { examplesSeen: 1, tokensSeen: 1, etaSeconds: [1, 1] as const, residentBytes: 1, metrics: {} };
  runner.current.hooks.event({ kind: "step_metrics", step: at, loss, ...rates, ...seen });
  await until(
    () => jobs.get(id).progress.step === at,
    () => `step ${at} is not told`,
  );
}

async function finish(id: string): Promise<void> {
  runner.current.hooks.phase("trained");
  runner.current.finish({ kind: "finished", metrics: { eval_accuracy: 0.9 }, modelDirectory: "/model" });
  await until(
    () => jobs.get(id).state.kind === "succeeded",
    () => `it is ${jobs.get(id).state.kind}`,
  );
}

const losses = () =>
  mlflow.runs[0]!.metrics.filter(({ key }) => key === "loss").map(({ step: at, value }) => [at, value]);

describe("a tracking server", () => {
  it("is told of a job as a run: settings, curves, tags, how it ended, and the card", async () => {
    const tracking = track();
    await jobs.create("", specOf({ seed: 77 })); // stands in the queue once another works
    await until(
      () => runner.started.length === 1,
      () => "no start",
    );
    await tracking.look();
    runner.current.finish({ kind: "failed", reason: "DIVERGED", message: "loss" });
    const id = await begin();
    await step(id, 1, 3);
    await tracking.look();
    const [failed, run] = mlflow.runs;
    expect([...mlflow.experiments.keys()]).toEqual(["tests"]);
    expect(failed).toMatchObject({ status: "FAILED" });
    expect(run).toMatchObject({ name: `mood ${id}`, status: "RUNNING", endTime: undefined });
    expect(Object.fromEntries(run!.params)).toEqual({ learning_rate: "0.1", seed: "2", optimizer: "adamw" });
    expect(Object.fromEntries(run!.tags)).toMatchObject({
      ...{ "albert.job": id, "albert.kind": "fine-tune", "albert.model": "mood", "albert.task": "sst-2" },
      ...{ "albert.label.round": "2", "mlflow.user": "ann", "mlflow.source.name": "albert-serve" },
    });
    expect(run!.metrics).toContainEqual(expect.objectContaining({ key: "learning_rate", value: 1e-3, step: 1 }));
    await jobs.annotate(id, { note: "so far so good", addTags: ["b", "a"], removeTags: [] });
    await step(id, 2, 2);
    await finish(id);
    await tracking.look();
    await tracking.look();
    expect(run).toMatchObject({ status: "FINISHED", endTime: jobs.get(id).updatedMs });
    expect(run!.tags.get("mlflow.note.content")).toBe("so far so good");
    expect(run!.tags.get("albert.tags")).toBe("a, b");
    expect(run!.tags.get("albert.version")).toBe("mood@1");
    expect(mlflow.artifacts.get("1/run-2/artifacts/model-card.md")).toBe("# mood@1\n");
    await jobs.annotate(id, { note: "used since March", addTags: [], removeTags: [] });
    await tracking.look();
    expect(run!.tags.get("mlflow.note.content"), "notes of a run that has ended go on").toBe("used since March");
    expect(mlflow.runs).toHaveLength(2);
    expect(said).toMatchObject({ reached: [], refused: [], sent: mlflow.runs[1]!.metrics.length, lost: 0 });
  });

  it("that is away costs no point: it is told everything once, in order, when it is back, by whatever process", async () => {
    const port = Number(new URL(uri).port);
    const tracking = track();
    const id = await begin();
    await step(id, 1, 4);
    await tracking.look();
    await mlflow.close();
    await step(id, 2, 3);
    await tracking.look();
    await step(id, 3, 2);
    nowMs += 120_000;
    await tracking.look();
    expect(said.reached, "it is said once").toEqual([false]);
    await tracking.close();
    const back = new FakeMlflow();
    for (const [name, experiment] of mlflow.experiments) back.experiments.set(name, experiment);
    back.runs.push(...mlflow.runs);
    mlflow = back;
    await mlflow.start(port);
    const next = track();
    await next.look();
    await step(id, 4, 1);
    await next.look();
    expect(losses()).toEqual([
      [1, 4],
      [2, 3],
      [3, 2],
      [4, 1],
    ]);
    expect(mlflow.runs).toHaveLength(1);
    expect(said.lost).toBe(0);
  });

  it("is tried again after 2 seconds, then 4, then 8, up to a minute, and then told", async () => {
    const tracking = track();
    const id = await begin();
    await step(id, 1, 4);
    mlflow.fault = () => 503;
    const tries: number[] = [];
    for (const start = nowMs; nowMs < start + 200_000; nowMs += 1000) {
      const before = mlflow.asked.length;
      await tracking.look();
      if (mlflow.asked.length > before) tries.push((nowMs - start) / 1000);
    }
    expect(tries).toEqual([0, 2, 6, 14, 30, 62, 122, 182]);
    mlflow.fault = () => undefined;
    nowMs += 60_000;
    await tracking.look();
    expect(losses()).toEqual([[1, 4]]);
    expect(said.reached).toEqual([false, true]);
  });

  it("that refuses a run is told no more of it, which is said once and counted; others go on", async () => {
    const tracking = track();
    const id = await begin();
    await step(id, 1, 4);
    mlflow.fault = (path) => (path.endsWith("log-batch") ? 400 : undefined);
    await tracking.look();
    await step(id, 2, 3);
    await tracking.look();
    expect(said.refused).toEqual(["MLflow answered 400 to /api/2.0/mlflow/runs/log-batch: as the test wants it"]);
    expect(said).toMatchObject({ sent: 0, lost: 10, reached: [] });
    mlflow.fault = () => undefined;
    await finish(id);
    const other = await begin();
    await step(other, 1, 5);
    await tracking.look();
    expect(mlflow.runs.map(({ metrics }) => metrics.length)).toEqual([0, 5]);
  });

  it("is not told of jobs that ended long ago, nor of another server's, and is shown who calls", async () => {
    const id = await begin();
    await step(id, 1, 4);
    await finish(id);
    nowMs += 3 * 86_400_000;
    await track({}, "token-1").look();
    expect(mlflow.asked).toEqual([]);
    nowMs -= 3 * 86_400_000;
    await track({ trainer: "another" }, "token-1").look();
    expect(mlflow.asked).toEqual([]);
    nowMs += 3_600_000;
    await track({ trainer: "another" }, "token-1").look();
    expect(mlflow.runs[0]?.status, "one that ended right before the start is").toBe("FINISHED");
    expect(mlflow.authorization).toBe("Bearer token-1");
    const again = mlflow.asked.length;
    await track({}, "ann:secret").look();
    expect(mlflow.authorization).toBe(`Basic ${Buffer.from("ann:secret").toString("base64")}`);
    expect(mlflow.asked.slice(again)).toEqual(["mlflow/experiments/get-by-name", "mlflow/runs/search"]);
  });

  it("that does not answer keeps the end of a server for no more than two seconds", async () => {
    mlflow.fault = () => 0;
    const tracking = track({
      client: new MlflowClient({ uri, credential: async () => "", timeoutMs: 3_600_000 }),
    });
    const id = await begin();
    await step(id, 1, 4);
    void tracking.look();
    await until(
      () => mlflow.asked.length > 0,
      () => "it is not asked",
    );
    await tracking.close(); // which the limit of this test ends otherwise
    expect(mlflow.asked).toHaveLength(1);
  });
});
