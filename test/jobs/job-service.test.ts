import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { JobEvent } from "../../src/jobs/job-event.ts";
import type { JobOutcome } from "../../src/jobs/job-outcome.ts";
import type { JobService } from "../../src/jobs/job-service.ts";
import { EventLog } from "../../src/jobs/log/event-log.ts";
import { type JobServiceOptions, openJobService } from "../../src/jobs/open-job-service.ts";
import { wallLimit } from "../../src/jobs/runner/job-control.ts";
import type { TrainingEvent } from "../../src/training/events.ts";
import { type ManualRun, ManualRunner, PLAN, RecordingPublisher, specOf, until } from "./fake-runner.ts";

let directory: string;
let opened: { readonly service: JobService; readonly runner: ManualRunner }[];
let defects: unknown[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-jobs-"));
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

const FINISHED: JobOutcome = { kind: "finished", metrics: { eval_accuracy: 0.9 }, modelDirectory: "/model" };

async function open(varied: Partial<JobServiceOptions> = {}) {
  const runner = new ManualRunner();
  const publisher = new RecordingPublisher();
  const service = await openJobService({
    directory: join(directory, "jobs"),
    runner,
    publisher,
    checkSpec: () => {},
    onDefect: (error) => defects.push(error),
    ...varied,
  });
  opened.push({ service, runner });
  const state = (id: string) => service.get(id).state.kind;
  const reaches = (id: string, kind: string) =>
    until(
      () => state(id) === kind,
      () => `${id} is ${state(id)}, not ${kind}`,
    );
  return { service, runner, publisher, state, reaches };
}

function walk(runner: ManualRunner): void {
  runner.current.hooks.phase("validated");
  runner.current.hooks.phase("prepared");
}

/** A directory among a job's files, as its work leaves it. */
async function makeModel(id: string): Promise<string> {
  const path = join(directory, "jobs", id, "model");
  await mkdir(path);
  return path;
}

async function eventsOf(service: JobService, id: string, after = 0): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  for await (const event of service.watch(id, after)) events.push(event);
  return events;
}

/** What a run reports of a step. */
function stepMetrics(step: number) {
  return {
    kind: "step_metrics",
    step,
    epoch: 0,
    loss: 1,
    learningRate: 1,
    gradNorm: 1,
    examplesSeen: 1,
    tokensSeen: 1,
    tokensPerSecond: 1,
    paddingShare: 0,
    dataWaitShare: 0,
    etaSeconds: [1, 3],
    residentBytes: 1,
    metrics: {},
  } as const;
}

