import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import { checkJobSpec } from "../../../src/jobs/check-job-spec.ts";
import type { Job } from "../../../src/jobs/job.ts";
import type { JobService } from "../../../src/jobs/job-service.ts";
import type { JobSpec } from "../../../src/jobs/job-spec.ts";
import { type JobServiceOptions, openJobService, TEND_INTERVAL_MS } from "../../../src/jobs/open-job-service.ts";
import { openSharedJobService } from "../../../src/jobs/shared/open-shared-job-service.ts";
import { SweepKeeper } from "../../../src/jobs/sweeps/keep-sweeps.ts";
import { trialsOf } from "../../../src/jobs/sweeps/trials.ts";
import { StoredJobs } from "../../../src/store/jobs/stored-jobs.ts";
import type { SweepSpec } from "../../../src/training/sweeps/sweep.ts";
import { MemoryObjectStore } from "../../store/objects/memory-object-store.ts";
import { type ManualRun, ManualRunner, RecordingPublisher, specOf, until } from "../fake-runner.ts";

let directory: string;
let opened: { readonly service: JobService; readonly runner: ManualRunner }[];
let defects: unknown[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-sweeps-"));
  opened = [];
  defects = [];
});
afterEach(async () => {
  for (const { service, runner } of opened) {
    for (const work of runner.started) work.finish({ kind: "stopped" });
    await service.close();
  }
  await rm(directory, { recursive: true, force: true });
});

const SWEEP: SweepSpec = { method: "grid", vary: { learning_rate: "0.1,0.2,0.3" }, trials: 0, reduction: 0 };
const sweepSpec = (sweep: Partial<SweepSpec> = {}, varied: Partial<JobSpec> = {}) =>
  specOf({ kind: "sweep", sweep: { ...SWEEP, ...sweep }, train: { kind: "path", path: "rows.tsv" }, ...varied });

function rig(service: JobService, runner: ManualRunner, publisher: RecordingPublisher) {
  opened.push({ service, runner });
  const trial = (sweep: Job, number: number) => trialsOf(service.list(), sweep.id).get(number)!;
  return {
    ...{ service, runner, publisher, trial },
    reaches: (job: Job, kind: string) =>
      until(
        () => service.get(job.id).state.kind === kind,
        () => `${job.id} is ${JSON.stringify(service.get(job.id).state)}, not ${kind}`,
      ),
    states: (sweep: Job) =>
      [...trialsOf(service.list(), sweep.id)].sort(([a], [b]) => a - b).map(([, { state }]) => state.kind),
  };
}

async function open(varied: Partial<JobServiceOptions> = {}) {
  const [runner, publisher] = [new ManualRunner(), new RecordingPublisher()];
  const service = await openJobService({
    ...{ directory: join(directory, "jobs"), runner, publisher, checkSpec: checkJobSpec },
    onDefect: (error) => defects.push(error),
    startOf: async () => "mood@7",
    ...varied,
  });
  return rig(service, runner, publisher);
}

/** The figures of a trial, as its run reports them. */
async function judged(run: ManualRun, value: number, how: "held" | "finished", directoryOf?: string): Promise<void> {
  const metrics = { eval_accuracy: value };
  const { hooks } = run;
  hooks.phase("validated");
  hooks.phase("prepared");
  hooks.event({
    ...{ kind: "eval_result", step: 1, metrics, best: true, seconds: 0 },
    bestSoFar: { metric: "eval_accuracy", value, step: 1 },
  });
  if (how === "held") return run.finish({ kind: "held", metrics });
  hooks.phase("trained");
  const modelDirectory = join(directoryOf ?? join(directory, "jobs", run.job.id), "model");
  await mkdir(modelDirectory, { recursive: true });
  run.finish({ kind: "finished", metrics, modelDirectory });
}

const nextRun = async (runner: ManualRunner, count: number) => {
  await until(
    () => runner.started.length >= count,
    () => `${runner.started.length} of ${count} runs began`,
  );
  return runner.started[count - 1]!;
};

