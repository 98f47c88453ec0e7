import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { applyEvent, newJob } from "../../src/jobs/job.ts";
import type { JobService } from "../../src/jobs/job-service.ts";
import { allows, isActive, isTerminal, type JobStateKind } from "../../src/jobs/job-state.ts";
import { readLog } from "../../src/jobs/log/event-log.ts";
import { openJobService } from "../../src/jobs/open-job-service.ts";
import { SCRATCH } from "../support/scratch.ts";
import { ManualRunner, RecordingPublisher, specOf, until } from "./fake-runner.ts";

let directory: string;
let copies = 0;
beforeEach(async () => {
  directory = await mkdtemp(join(SCRATCH, "albert-job-model-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** What the world looks like to an administrator, kept in the simplest way that could be right. */
interface Reference {
  /** In the order of creation. */
  readonly jobs: Map<string, { state: JobStateKind; priority: number; resuming: boolean }>;
  working: string | undefined;
}

interface Real {
  path: string;
  service: JobService;
  runner: ManualRunner;
}

async function reopen(real: Pick<Real, "path">): Promise<Pick<Real, "service" | "runner">> {
  const runner = new ManualRunner();
  const service = await openJobService({
    directory: real.path,
    runner,
    publisher: new RecordingPublisher(),
    checkSpec: () => {},
    poisonKills: Number.POSITIVE_INFINITY, // crashes alone are tried here
    clock: () => 0, // without ageing, priority and order alone decide
    onDefect: (error) => {
      throw error;
    },
  });
  return { service, runner };
}

async function close({ service, runner }: Pick<Real, "service" | "runner">): Promise<void> {
  for (const work of runner.started) work.finish({ kind: "stopped" });
  await service.close();
}

/** The job that the reference lets begin, if any. */
function begin(reference: Reference): void {
  if (reference.working !== undefined) return;
  const queued = [...reference.jobs].filter(([, { state }]) => state === "queued");
  const best = Math.max(...queued.map(([, { priority }]) => priority));
  const next = queued.filter(([, { priority }]) => priority === best).sort(([a], [b]) => (a < b ? -1 : 1))[0];
  if (next === undefined) return;
  reference.working = next[0];
  next[1].state = next[1].resuming ? "preparing" : "validating";
}

function end(reference: Reference, state: JobStateKind): void {
  reference.jobs.get(reference.working!)!.state = state;
  reference.working = undefined;
  begin(reference);
}

async function agrees(real: Real, reference: Reference): Promise<void> {
  const states = () => Object.fromEntries(real.service.list().map(({ id, state }) => [id, state.kind]));
  const expected = Object.fromEntries([...reference.jobs].map(([id, { state }]) => [id, state]));
  const same = () =>
    JSON.stringify(Object.entries(states()).sort()) === JSON.stringify(Object.entries(expected).sort());
  await until(same, () => `${JSON.stringify(states())} is not ${JSON.stringify(expected)}`);
  expect(real.service.list().filter(({ state }) => isActive(state)).length).toBeLessThanOrEqual(1);
}

type Command = fc.AsyncCommand<Reference, Real>;

function command(
  name: string,
  check: (reference: Reference) => boolean,
  run: (reference: Reference, real: Real) => Promise<void>,
): Command {
  return {
    check,
    run: async (reference, real) => {
      await run(reference, real);
      await agrees(real, reference);
    },
    toString: () => name,
  };
}

const stateOfWork = ({ jobs, working }: Reference) => (working === undefined ? undefined : jobs.get(working)!.state);
const chosen = (reference: Reference, pick: number) =>
  [...reference.jobs.keys()][pick % Math.max(reference.jobs.size, 1)];

const create = fc.integer({ min: 0, max: 2 }).map((priority) =>
  command(
    `create(${priority})`,
    ({ jobs }) => jobs.size < 6,
    async (reference, real) => {
      const { job } = await real.service.create("", specOf({ priority }));
      reference.jobs.set(job.id, { state: "queued", priority, resuming: false });
      begin(reference);
    },
  ),
);

const advance = fc.constant(
  command(
    "advance",
    (reference) => ["validating", "preparing", "running"].includes(stateOfWork(reference) ?? ""),
    async (reference, real) => {
      await until(
        () => real.runner.started.length > 0 && real.runner.current.job.id === reference.working,
        "work began",
      );
      const job = reference.jobs.get(reference.working!)!;
      const [phase, state] = (
        {
          validating: ["validated", "preparing"],
          preparing: ["prepared", "running"],
          running: ["trained", "evaluating"],
        } as const
      )[job.state as "validating" | "preparing" | "running"];
      real.runner.current.hooks.phase(phase);
      job.state = state;
    },
  ),
);

const finish = fc.constantFrom("finished", "rejected", "failed").map((kind) =>
  command(
    kind,
    (reference) => {
      const state = stateOfWork(reference);
      if (kind === "rejected") return state === "validating" || state === "preparing";
      if (kind === "failed") return state === "preparing" || state === "running" || state === "evaluating";
      return state === "evaluating";
    },
    async (reference, real) => {
      if (kind === "rejected") real.runner.current.finish({ kind, reason: "DATA_INVALID", problems: [] });
      else if (kind === "failed") real.runner.current.finish({ kind, reason: "DIVERGED", message: "NaN" });
      else real.runner.current.finish({ kind: "finished", metrics: {} });
      end(reference, kind === "finished" ? "succeeded" : (kind as JobStateKind));
    },
  ),
);

const cancel = fc.nat(5).map((pick) =>
  command(
    `cancel(${pick})`,
    (reference) => reference.jobs.size > 0,
    async (reference, real) => {
      const id = chosen(reference, pick)!;
      const job = reference.jobs.get(id)!;
      const { state } = real.service.get(id);
      if (!allows(state, { kind: "cancel" })) {
        await expect(real.service.cancel(id)).rejects.toMatchObject({ reason: "ILLEGAL_TRANSITION" });
        return;
      }
      await real.service.cancel(id);
      job.state = reference.working === id ? "cancelling" : "cancelled";
    },
  ),
);

/** Work that was asked to stop does, or comes to its end all the same. */
const stop = fc.constantFrom("stopped", "finished").map((kind) =>
  command(
    `${kind} when cancelled`,
    (reference) => stateOfWork(reference) === "cancelling",
    async (reference, real) => {
      await until(() => real.runner.current.stopped, "asked to stop");
      real.runner.current.finish(kind === "finished" ? { kind, metrics: {} } : { kind: "stopped" });
      end(reference, "cancelled");
    },
  ),
);

const clone = fc.nat(5).map((pick) =>
  command(
    `clone(${pick})`,
    ({ jobs }) => jobs.size > 0 && jobs.size < 6,
    async (reference, real) => {
      const id = chosen(reference, pick)!;
      const { priority } = reference.jobs.get(id)!;
      const { job } = await real.service.clone("", id, {});
      expect(job.id).not.toBe(id);
      reference.jobs.set(job.id, { state: "queued", priority, resuming: false });
      begin(reference);
    },
  ),
);

const pause = fc.nat(5).map((pick) =>
  command(
    `pause(${pick})`,
    (reference) => reference.jobs.size > 0,
    async (reference, real) => {
      const id = chosen(reference, pick)!;
      const job = reference.jobs.get(id)!;
      if (job.state === "running") {
        const pausing = real.service.pause(id);
        await until(() => real.runner.current.stopped, "asked to stop");
        real.runner.current.finish({ kind: "stopped" });
        await pausing;
        end(reference, "paused");
      } else if (job.state === "queued") {
        await real.service.pause(id);
        job.state = "paused";
      } else {
        await expect(real.service.pause(id)).rejects.toMatchObject({ reason: "ILLEGAL_TRANSITION" });
      }
    },
  ),
);

const resume = fc.nat(5).map((pick) =>
  command(
    `resume(${pick})`,
    (reference) => reference.jobs.size > 0,
    async (reference, real) => {
      const id = chosen(reference, pick)!;
      const job = reference.jobs.get(id)!;
      if (job.state !== "paused") {
        await expect(real.service.resume(id)).rejects.toMatchObject({ reason: "ILLEGAL_TRANSITION" });
        return;
      }
      await real.service.resume(id);
      Object.assign(job, { state: "queued", resuming: true });
      begin(reference);
    },
  ),
);

/** The disk as a kill leaves it becomes the disk of a new process; a torn last line may be part of it. */
const crash = fc.constant(
  command(
    "crash",
    () => true,
    async (reference, real) => {
      const path = join(directory, `after-${copies++}`);
      await cp(real.path, path, { recursive: true });
      await close(real); // writes to the old place, which nobody reads any more
      Object.assign(real, { path, ...(await reopen({ path })) });
      for (const job of reference.jobs.values()) {
        if (["validating", "preparing", "running", "evaluating"].includes(job.state)) {
          Object.assign(job, { state: "queued", resuming: true });
        } else if (job.state === "cancelling") job.state = "cancelled";
      }
      reference.working = undefined;
      begin(reference);
    },
  ),
);

/** Only trials of sweeps are held: `sweeps/` has them. */
type State = Exclude<JobStateKind, "preempted" | "held">;

/** What becomes of a job in a state by each command; no entry: the command is refused and nothing happens. */
const OUTCOMES: Readonly<Record<State, { readonly [C in "cancel" | "pause" | "resume" | "crash"]?: JobStateKind }>> = {
  queued: { cancel: "cancelled", pause: "paused", crash: "queued" },
  validating: { cancel: "cancelling", crash: "preparing" },
  preparing: { cancel: "cancelling", crash: "preparing" },
  running: { cancel: "cancelling", pause: "paused", crash: "preparing" },
  evaluating: { cancel: "cancelling", crash: "preparing" },
  paused: { cancel: "cancelled", resume: "preparing", crash: "paused" },
  cancelling: { crash: "cancelled" },
  succeeded: { crash: "succeeded" },
  failed: { crash: "failed" },
  rejected: { crash: "rejected" },
  cancelled: { crash: "cancelled" },
};

/** Opens jobs of which one, whose id is returned, is in a state. */
async function jobIn(state: State): Promise<Real & { readonly id: string }> {
  const path = join(directory, `world-${copies++}`);
  const real = { path, ...(await reopen({ path })) };
  const { service, runner } = real;
  if (state === "queued") await service.create("", specOf()); // which is at work
  const { job } = await service.create("", specOf());
  const walked: readonly State[] = ["validating", "preparing", "running", "evaluating"];
  const from = { paused: "running", cancelling: "running", cancelled: "running", failed: "running" } as const;
  const target = state in from ? from[state as keyof typeof from] : state === "succeeded" ? "evaluating" : state;
  const phases = ["validated", "prepared", "trained"] as const;
  for (const phase of phases.slice(0, Math.max(0, walked.indexOf(target)))) runner.current.hooks.phase(phase);
  if (walked.includes(target)) await until(() => service.get(job.id).state.kind === target, target);
  if (state === "succeeded") runner.current.finish({ kind: "finished", metrics: {} });
  if (state === "failed") runner.current.finish({ kind: "failed", reason: "DIVERGED", message: "NaN" });
  if (state === "rejected") runner.current.finish({ kind: "rejected", reason: "DATA_INVALID", problems: [] });
  if (state === "cancelling" || state === "cancelled") await service.cancel(job.id);
  if (state === "cancelled") runner.current.finish({ kind: "stopped" });
  if (state === "paused") await paused(real, job.id);
  await until(() => service.get(job.id).state.kind === state, state);
  return { ...real, id: job.id };
}

async function paused({ service, runner }: Real, id: string): Promise<void> {
  const pausing = service.pause(id);
  if (service.get(id).state.kind === "running") {
    await until(() => runner.current.stopped, "asked to stop");
    runner.current.finish({ kind: "stopped" });
  }
  await pausing;
}

describe("a job", () => {
  for (const state of Object.keys(OUTCOMES) as State[]) {
    it(`that is ${state} can be cancelled, paused, resumed, cloned and left by a crash, or refuses`, async () => {
      for (const name of ["cancel", "pause", "resume"] as const) {
        const real = await jobIn(state);
        const expected = OUTCOMES[state][name];
        const { lastSequence } = real.service.get(real.id);
        const changed =
          name === "pause" && expected !== undefined ? paused(real, real.id) : real.service[name](real.id);
        if (expected === undefined) {
          await expect(changed).rejects.toMatchObject({ reason: "ILLEGAL_TRANSITION", metadata: { state } });
          expect(real.service.get(real.id).lastSequence).toBe(lastSequence);
        } else {
          await changed;
          await until(() => real.service.get(real.id).state.kind === expected, `${name} of ${state}`);
        }
        await close(real);
      }

      const real = await jobIn(state);
      const { job: twin } = await real.service.clone("", real.id, {});
      expect(twin).toMatchObject({ spec: real.service.get(real.id).spec, state: { kind: expect.any(String) } });
      expect(real.service.get(real.id).state.kind).toBe(state);
      await close(real);

      const crashing = await jobIn(state);
      const path = join(directory, `after-${copies++}`);
      await cp(crashing.path, path, { recursive: true });
      await close(crashing); // writes to the old place
      const after = await reopen({ path });
      const { crash: expected } = OUTCOMES[state];
      await until(() => after.service.get(crashing.id).state.kind === expected, `crash of ${state}`);
      await close(after);
    });
  }
});

describe("jobs under any sequence of commands and crashes", () => {
  it("are always where the reference says, with logs that have no gap and never shrink", {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.commands([create, create, advance, advance, advance, finish, cancel, stop, pause, resume, clone, crash], {
          maxCommands: 25,
        }),
        async (commands) => {
          const path = join(directory, `world-${copies++}`);
          const real: Real = { path, ...(await reopen({ path })) };
          await fc.asyncModelRun(() => ({ model: { jobs: new Map(), working: undefined }, real }), commands);
          const jobs = real.service.list();
          for (const job of jobs) {
            const log = readLog(await readFile(join(real.path, job.id, "events.log")));
            expect(log.events.map(({ sequence }) => sequence)).toEqual(log.events.map((_, index) => index + 1));
            const { id, requestId, spec, specDigest, createdMs } = job;
            expect(log.events.reduce(applyEvent, newJob({ id, requestId, spec, specDigest, createdMs }))).toEqual(job);
            const endings = log.events.filter(
              ({ transition }) => transition !== undefined && isTerminal(transition.to),
            );
            expect(endings.length).toBe(isTerminal(job.state) ? 1 : 0);
          }
          await close(real);
        },
      ),
      { numRuns: 300 },
    );
  });
});