describe("a job", () => {
  it("goes from queued to succeeded, published and promoted, and its log tells it without a gap", async () => {
    const { service, runner, publisher, reaches } = await open();
    const { job } = await service.create("r1", specOf({ promote: "auto-if-better" }));
    walk(runner);
    await reaches(job.id, "running");
    runner.current.hooks.planned(PLAN);
    runner.current.hooks.event({ kind: "checkpoint_written", step: 5, bytes: 10, seconds: 0.1 });
    runner.current.hooks.phase("trained");
    runner.current.finish(FINISHED);
    const events = await eventsOf(service, job.id);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect(events.map(({ kind, transition }) => transition?.to.kind ?? kind)).toEqual([
      "queued",
      "validating",
      "preparing",
      "running",
      "planned",
      "checkpoint_written",
      "evaluating",
      "result_ready",
      "published",
      "gate_result",
      "promoted",
      "succeeded",
    ]);
    expect(publisher.calls).toEqual(["publish mood@1", "runGate mood@1", "promote mood@1"]);
    expect(service.get(job.id)).toMatchObject({ modelVersion: "mood@1", lastSequence: events.length });
    expect(JSON.parse(service.get(job.id).gateReport)).toMatchObject({ verdict: "pass", difference: 0.1 });
    expect(await eventsOf(service, job.id, 9)).toEqual(events.slice(9));
    expect(defects).toEqual([]);
  });

  it("keeps what its run found, once, and forgets it where the run begins again", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("", specOf());
    walk(runner);
    await reaches(job.id, "running");
    const { hooks } = runner.current;
    const found = { kind: "warning", reason: "STILL_IMPROVING", message: "the loss still fell" } as const;
    hooks.event({ kind: "warning", reason: "FAR_RATE", message: "an ordinary warning" });
    hooks.event(found);
    hooks.event({ ...found, reason: "TRIVIAL_BASELINE", message: "learnt nothing" });
    hooks.event(found);
    const known = () => service.get(job.id).findings;
    await until(() => known().length === 2, "both findings");
    expect(known()).toEqual(["the loss still fell", "learnt nothing"]);
    hooks.event({ kind: "started", firstStep: 1, totalSteps: 3 } as TrainingEvent);
    await until(() => known().length === 0, "a new beginning");
    runner.current.hooks.phase("trained");
    runner.current.finish(FINISHED);
    await reaches(job.id, "succeeded");
  });

  for (const [verdict, better, policy] of [
    ["inconclusive", false, "auto-if-better"],
    ["fail", false, "auto-if-better"],
    ["pass", false, "auto-if-better"],
    ["pass", true, "manual"],
  ] as const) {
    it(`is not promoted when the gate says ${verdict}${better ? ", better" : ""} under ${policy}, and succeeds all the same`, async () => {
      const { service, runner, publisher, reaches } = await open();
      Object.assign(publisher, { verdict, better });
      const { job } = await service.create("", specOf({ promote: policy }));
      walk(runner);
      runner.current.hooks.phase("trained");
      runner.current.finish(FINISHED);
      await reaches(job.id, "succeeded");
      expect(publisher.calls).toEqual(["publish mood@1", "runGate mood@1"]);
      const told = (await eventsOf(service, job.id)).filter(({ kind }) => kind === "not_promoted");
      const why = {
        pass: /does not show that it is better/,
        fail: /gate is fail/,
        inconclusive: /gate is inconclusive/,
      };
      if (policy === "manual") expect([told, service.get(job.id).notPromoted]).toEqual([[], ""]);
      else {
        expect(told).toHaveLength(1);
        expect(told[0]?.summary).toMatch(/^mood@1 was not promoted: /);
        expect(service.get(job.id).notPromoted).toMatch(why[verdict]);
        expect(service.get(job.id).notPromoted).toContain("as the gate found");
      }
    });
  }

  it("is rejected with every problem, which is not a failure", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("", specOf());
    const problems = [{ where: "train.tsv:3:1", what: "unknown label", hint: "use 0 or 1" }];
    runner.current.finish({ kind: "rejected", reason: "DATA_INVALID", problems });
    await reaches(job.id, "rejected");
    expect(service.get(job.id).state).toMatchObject({ reason: "DATA_INVALID", problems });
    expect((await eventsOf(service, job.id)).filter(({ kind }) => kind === "validation_issue")).toHaveLength(1);
  });

  it("fails with the reason its work gives, or when its runner dies", async () => {
    const { service, runner, reaches } = await open();
    const first = await service.create("", specOf());
    walk(runner);
    runner.current.finish({ kind: "failed", reason: "DIVERGED", message: "NaN" });
    await reaches(first.job.id, "failed");
    expect(service.get(first.job.id).state).toMatchObject({ reason: "DIVERGED", message: "NaN" });
    const second = await service.create("", specOf());
    await until(() => runner.started.length === 2, "second job");
    walk(runner);
    runner.current.fail(new Error("out of memory"));
    await reaches(second.job.id, "failed");
    expect(defects).toHaveLength(1);
  });

  it.each([
    [2, "succeeded"],
    [3, "failed"],
  ])("whose gate dies %i times has %s, with what it trained", async (gatesLost, end) => {
    const { service, runner, publisher, reaches } = await open();
    publisher.gatesLost = gatesLost;
    const { job } = await service.create("", specOf());
    walk(runner);
    runner.current.hooks.phase("trained");
    runner.current.finish({ ...FINISHED, modelDirectory: await makeModel(job.id) } as JobOutcome);
    await reaches(job.id, end);
    expect(runner.started).toHaveLength(1); // nothing is trained again
    const reasons = (await eventsOf(service, job.id)).flatMap(({ transition }) =>
      transition?.reason === undefined ? [] : [`${transition.to.kind} ${transition.reason}`],
    );
    const again = ["preempted WORKER_KILLED", "queued WORKER_KILLED"];
    expect(reasons).toEqual([...again, ...again, ...(end === "failed" ? ["failed ENGINE_ERROR"] : [])]);
  });

  it("fails when its model cannot be published, and keeps what it trained", async () => {
    const { service, runner, publisher, reaches } = await open();
    publisher.failing = new Error("disk");
    const { job } = await service.create("", specOf());
    walk(runner);
    runner.current.hooks.phase("trained");
    runner.current.finish(FINISHED);
    await reaches(job.id, "failed");
    expect(publisher.calls).toEqual([]);
  });
});