describe("a sweep", () => {
  it("is a group of jobs from one version, of which the best is published and judged, and no other", async () => {
    const { service, runner, publisher, trial, states, reaches } = await open();
    const { job: sweep } = await service.create("s", sweepSpec({}, { promote: "auto-if-better", seed: 5 }), "ann");
    for (const [i, value] of [0.7, 0.9, 0.8].entries()) await judged(await nextRun(runner, i + 1), value, "finished");
    await reaches(sweep, "succeeded");
    expect(states(sweep)).toEqual(["succeeded", "succeeded", "succeeded"]);
    expect(publisher.calls).toEqual(["publish mood@1", "runGate mood@1", "promote mood@1"]);
    expect(runner.started.map(({ job }) => job.spec)).toMatchObject([
      { kind: "fine-tune", init: "mood@7", seed: 5, recipe: { learning_rate: "0.1" } },
      { recipe: { learning_rate: "0.2" } },
      { recipe: { learning_rate: "0.3" } },
    ]);
    expect(trial(sweep, 1).state).toMatchObject({ result: { stoppedBy: "sweep", metrics: { eval_accuracy: 0.7 } } });
    expect([1, 2, 3].map((number) => trial(sweep, number).modelVersion)).toEqual(["", "mood@1", ""]);
    expect([1, 2, 3].map((n) => existsSync(join(directory, "jobs", trial(sweep, n).id, "model")))).toEqual([
      false,
      false, // it is in the store
      false,
    ]);
    const done = service.get(sweep.id);
    expect(done).toMatchObject({ modelVersion: "mood@1", promoted: true, startVersion: "mood@7" });
    expect(done.progress).toMatchObject({ step: 3, totalSteps: 3, bestMetric: "eval_accuracy", bestValue: 0.9 });
    expect(JSON.parse(done.gateReport)).toMatchObject({ verdict: "pass" });
    expect(trial(sweep, 1).history[0]).toMatchObject({ detail: "by ann" });
    await expect(service.delete(trial(sweep, 1).id)).rejects.toMatchObject({ reason: "JOB_NOT_ENDED" });
    await service.delete(sweep.id);
    expect(service.list()).toEqual([]);
    expect(defects).toEqual([]);
  });

  it("by halving lets the better ones go on from where they stand", async () => {
    const { service, runner, reaches, states, trial } = await open();
    const spec = sweepSpec({ method: "halving", trials: 3, vary: { learning_rate: "log:0.001..0.1" } });
    const { job: sweep } = await service.create("s", spec);
    for (const [i, value] of [0.6, 0.5, 0.7].entries()) await judged(await nextRun(runner, i + 1), value, "held");
    const last = await nextRun(runner, 4);
    expect(last.job).toMatchObject({
      spec: { trial: { number: 3, shares: [1 / 3, 1] } },
      judged: [{ eval_accuracy: 0.7 }],
    });
    await until(() => states(sweep).slice(0, 2).join() === "succeeded,succeeded", "the others are given up");
    await judged(last, 0.65, "finished");
    await reaches(sweep, "succeeded");
    expect(trial(sweep, 3)).toMatchObject({
      modelVersion: "mood@1",
      judged: [{ eval_accuracy: 0.7 }, { eval_accuracy: 0.65 }],
    });
    expect(runner.started).toHaveLength(4);
  });

  it("goes on after a restart without repeating a trial that was judged", async () => {
    const first = await open();
    const { job: sweep } = await first.service.create("s", sweepSpec());
    await judged(await nextRun(first.runner, 1), 0.9, "finished");
    const cut = await nextRun(first.runner, 2);
    cut.finish({ kind: "stopped" });
    await first.service.close();
    const { runner, reaches, publisher, states } = await open();
    await judged(await nextRun(runner, 1), 0.8, "finished");
    await judged(await nextRun(runner, 2), 0.7, "finished");
    await reaches(sweep, "succeeded");
    expect(runner.started.map(({ job }) => job.spec.trial?.number)).toEqual([2, 3]);
    expect(states(sweep)).toEqual(["succeeded", "succeeded", "succeeded"]);
    expect(publisher.calls).toEqual(["publish mood@1", "runGate mood@1"]);
  });

  it("ends with its trials when it is cancelled, and holds those that wait while it is paused", async () => {
    const { service, runner, reaches, states } = await open();
    const { job: sweep } = await service.create("s", sweepSpec());
    const run = await nextRun(runner, 1);
    await until(() => states(sweep).length === 3, "every trial has a job");
    await service.pause(sweep.id);
    await judged(run, 0.5, "finished");
    await until(() => states(sweep)[0] === "held", "the first is judged");
    expect(states(sweep)).toEqual(["held", "queued", "queued"]);
    expect(runner.started).toHaveLength(1);
    await service.resume(sweep.id);
    const second = await nextRun(runner, 2);
    await service.cancel(sweep.id, "bob");
    await until(() => second.stopped, "the trial at work is stopped");
    second.finish({ kind: "stopped" });
    await reaches(sweep, "cancelled");
    expect(states(sweep)).toEqual(["cancelled", "cancelled", "cancelled"]);
    // A trial by itself is an ordinary job.
    const { job } = await service.clone("c", trialsOf(service.list(), sweep.id).get(3)!.id, {});
    expect(job.spec).toMatchObject({ kind: "fine-tune", recipe: { learning_rate: "0.3" } });
    expect(job.spec.trial).toBeUndefined();
  });

  it("leaves out trials that fail, and fails where all do, saying why", async () => {
    const { service, runner, reaches, states } = await open();
    const fails = { kind: "failed", reason: "DIVERGED", message: "the loss is no number" } as const;
    const walk = (run: ManualRun) => {
      run.hooks.phase("validated");
      run.hooks.phase("prepared");
    };
    const { job: some } = await service.create("some", sweepSpec());
    for (const number of [1, 2, 3]) {
      const run = await nextRun(runner, number);
      if (number === 2) await judged(run, 0.4, "finished");
      else {
        walk(run);
        run.finish(fails);
      }
    }
    await reaches(some, "succeeded");
    expect(states(some)).toEqual(["failed", "succeeded", "failed"]);
    const { job: all } = await service.create("all", sweepSpec());
    for (const number of [4, 5, 6]) {
      const run = await nextRun(runner, number);
      walk(run);
      run.finish(fails);
    }
    await reaches(all, "failed");
    expect(service.get(all.id).state).toMatchObject({
      reason: "SWEEP",
      message: "every trial failed; trial 1: the loss is no number",
    });
  });

  it("is rejected where there is nothing to start from, and refused with every wrong field", async () => {
    const startOf = async () => {
      throw new AlbertError("not-found", "there is no such version", { reason: "VERSION_NOT_FOUND" });
    };
    const { service, reaches } = await open({ startOf });
    const { job } = await service.create("s", sweepSpec());
    await reaches(job, "rejected");
    const refused = (spec: JobSpec) =>
      service.create("", spec).then(
        () => "",
        ({ message }: Error) => message,
      );
    const wrong = await refused(
      sweepSpec({ vary: { learning_rate: "2", dropout: "0..3" }, trials: 4 }, { teacher: "a@1" }),
    );
    for (const field of [
      "spec.sweep.vary.learning_rate",
      "spec.sweep.vary.dropout",
      "spec.sweep.trials",
      "spec.teacher",
    ]) {
      expect(wrong).toContain(field);
    }
    expect(await refused(specOf({ sweep: SWEEP }))).toMatch(
      /spec\.sweep: belongs to a sweep; a fine-tune job has none/,
    );
    const { sweep: _, ...without } = sweepSpec();
    expect(await refused(without)).toMatch(/spec\.sweep: a sweep needs what it tries/);
    const clash = sweepSpec({ vary: { num_train_epochs: "1,2" } }, { recipe: { train_step: "5" } });
    expect(await refused(clash)).toMatch(/spec\.recipe\.train_step: excludes num_train_epochs: .* \(trial 1\)/);
  });

  it("goes on when what kept it from that has passed, and fails where a trial is refused", async () => {
    let look = () => {};
    let isAway = true;
    let gone = "";
    const { service, runner, reaches } = await open({
      every: (milliseconds, callback) => {
        if (milliseconds === TEND_INTERVAL_MS) look = callback;
        return () => {};
      },
      startOf: async () => {
        if (isAway) throw new AlbertError("unavailable", "no store", { reason: "STORE_UNAVAILABLE" });
        return "mood@7";
      },
      checkSpec: ({ kind }) => {
        if (kind === gone) throw new AlbertError("not-found", "there is no such data", { reason: "PATH_NOT_FOUND" });
      },
    });
    const { job: sweep } = await service.create("s", sweepSpec());
    await reaches(sweep, "validating");
    await until(() => defects.length > 0, "the store was asked");
    isAway = false;
    look();
    await nextRun(runner, 1);
    expect(defects.splice(0)).toMatchObject([{ reason: "STORE_UNAVAILABLE" }]);
    await service.cancel(sweep.id);
    await until(() => runner.current.stopped, "its trial is stopped");
    runner.current.finish({ kind: "stopped" });
    await reaches(sweep, "cancelled");
    gone = "fine-tune";
    const { job: other } = await service.create("other", sweepSpec());
    await reaches(other, "failed");
    expect(service.get(other.id).state).toMatchObject({ message: "trial 1 was refused: there is no such data" });
  });

  it("is looked at after every change, at whichever moment of another look that comes", async () => {
    let looks = 0;
    const hands = { create: async () => {}, write: async () => {}, cancel: async () => {}, freeFiles: async () => {} };
    const list = () => {
      looks++;
      return [];
    };
    const keeper = new SweepKeeper({ ...hands, list, startOf: async () => undefined, onError: () => {} });
    for (let moment = 0; moment < 12; moment++) {
      void keeper.tend();
      for (let tick = 0; tick < moment; tick++) await Promise.resolve();
      const before = looks;
      await keeper.tend();
      expect(looks, `${moment} ticks after the other began`).toBeGreaterThan(before);
    }
  });

  it("is worked on by all servers that share the queue, and ends once", async () => {
    const store = new StoredJobs(new MemoryObjectStore());
    const share = async (name: string) => {
      const [runner, publisher] = [new ManualRunner(), new RecordingPublisher()];
      const service = await openSharedJobService({
        ...{ directory: join(directory, name), store, runner, publisher, trainer: name, checkSpec: checkJobSpec },
        ...{ times: { leaseMs: 60_000, heartbeatMs: 1_000 }, pollMs: 10, startOf: async () => "mood@7" },
        onDefect: (error) => defects.push(error),
        onError: (error) => defects.push(error),
      });
      return rig(service, runner, publisher);
    };
    const [a, b] = [await share("a"), await share("b")];
    const { job: sweep } = await a.service.create("s", sweepSpec());
    await until(() => a.runner.started.length + b.runner.started.length === 2, "a trial on each");
    const seen = new Set<ManualRun>();
    const values: Readonly<Record<number, number>> = { 1: 0.5, 2: 0.9, 3: 0.6 };
    // Whoever has the best trial last need not be who trained it: then it trains again, from its checkpoint.
    await until(
      () => {
        for (const [name, { runner }] of [["a", a] as const, ["b", b] as const]) {
          for (const run of runner.started.filter((one) => !seen.has(one))) {
            seen.add(run);
            void judged(run, values[run.job.spec.trial!.number]!, "finished", join(directory, name, run.job.id));
          }
        }
        return a.service.list().find(({ id }) => id === sweep.id)?.state.kind === "succeeded";
      },
      () => JSON.stringify([...trialsOf(a.service.list(), sweep.id).values()].map(({ state }) => state)),
    );
    expect([...a.publisher.calls, ...b.publisher.calls].filter((call) => call.startsWith("publish"))).toHaveLength(1);
    expect(trialsOf(a.service.list(), sweep.id).get(2)).toMatchObject({ modelVersion: "mood@1" });
    await b.service.refresh();
    await b.service.delete(sweep.id);
    expect(b.service.list()).toEqual([]);
    expect(defects).toEqual([]);
  });
});
