import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readLog } from "../../src/jobs/event-log.ts";
import { applyEvent, newJob } from "../../src/jobs/job.ts";
import type { JobService } from "../../src/jobs/job-service.ts";
import { allows, isActive, isTerminal, type JobStateKind } from "../../src/jobs/job-state.ts";
import { openJobService } from "../../src/jobs/open-job-service.ts";
import { HandWorker, RecordingPublication, specOf, until } from "./fake-worker.ts";

let directory: string;
let copies = 0;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-job-model-"));
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
  worker: HandWorker;
}

async function reopen(real: Pick<Real, "path">): Promise<Pick<Real, "service" | "worker">> {
  const worker = new HandWorker();
  const service = await openJobService({
    directory: real.path,
    worker,
    publication: new RecordingPublication(),
    checkSpec: () => {},
    clock: () => 0, // without ageing, priority and order alone decide
    onDefect: (error) => {
      throw error;
    },
  });
  return { service, worker };
}

async function close({ service, worker }: Pick<Real, "service" | "worker">): Promise<void> {
  for (const work of worker.started) work.finish({ kind: "stopped" });
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
        () => real.worker.started.length > 0 && real.worker.current.job.id === reference.working,
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
      real.worker.current.hooks.phase(phase);
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
      if (kind === "rejected") real.worker.current.finish({ kind, reason: "DATA_INVALID", problems: [] });
      else if (kind === "failed") real.worker.current.finish({ kind, reason: "DIVERGED", message: "NaN" });
      else real.worker.current.finish({ kind: "finished", metrics: {} });
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
      if (reference.working === id) {
        await until(() => real.worker.current.stopped, "asked to stop");
        real.worker.current.finish({ kind: "stopped" });
        end(reference, "cancelled");
      } else job.state = "cancelled";
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
        await until(() => real.worker.current.stopped, "asked to stop");
        real.worker.current.finish({ kind: "stopped" });
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
        }
      }
      reference.working = undefined;
      begin(reference);
    },
  ),
);

describe("jobs under any sequence of commands and crashes", () => {
  it("are always where the reference says, with logs that have no gap and never shrink", {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.commands([create, create, advance, advance, advance, finish, cancel, pause, resume, crash], {
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
      { numRuns: 40 },
    );
  });
});