describe("a publisher that a crash cuts short", () => {
  const promoted = specOf({ promote: "auto-if-better" });

  /** Lets a job come to a call of its publisher, and opens a copy of the disk as it is then in a new process. */
  async function crashedAt(
    call: "publish" | "runGate" | "promoteIfUnchanged",
    when: "before" | "after",
    outcome: JobOutcome = FINISHED,
  ) {
    const { service, runner, publisher } = await open();
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let arrived = false;
    const original = publisher[call].bind(publisher) as (...args: unknown[]) => Promise<unknown>;
    Object.assign(publisher, {
      [call]: async (...args: unknown[]) => {
        const result = when === "after" ? await original(...args) : undefined;
        arrived = true;
        await released;
        return result;
      },
    });
    const { job } = await service.create("", promoted);
    walk(runner);
    runner.current.hooks.phase("trained");
    runner.current.finish(outcome);
    await until(() => arrived, call);
    const copy = join(directory, "after the crash");
    await cp(join(directory, "jobs"), copy, { recursive: true });
    release(); // the old process writes to the old place, which nobody reads any more
    const again = await open({ directory: copy });
    await again.reaches(job.id, "preparing");
    again.runner.current.hooks.phase("prepared");
    again.runner.current.hooks.phase("trained");
    return { ...again, job };
  }

  for (const [call, when, calls] of [
    ["publish", "before", ["publish", "runGate", "promote"]],
    ["publish", "after", ["publish", "runGate", "promote"]],
    ["runGate", "after", ["publish", "runGate", "promote"]],
    ["promoteIfUnchanged", "before", ["publish", "promote"]],
    ["promoteIfUnchanged", "after", ["publish", "promote"]],
  ] as const) {
    it(`${when} ${call} is taken up again, and its log tells everything once`, async () => {
      const { service, runner, publisher, reaches, job } = await crashedAt(call, when);
      runner.current.finish(FINISHED);
      await reaches(job.id, "succeeded");
      expect(publisher.calls).toEqual(calls.map((name) => `${name} mood@1`));
      const kinds = (await eventsOf(service, job.id)).map(({ kind }) => kind);
      for (const once of ["published", "gate_result", "promoted"] as const) {
        expect(kinds.filter((kind) => kind === once)).toHaveLength(1);
      }
      expect(JSON.parse(service.get(job.id).gateReport)).toMatchObject({ verdict: "pass", difference: 0.1 });
    });
  }

  it("tells once which dataset keeps the file that the job made, however often it is kept", async () => {
    const outcome: JobOutcome = { ...FINISHED, file: { name: "instances.tf_record", path: "/instances" } };
    const { service, runner, publisher, reaches, job } = await crashedAt("publish", "after", outcome);
    runner.current.finish(outcome);
    await reaches(job.id, "succeeded");
    expect(publisher.calls).toContain("keep instances.tf_record");
    const stored = (await eventsOf(service, job.id)).filter(({ kind }) => kind === "dataset_stored");
    expect(stored).toMatchObject([{ detail: { digest: "d".repeat(64), name: "instances.tf_record" } }]);
    expect(service.get(job.id)).toMatchObject({
      dataset: "d".repeat(64),
      state: { result: { dataset: "d".repeat(64) } },
    });
  });

  it("is taken up without the work that led to it, which is in the job's directory", async () => {
    const { service, runner, publisher, reaches } = await open();
    publisher.gateRunsUntilStopped = true;
    const { job } = await service.create("", promoted);
    const model = await makeModel(job.id);
    walk(runner);
    runner.current.hooks.phase("trained");
    runner.current.finish({ ...FINISHED, stoppedBy: "max_steps", modelDirectory: model });
    await until(() => publisher.calls.includes("runGate mood@1"), "runGate");
    await reaches(job.id, "evaluating");
    await service.close(); // does not wait for the gate
    expect(service.get(job.id).state.kind).toBe("preempted");
    expect(publisher.calls).not.toContain("promote mood@1");

    await rename(join(directory, "jobs"), join(directory, "moved"));
    const again = await open({ directory: join(directory, "moved") });
    await again.reaches(job.id, "succeeded");
    await until(
      () => !existsSync(join(directory, "moved", job.id, "model")),
      "the model, which is in the store, is removed",
    );
    expect(again.runner.started).toEqual([]);
    expect(again.publisher.calls).toEqual(["publish mood@1", "runGate mood@1", "promote mood@1"]);
    expect(again.service.get(job.id).state).toMatchObject({
      result: { modelVersion: "mood@1", metrics: FINISHED.metrics, stoppedBy: "max_steps" },
    });
    expect(again.service.get(job.id).history.map(({ to }) => to.kind)).toEqual([
      ...["queued", "validating", "preparing", "running", "evaluating", "preempted"],
      ...["queued", "evaluating", "succeeded"],
    ]);
    const kinds = (await eventsOf(again.service, job.id)).map(({ kind }) => kind);
    for (const once of ["result_ready", "published", "gate_result", "promoted"] as const) {
      expect(kinds.filter((kind) => kind === once)).toHaveLength(1);
    }
    expect(defects).toEqual([]);
  });

  it("leaves nothing that only the work needed, also where a crash came right after it", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("", specOf());
    walk(runner);
    runner.current.hooks.phase("trained");
    runner.current.finish(FINISHED);
    await reaches(job.id, "succeeded");
    const copy = join(directory, "copy");
    await cp(join(directory, "jobs"), copy, { recursive: true });
    await mkdir(join(copy, job.id, "work/checkpoints/000012"), { recursive: true });
    await writeFile(join(copy, job.id, "work/eval_results.txt"), "eval_accuracy = 1\n");
    await open({ directory: copy });
    expect((await readdir(join(copy, job.id), { recursive: true })).sort()).toEqual([
      "events.log",
      "job.json",
      "work",
      "work/eval_results.txt",
    ]);
  });

  it("ends when its job is cancelled, though the gate is at work", async () => {
    const { service, runner, publisher, reaches } = await open();
    publisher.gateRunsUntilStopped = true;
    const { job } = await service.create("", promoted);
    walk(runner);
    runner.current.hooks.phase("trained");
    runner.current.finish(FINISHED);
    await until(() => publisher.calls.includes("runGate mood@1"), "runGate");
    await service.cancel(job.id);
    await reaches(job.id, "cancelled");
    expect(publisher.calls).not.toContain("promote mood@1");
    expect(defects).toEqual([]);
  });

  it("is not promoted over a champion that the gate did not know", async () => {
    const { service, runner, publisher, reaches, job } = await crashedAt("promoteIfUnchanged", "before");
    publisher.promotes = false;
    runner.current.finish(FINISHED);
    await reaches(job.id, "succeeded");
    const events = await eventsOf(service, job.id);
    expect(events.map(({ kind }) => kind)).not.toContain("promoted");
    expect(events.find(({ kind }) => kind === "not_promoted")?.summary).toMatch(/champion changed since/);
  });
});

describe("creating jobs", () => {
  it("is repeatable by request id, and refuses the id for another specification", async () => {
    const { service } = await open();
    const first = await service.create("same", specOf({ labels: { a: "1", b: "2" } }));
    const again = await service.create("same", specOf({ labels: { b: "2", a: "1" } }));
    expect(again).toMatchObject({ replayed: true, job: { id: first.job.id } });
    await expect(service.create("same", specOf({ seed: 2 }))).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
    const [one, two] = await Promise.all([service.create("race", specOf()), service.create("race", specOf())]);
    expect(one.job.id).toBe(two.job.id);
    expect(service.list()).toHaveLength(2);
  });

  it.each([
    ["a line in the middle of its log", "events.log", (text: string) => text.replace("queued", "QUEUED")],
    ["its identity", "job.json", (text: string) => text.slice(0, 20)],
    ["one digit of its specification", "job.json", (text: string) => text.replace(/"seed":\d/, '"seed":9')],
  ])(
    "sets a job aside when %s is damaged, tells whose it was, and goes on with the others",
    async (_, file, damage) => {
      const first = await open();
      const { job: damaged } = await first.service.create("", specOf());
      const { job: sound } = await first.service.create("", specOf());
      await first.reaches(damaged.id, "validating");
      const copy = join(directory, "damaged");
      await cp(join(directory, "jobs"), copy, { recursive: true });
      await writeFile(join(copy, damaged.id, file), damage(await readFile(join(copy, damaged.id, file), "utf8")));
      const told: (readonly [string, string])[] = [];
      const onDamaged: JobServiceOptions["onDamaged"] = ({ reason, message }, id) => {
        expect(message).toContain(damaged.id);
        told.push([reason, id]);
      };
      const again = await open({ directory: copy, onDamaged });
      expect(told).toEqual([["JOB_LOG_CORRUPT", damaged.id]]);
      expect(again.service.list().map(({ id }) => id)).toEqual([sound.id]);
      await again.reaches(sound.id, "validating");
      expect(await readdir(copy)).toEqual([`.${damaged.id}.damaged`, sound.id]);
    },
  );

  it("remembers request ids after a restart", async () => {
    const first = await open();
    const { job } = await first.service.create("same", specOf());
    await cp(join(directory, "jobs"), join(directory, "copy"), { recursive: true });
    const second = await open({ directory: join(directory, "copy") });
    expect(await second.service.create("same", specOf())).toMatchObject({ replayed: true, job: { id: job.id } });
  });

  it("runs one job at a time, the higher priority first, older ones first among equals", async () => {
    const { service, runner, reaches } = await open();
    const ids: string[] = [];
    for (const priority of [0, 0, 5, 0]) ids.push((await service.create("", specOf({ priority }))).job.id);
    const order: string[] = [];
    for (let round = 1; round <= 4; round++) {
      await until(() => runner.started.length === round, `job ${round}`);
      order.push(runner.current.job.id);
      runner.current.finish({ kind: "rejected", reason: "DATA_INVALID", problems: [] });
      await reaches(order.at(-1)!, "rejected");
    }
    expect(order).toEqual([ids[0], ids[2], ids[1], ids[3]]);
  });

  it("clones with fields replaced, recipe and labels merged", async () => {
    const { service } = await open();
    const { job } = await service.create("", specOf({ recipe: { learning_rate: "1e-5", train_step: "10" } }));
    const clone = await service.clone("", job.id, { recipe: { train_step: "20" }, seed: 7 });
    expect(clone.job.spec).toMatchObject({ seed: 7, recipe: { learning_rate: "1e-5", train_step: "20" } });
    await expect(service.clone("", "none", {})).rejects.toMatchObject({ reason: "JOB_NOT_FOUND" });
  });
});

describe("stopping jobs", () => {
  it("cancels a running job after the step in hand and a queued one at once", async () => {
    const { service, runner, publisher, reaches } = await open();
    const running = (await service.create("", specOf())).job;
    const queued = (await service.create("", specOf())).job;
    walk(runner);
    await reaches(running.id, "running");
    expect((await service.cancel(queued.id)).state.kind).toBe("cancelled");
    expect((await service.cancel(running.id)).state.kind).toBe("cancelling");
    expect(runner.current.stopped).toBe(true);
    runner.current.finish(FINISHED);
    await reaches(running.id, "cancelled");
    expect(publisher.calls).toEqual([]);
    await expect(service.cancel(running.id)).rejects.toMatchObject({ reason: "ILLEGAL_TRANSITION" });
  });

  it("keeps in its history who created, paused, resumed and cancelled a job", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("", specOf(), "token a");
    walk(runner);
    await reaches(job.id, "running");
    const pausing = service.pause(job.id, "token b");
    await until(() => runner.current.stopped, "asked to stop");
    runner.current.finish({ kind: "stopped" });
    await pausing;
    await service.resume(job.id, "token c");
    await until(() => runner.started.length === 2, "work again");
    await service.cancel(job.id, "token d");
    const told = service.get(job.id).history.map(({ to, detail }) => [to.kind, detail]);
    expect(told.filter(([, detail]) => detail !== undefined)).toEqual([
      ["queued", "by token a"],
      ["paused", "by token b"],
      ["queued", "by token c"],
      ["cancelling", "by token d"],
    ]);
  });

  it("pauses a running job and resumes it, past validation, from its checkpoint", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("", specOf());
    walk(runner);
    await reaches(job.id, "running");
    const pausing = service.pause(job.id);
    await until(() => runner.current.stopped, "asked to stop");
    runner.current.finish({ kind: "stopped" });
    expect((await pausing).state.kind).toBe("paused");
    await service.resume(job.id);
    await until(() => runner.started.length === 2, "work again");
    await reaches(job.id, "preparing");
    expect(runner.current.job.state).toMatchObject({ kind: "queued", resuming: true });
  });

  it("goes on from the version it began with, whatever serves by then", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("", specOf());
    await runner.current.hooks.startChosen("mood@3");
    await runner.current.hooks.teacherChosen("big@2");
    walk(runner);
    await reaches(job.id, "running");
    const pausing = service.pause(job.id);
    await until(() => runner.current.stopped, "asked to stop");
    runner.current.finish({ kind: "stopped" });
    await pausing;
    await service.resume(job.id);
    await until(() => runner.started.length === 2, "work again");
    expect(runner.current.job).toMatchObject({
      startVersion: "mood@3",
      teacherVersion: "big@2",
      spec: { init: "" },
    });
  });

  it.each([0, 5, -5])(
    "counts the time it took steps for against its bound, over pauses and restarts, though the clock jumps by %s hours",
    async (hours) => {
      let now = 1_000_000;
      let jumped = 1e12;
      const clocks = { clock: () => jumped + now, steadyClock: () => now };
      const jump = () => {
        jumped += hours * 3_600_000;
      };
      const before = await open(clocks);
      const { job } = await before.service.create("", specOf({ maxWallSeconds: 10 }));
      now += 60_000; // while it prepares
      walk(before.runner);
      await before.reaches(job.id, "running");
      now += 4000;
      jump();
      const pausing = before.service.pause(job.id);
      await until(() => before.runner.current.stopped, "asked to stop");
      before.runner.current.finish({ kind: "stopped" });
      await pausing;
      now += 60_000;
      await before.service.resume(job.id);
      await before.reaches(job.id, "preparing");
      before.runner.current.hooks.phase("prepared");
      await before.reaches(job.id, "running");
      now += 3000;
      jump();
      before.runner.current.hooks.event({ kind: "checkpoint_written", step: 5, bytes: 10, seconds: 0.1 });
      await until(() => before.service.get(job.id).runningMs === 7000, "seven seconds");
      const copy = join(directory, "killed");
      await cp(join(directory, "jobs"), copy, { recursive: true });
      now += 60_000; // while no server runs
      jump();
      const after = await open({ ...clocks, steadyClock: () => now - 1e9, directory: copy }); // the machine began anew
      await after.reaches(job.id, "preparing");
      const { spec, runningMs: spentMs } = after.runner.current.job;
      expect(wallLimit({ spec, spentMs })).toEqual({ timeLimitMs: 3000 });
    },
  );

  it("is given up when its server is killed twice in a row before it took a step, until a person resumes it", async () => {
    let from = "jobs";
    const killed = async () => {
      const copy = `${from}-killed`;
      await cp(join(directory, from), join(directory, copy), { recursive: true });
      from = copy;
      return open({ directory: join(directory, copy) });
    };
    const first = await open();
    const { job } = await first.service.create("", specOf());
    await first.reaches(job.id, "validating");
    const second = await killed();
    await second.reaches(job.id, "preparing");
    const third = await killed();
    expect(third.service.get(job.id).state).toMatchObject({
      kind: "failed",
      reason: "POISON",
      message: expect.stringContaining("killed 2 times in a row"),
    });
    expect(third.runner.started).toEqual([]);
    await third.service.resume(job.id);
    await third.reaches(job.id, "preparing");
    const fourth = await killed();
    await fourth.reaches(job.id, "preparing"); // the count began anew
    fourth.runner.current.hooks.phase("prepared"); // farther than ever
    await fourth.reaches(job.id, "running");
    const fifth = await killed();
    await fifth.reaches(job.id, "preparing");
    fifth.runner.current.hooks.phase("prepared");
    await fifth.reaches(job.id, "running");
    const sixth = await killed();
    expect(sixth.service.get(job.id).state.kind).toBe("failed"); // always in its first step
  });

  it("is not given up for kills after its last step", async () => {
    let current = await open();
    const { job } = await current.service.create("", specOf());
    walk(current.runner);
    current.runner.current.hooks.phase("trained");
    for (let from = "jobs", kill = 0; kill < 4; kill++) {
      await current.reaches(job.id, "evaluating");
      const copy = `${from}-killed`;
      await cp(join(directory, from), join(directory, copy), { recursive: true });
      from = copy;
      current = await open({ directory: join(directory, copy) });
      await current.reaches(job.id, "preparing");
      current.runner.current.hooks.phase("prepared");
      current.runner.current.hooks.event(stepMetrics(1));
      current.runner.current.hooks.phase("trained");
    }
    await current.reaches(job.id, "evaluating");
  });

  it("counts no kill after a step", async () => {
    let from = "jobs";
    let current = await open();
    const { job } = await current.service.create("", specOf());
    for (let kill = 0; kill < 5; kill++) {
      await until(() => current.runner.started.length === 1, "work");
      if (kill === 0) current.runner.current.hooks.phase("validated");
      current.runner.current.hooks.phase("prepared");
      await current.reaches(job.id, "running");
      current.runner.current.hooks.event({ kind: "checkpoint_written", step: 5, bytes: 10, seconds: 0.1 });
      current.runner.current.hooks.event(stepMetrics(kill + 1));
      await until(() => current.service.get(job.id).progress.step === kill + 1, "a step");
      const copy = `copy-${kill}`;
      await cp(join(directory, from), join(directory, copy), { recursive: true });
      from = copy;
      current = await open({ directory: join(directory, copy) });
    }
    await current.reaches(job.id, "preparing");
  });

  it("stands aside when the disk is full, and goes on when there is room", async () => {
    let free = 10e6;
    let look = () => {};
    const { service, runner, reaches } = await open({
      fullDisk: { freeBytes: async () => free, watchMs: 77 },
      every: (milliseconds, callback) => {
        if (milliseconds === 77) look = callback;
        return () => {};
      },
    });
    const { job } = await service.create("", specOf());
    walk(runner);
    await reaches(job.id, "running");
    runner.current.finish({ kind: "failed", reason: "DISK_FULL", message: "a checkpoint needs 9 bytes" });
    await reaches(job.id, "preempted");
    expect(service.get(job.id).history.at(-1)).toMatchObject({
      reason: "DISK_FULL",
      detail: "a checkpoint needs 9 bytes",
    });
    look();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(service.get(job.id).state.kind).toBe("preempted");
    free = 500e6;
    look();
    await reaches(job.id, "preparing");
    expect(runner.current.job.state).toMatchObject({ kind: "queued", resuming: true });
    runner.current.finish({ kind: "rejected", reason: "DISK_FULL", problems: [] }); // it looked again before it began
    await reaches(job.id, "preempted");
    await service.resume(job.id);
    await reaches(job.id, "preparing");
  });

  it("keeps what it made when storing that meets a full disk", async () => {
    const { service, runner, publisher, reaches } = await open();
    const { job } = await service.create("", specOf());
    const model = await makeModel(job.id);
    walk(runner);
    runner.current.hooks.phase("trained");
    publisher.failing = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    runner.current.finish({ ...FINISHED, modelDirectory: model });
    await reaches(job.id, "preempted");
    publisher.failing = undefined;
    await service.resume(job.id);
    await reaches(job.id, "succeeded");
    expect(runner.started).toHaveLength(1); // the work itself was not done again
  });

  it("loses none of its states though its log meets a full disk meanwhile", async () => {
    let free = 0;
    let look = () => {};
    const { service, runner, reaches } = await open({
      fullDisk: { retryMs: 1, watchMs: 77, freeBytes: async () => free },
      every: (milliseconds, callback) => {
        if (milliseconds === 77) look = callback;
        return () => {};
      },
    });
    const { job } = await service.create("", specOf());
    await reaches(job.id, "validating");
    let refused = 0;
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    const append = vi.spyOn(EventLog.prototype, "append").mockImplementation(async () => {
      refused++;
      throw full;
    });
    walk(runner);
    await until(() => refused > 3, "attempts");
    expect(service.get(job.id).state.kind).toBe("validating");
    append.mockRestore();
    await reaches(job.id, "running");
    const refuse = vi.spyOn(EventLog.prototype, "append").mockRejectedValue(full);
    runner.current.finish({ kind: "failed", reason: "DISK_FULL", message: "no room" });
    await until(() => refuse.mock.calls.length > 3, "attempts");
    free = 500e6; // what was found full counts, not what there was when it could be written down
    refuse.mockRestore();
    await reaches(job.id, "preempted");
    look();
    await reaches(job.id, "preparing");
  });

  it.each([
    ["failed", (run: ManualRun) => run.finish({ kind: "failed", reason: "ENGINE_ERROR", message: "m" })],
    ["rejected", (run: ManualRun) => run.finish({ kind: "rejected", reason: "DATA_INVALID", problems: [] })],
    ["succeeded", (run: ManualRun) => run.finish(FINISHED)],
  ] as const)(
    "comes into its last state, %s, though the disk fails a few times when that is written",
    async (last, end) => {
      const { service, runner, reaches } = await open({ fullDisk: { retryMs: 1 } });
      const { job } = await service.create("", specOf());
      if (last !== "rejected") walk(runner);
      await reaches(job.id, last === "rejected" ? "validating" : "running");
      if (last === "succeeded") runner.current.hooks.phase("trained");
      const { append } = EventLog.prototype;
      let failures = 0;
      const failing = vi.spyOn(EventLog.prototype, "append").mockImplementation(function (this: EventLog, event) {
        const kind = event.transition?.to.kind;
        if (kind !== last || failures === 3) return append.call(this, event);
        failures++;
        return Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" }));
      });
      end(runner.current);
      await reaches(job.id, last);
      expect(failures).toBe(3);
      failing.mockRestore();
    },
  );

  it("can be cancelled while it waits for room to write that it waits", async () => {
    const { service, runner, reaches } = await open({ fullDisk: { retryMs: 60_000, freeBytes: async () => 0 } });
    const { job } = await service.create("", specOf());
    walk(runner);
    await reaches(job.id, "running");
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    const append = vi.spyOn(EventLog.prototype, "append").mockRejectedValue(full);
    runner.current.finish({ kind: "failed", reason: "DISK_FULL", message: "no room" });
    await until(() => append.mock.calls.length > 0, "an attempt");
    append.mockRestore();
    await service.cancel(job.id);
    await reaches(job.id, "cancelled");
  });

  it("is taken up when there is room, though the disk is full when its server starts", async () => {
    const before = await open();
    const { job } = await before.service.create("", specOf());
    walk(before.runner);
    await before.reaches(job.id, "running");
    const copy = join(directory, "killed");
    await cp(join(directory, "jobs"), copy, { recursive: true });
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    const append = vi.spyOn(EventLog.prototype, "append").mockRejectedValue(full);
    let free = 0;
    let look = () => {};
    const after = await open({
      directory: copy,
      fullDisk: { freeBytes: async () => free, watchMs: 77 },
      every: (milliseconds, callback) => {
        if (milliseconds === 77) look = callback;
        return () => {};
      },
    });
    append.mockRestore();
    expect([after.service.get(job.id).state.kind, after.runner.started.length, defects]).toEqual([
      "running",
      0,
      [full],
    ]);
    free = 500e6;
    look();
    await after.reaches(job.id, "preparing");
  });

  it("lets a paused job wait while others run", async () => {
    const { service, runner, reaches } = await open();
    const first = (await service.create("", specOf())).job;
    const second = (await service.create("", specOf())).job;
    expect((await service.pause(second.id)).state.kind).toBe("paused");
    runner.current.finish({ kind: "rejected", reason: "DATA_INVALID", problems: [] });
    await reaches(first.id, "rejected");
    expect(runner.started).toHaveLength(1);
    await service.resume(second.id);
    await reaches(second.id, "preparing");
  });

  it("preempts the job at work when the server closes, and goes on with it afterwards", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("", specOf());
    walk(runner);
    await reaches(job.id, "running");
    const closing = service.close();
    await until(() => runner.current.stopped, "asked to stop");
    runner.current.finish({ kind: "stopped" });
    await closing;
    const again = await open();
    await again.reaches(job.id, "preparing");
    const kinds = again.service.get(job.id).history.map(({ to, reason }) => [to.kind, reason]);
    expect(kinds.slice(-3)).toEqual([
      ["preempted", "SERVER_RESTART"],
      ["queued", "SERVER_RESTART"],
      ["preparing", undefined],
    ]);
  });
});

describe("a job at work", () => {
  it("goes on by itself when what runs it was killed", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("", specOf());
    walk(runner);
    await reaches(job.id, "running");
    runner.current.finish({ kind: "killed", message: "its process ended" });
    await reaches(job.id, "preparing"); // begun again
    const killed = service.get(job.id).history.find(({ to }) => to.kind === "preempted");
    expect(killed).toMatchObject({ reason: "WORKER_KILLED", detail: "its process ended" });
  });

  it("is not taken for what kills its server when that was told to end and could not write so", async () => {
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    let current = await open();
    const { job } = await current.service.create("", specOf());
    for (let stop = 0; stop < 4; stop++) {
      await until(() => current.runner.started.length === 1, "work");
      await current.reaches(job.id, stop === 0 ? "validating" : "preparing");
      const append = vi.spyOn(EventLog.prototype, "append").mockRejectedValue(full);
      const closing = current.service.close();
      await until(() => current.runner.current.stopped, "asked to stop");
      current.runner.current.finish({ kind: "stopped" });
      await closing;
      append.mockRestore();
      current = await open();
    }
    await current.reaches(job.id, "preparing");
    expect(current.service.get(job.id).killedServers).toBe(0);
    expect(current.service.get(job.id).history.map(({ detail }) => detail)).toContain("the server was stopped");
  });

  it("stops at its next step when the server is told to end, which still tells how it is", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("", specOf());
    walk(runner);
    await reaches(job.id, "running");
    const stopping = service.stop();
    await until(() => runner.current.stopped, "asked to stop");
    expect(service.get(job.id).state.kind).toBe("running");
    await expect(service.create("other", specOf())).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
    runner.current.finish({ kind: "stopped" });
    await stopping;
    expect(service.get(job.id).state.kind).toBe("preempted");
  });

  it("stands back while serving's wait exceeds the bound", async () => {
    let waitMs = 0;
    let tick = () => {};
    const { service, runner } = await open({
      pressure: { predictedWaitMs: () => waitMs, boundMs: 50 },
      every: (_, callback) => {
        tick = callback;
        return () => {};
      },
    });
    const { job } = await service.create("", specOf());
    for (const wait of [10, 80, 20]) {
      waitMs = wait;
      tick();
    }
    expect(runner.current.yielding).toEqual([false, true, false]);
    runner.current.hooks.yielded(120);
    await until(() => service.get(job.id).lastSequence === 3, "yielded event");
  });

  it.each([0, 5, -5])(
    "logs step_metrics a tenth of a second apart, though the clock jumps by %s hours",
    async (hours) => {
      let now = 1_000_000;
      let jumped = 1e12;
      const { service, runner } = await open({ clock: () => jumped + now, steadyClock: () => now });
      const { job } = await service.create("", specOf());
      for (let step = 1; step <= 30; step++) {
        runner.current.hooks.event(stepMetrics(step));
        now += 50;
        if (step === 10) jumped += hours * 3_600_000;
      }
      await until(() => service.get(job.id).progress.step === 29, "every second step's metrics");
      expect(service.get(job.id).progress).toMatchObject({ etaSeconds: 2, loss: 1 });
      expect(service.get(job.id).lastSequence).toBe(2 + 15);
    },
  );

  it("is watched live, by any number of watchers, each of which may leave", async () => {
    const { service, runner } = await open();
    const { job } = await service.create("", specOf());
    const leave = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const event of service.watch(job.id, 0, leave.signal)) seen.push(event.kind);
    })();
    runner.current.hooks.activity("tokenizing");
    await until(() => seen.includes("activity"), "seen");
    expect(service.get(job.id).activity).toBe("tokenizing");
    leave.abort();
    await watching;
    runner.current.finish({ kind: "rejected", reason: "DATA_INVALID", problems: [] });
    expect((await eventsOf(service, job.id)).at(-1)?.transition?.to.kind).toBe("rejected");
  });
});

describe("a job that has ended", () => {
  it("can be deleted with its log and files; another cannot, and its request makes a new one", async () => {
    const { service, runner, reaches } = await open();
    const { job } = await service.create("r1", specOf());
    await expect(service.delete(job.id)).rejects.toMatchObject({ code: "precondition", reason: "JOB_NOT_ENDED" });
    walk(runner);
    runner.current.hooks.phase("trained");
    runner.current.finish(FINISHED);
    await reaches(job.id, "succeeded");
    await service.delete(job.id);
    expect(service.list()).toEqual([]);
    expect(await readdir(join(directory, "jobs"))).toEqual([]);
    await expect(service.delete(job.id)).rejects.toMatchObject({ reason: "JOB_NOT_FOUND" });
    const again = await service.create("r1", specOf());
    expect(again.replayed).toBe(false);
    expect(again.job.id).not.toBe(job.id);
  });

  it("takes notes and tags, which outlast the server and change nothing else", async () => {
    let nowMs = 1_800_000_000_000;
    const { service, runner, reaches } = await open({ clock: () => nowMs });
    const { job } = await service.create("", specOf());
    await service.create("", specOf({ seed: 2 }));
    walk(runner);
    runner.current.hooks.phase("trained");
    runner.current.finish(FINISHED);
    await reaches(job.id, "succeeded");
    const ended = service.get(job.id);
    nowMs += 3_600_000;
    await service.annotate(job.id, { note: "half the rate", addTags: ["best"], removeTags: [], revision: 0 }, "ann");
    const stale = service.annotate(job.id, { note: "other", addTags: [], removeTags: [], revision: 0 });
    await expect(stale).rejects.toMatchObject({ code: "conflict", reason: "NOTES_CHANGED" });
    const noted = { note: "half the rate", tags: ["best"], revision: 1 };
    expect(service.get(job.id)).toEqual({ ...ended, annotation: noted, lastSequence: ended.lastSequence + 1 });
    expect((await eventsOf(service, job.id)).at(-1)).toMatchObject({ kind: "annotated", timeMs: nowMs });
    expect(service.list({ tags: ["best"] }).map(({ id }) => id)).toEqual([job.id]);
    expect(service.list({ tags: ["best", "other"] })).toEqual([]);
    for (const work of runner.started) work.finish({ kind: "stopped" });
    await service.close();
    const next = await open();
    expect(next.service.get(job.id)).toMatchObject({ annotation: noted, updatedMs: ended.updatedMs });
  });

  it("is deleted by itself when its time is over, and not before", async () => {
    let nowMs = Date.now();
    const ticks: (() => void)[] = [];
    const every = (_: number, callback: () => void) => {
      ticks.push(callback);
      return () => {};
    };
    const { service, reaches } = await open({ retentionMs: 1000, clock: () => nowMs, every });
    const { job } = await service.create("", specOf());
    const waiting = await service.create("", specOf({ seed: 2 }));
    await service.cancel(waiting.job.id);
    await reaches(waiting.job.id, "cancelled");
    for (const tick of ticks) tick();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(service.list()).toHaveLength(2);
    nowMs += 1001;
    for (const tick of ticks) tick();
    await until(() => service.list().length === 1, "the one that has ended is gone");
    expect(service.get(job.id).state.kind).toBe("validating");
  });
});
