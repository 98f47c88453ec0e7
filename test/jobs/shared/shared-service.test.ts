import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobEvent } from "../../../src/jobs/job-event.ts";
import type { JobOutcome } from "../../../src/jobs/job-outcome.ts";
import type { JobService } from "../../../src/jobs/job-service.ts";
import {
  openSharedJobService,
  type SharedJobServiceOptions,
} from "../../../src/jobs/shared/open-shared-job-service.ts";
import { makeDirectory } from "../../../src/platform/directories.ts";
import { StoredJobs } from "../../../src/store/jobs/stored-jobs.ts";
import { MemoryObjectStore } from "../../store/objects/memory-object-store.ts";
import { ManualRunner, RecordingPublisher, specOf } from "../fake-runner.ts";

const FINISHED: JobOutcome = { kind: "finished", metrics: { eval_accuracy: 0.9 }, modelDirectory: "/model" };
const POLL_MS = 10;
const LEASE_MS = 300;

let directory: string;
let objects: MemoryObjectStore;
let store: StoredJobs;
let servers: Server[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "albert-queue-"));
  objects = new MemoryObjectStore();
  store = new StoredJobs(objects);
  servers = [];
});
afterEach(async () => {
  for (const server of servers) await server.close();
  await rm(directory, { recursive: true, force: true });
});

interface Server {
  readonly service: JobService;
  readonly runner: ManualRunner;
  readonly publisher: RecordingPublisher;
  readonly defects: unknown[];
  /** While true, its timers do not run: it gives no sign of life and looks at nothing, as when it is suspended. */
  suspended: boolean;
  close(): Promise<void>;
}

async function open(name: string, varied: Partial<SharedJobServiceOptions> = {}): Promise<Server> {
  const runner = new ManualRunner();
  const publisher = new RecordingPublisher();
  const defects: unknown[] = [];
  const server = {
    ...{ runner, publisher, defects, suspended: false },
    close: async () => {
      for (const run of runner.started) run.finish({ kind: "stopped" });
      await server.service.close();
    },
  } as Server & { service: JobService };
  server.service = await openSharedJobService({
    directory: join(directory, name),
    ...{ store, runner, publisher, trainer: name },
    times: { leaseMs: LEASE_MS, heartbeatMs: LEASE_MS / 5 },
    pollMs: POLL_MS,
    checkSpec: () => {},
    onDefect: (error) => defects.push(error),
    onError: (error) => defects.push(error),
    every: (milliseconds, callback) => {
      const timer = setInterval(() => server.suspended || callback(), milliseconds);
      return () => clearInterval(timer);
    },
    ...varied,
  });
  servers.push(server);
  return server;
}

/** A store whose listing shows nothing, and in which no claim is written, until so many are on their way. */
class SameInstant extends StoredJobs {
  readonly reached: Promise<void>;
  #claims = 0;
  readonly #most: number;
  #open = () => {};

  constructor(held: MemoryObjectStore, claims: number) {
    super(held);
    this.#most = claims;
    const read = this.notices.read.bind(this.notices);
    this.notices.read = async (before) =>
      this.#claims < this.#most ? { tag: undefined, newest: 0, jobs: [] } : read(before);
    this.reached = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  override async ids(): Promise<string[]> {
    return this.#claims < this.#most ? [] : super.ids();
  }

  override async putPiece(id: string, number: number, piece: { readonly events?: readonly JobEvent[] }) {
    if (piece.events?.[0]?.kind === "claimed") {
      if (++this.#claims === this.#most) this.#open();
      await this.reached;
    }
    return super.putPiece(id, number, piece);
  }
}

/** Waits until something is true, of the disk too. */
async function until(isTrue: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 20_000; !isTrue(); ) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Waits until a server that is asked for a job says that it is in a state. */
async function untilAsked(server: Server, id: string, state: string): Promise<void> {
  for (const end = performance.now() + 20_000; stateOn(server, id) !== state; ) {
    if (performance.now() > end) throw new Error(`never ${state}`);
    await server.service.refresh(id);
  }
}

const stateOn = ({ service }: Server, id: string) => service.list().find((job) => job.id === id)?.state.kind;

async function eventsOf({ service }: Server, id: string): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  for await (const event of service.watch(id, 0)) events.push(event);
  return events;
}

/** Lets the run that a server began last come to its end. */
function finish({ runner }: Server): void {
  const { hooks } = runner.current;
  for (const phase of ["validated", "prepared", "trained"] as const) hooks.phase(phase);
  runner.current.finish(FINISHED);
}

function expectWhole(events: readonly JobEvent[]): void {
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
}

describe("servers that share a queue", () => {
  it("work on one job each, and see the jobs of all", async () => {
    const [a, b] = [await open("a"), await open("b")];
    const ids: string[] = [];
    for (const seed of [1, 2, 3]) ids.push((await a.service.create(`r${seed}`, specOf({ seed }))).job.id);
    await until(() => a.runner.started.length === 1 && b.runner.started.length === 1, "a job on each");
    await b.service.refresh();
    expect(b.service.list().map(({ id }) => id)).toEqual([...ids].sort().reverse());
    const finished = new Set<unknown>();
    while (finished.size < 3) {
      const isBusy = ({ runner }: Server) => runner.started.length > 0 && !finished.has(runner.current);
      await until(() => isBusy(a) || isBusy(b), "the next job");
      const busy = isBusy(a) ? a : b;
      finished.add(busy.runner.current);
      finish(busy);
    }
    for (const id of ids) {
      await until(() => stateOn(b, id) === "succeeded", "the end is seen by all");
      const events = await eventsOf(b, id);
      expectWhole(events);
      expect(events.filter(({ kind }) => kind === "claimed")).toHaveLength(1);
      expect(events).toEqual(await eventsOf(a, id));
    }
    expect([...a.publisher.calls, ...b.publisher.calls].filter((call) => call.startsWith("publish"))).toHaveLength(3);
    expect([...a.defects, ...b.defects]).toEqual([]);
  });

  it("make one job of one request, wherever it is repeated", async () => {
    const [a, b] = [await open("a"), await open("b")];
    const first = await a.service.create("once", specOf());
    const again = await b.service.create("once", specOf());
    expect([again.job.id, again.replayed]).toEqual([first.job.id, true]);
    await expect(b.service.create("once", specOf({ seed: 9 }))).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
    const both = await Promise.all([a, b].map(({ service }) => service.create("at once", specOf({ seed: 3 }))));
    expect(new Set(both.map(({ job }) => job.id)).size).toBe(1);
  });

  it("note what they know of a job, of which none is lost and none replaced unseen", async () => {
    const [a, b] = [await open("a"), await open("b")];
    const { job } = await a.service.create("", specOf());
    await b.service.refresh();
    const change = { addTags: [], removeTags: [] };
    await Promise.all([
      a.service.annotate(job.id, { ...change, addTags: ["of a"] }),
      b.service.annotate(job.id, { ...change, addTags: ["of b"] }),
    ]);
    await a.service.refresh();
    const { revision, tags } = a.service.get(job.id).annotation;
    expect([revision, tags]).toEqual([2, ["of a", "of b"]]);
    const both = await Promise.allSettled(
      [a, b].map(({ service }) =>
        service.annotate(job.id, { ...change, note: `by ${service === a.service}`, revision }),
      ),
    );
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const refused = both.find(({ status }) => status === "rejected") as PromiseRejectedResult;
    expect(refused.reason).toMatchObject({ reason: "NOTES_CHANGED" });
    expect([...a.defects, ...b.defects]).toEqual([]);
  });

  it("cancel, pause and resume each other's jobs", async () => {
    const [a, b] = [await open("a"), await open("b")];
    const { job } = await a.service.create("", specOf());
    await until(() => [a, b].some(({ runner }) => runner.started.length > 0), "a start");
    const [owner, other] = a.runner.started.length > 0 ? [a, b] : [b, a];
    owner.runner.current.hooks.phase("validated");
    owner.runner.current.hooks.phase("prepared");
    await untilAsked(other, job.id, "running");
    const pausing = other.service.pause(job.id, "ann");
    await until(() => owner.runner.current.stopped, "the owner stops");
    owner.runner.current.finish({ kind: "stopped" });
    expect((await pausing).state.kind).toBe("paused");
    owner.suspended = true; // so that the other is the one to go on
    await other.service.resume(job.id, "ann");
    await until(() => other.runner.started.length === 1, "the other goes on");
    owner.suspended = false;
    await owner.service.refresh();
    expect((await owner.service.cancel(job.id, "bob")).state.kind).toBe("cancelling");
    await until(() => other.runner.current.stopped, "the other stops");
    other.runner.current.finish({ kind: "stopped" });
    await until(() => stateOn(owner, job.id) === "cancelled", "the end");
    const events = await eventsOf(owner, job.id);
    expectWhole(events);
    expect(events.filter(({ kind }) => kind === "claimed").map(({ detail }) => detail?.["generation"])).toEqual([1, 2]);
    expect([...a.defects, ...b.defects]).toEqual([]);
  });

  it("take over the job of a server that is silent, from its last checkpoint; what it does when it wakes changes nothing", async () => {
    const a = await open("a");
    const { job } = await a.service.create("", specOf());
    await until(() => a.runner.started.length === 1, "a start");
    const { hooks } = a.runner.current;
    hooks.phase("validated");
    hooks.phase("prepared");
    const step = join(directory, "a", job.id, "work/checkpoints/step-000000005");
    await makeDirectory(step);
    await writeFile(join(step, "parameters"), "five");
    await writeFile(join(step, "pinned"), "");
    hooks.event({ kind: "checkpoint_written", step: 5, bytes: 4, seconds: 0.1 });
    await until(() => (a.service.get(job.id).kept ?? []).length === 2, "the checkpoint is kept");
    a.suspended = true;
    const b = await open("b");
    await until(() => b.runner.started.length === 1, "the other takes over");
    expect(b.service.get(job.id)).toMatchObject({ generation: 2, owner: { trainer: "b" } });
    const there = join(directory, "b", job.id, "work/checkpoints/step-000000005/parameters");
    expect((await import("node:fs")).readFileSync(there, "utf8")).toBe("five");
    // It wakes, and its run is done before it looks.
    hooks.phase("trained");
    a.runner.current.finish(FINISHED);
    await until(() => a.defects.length === 1, "it learns that its claim is gone");
    expect(a.defects[0]).toMatchObject({ reason: "JOB_CLAIM_LOST" });
    expect(a.publisher.calls).toEqual([]);
    a.suspended = false;
    finish(b);
    await until(() => stateOn(a, job.id) === "succeeded", "the end, as the first sees it");
    const events = await eventsOf(a, job.id);
    expectWhole(events);
    expect(events.map(({ kind }) => kind).filter((kind) => ["claimed", "released"].includes(kind))).toEqual([
      "claimed",
      "released",
      "claimed",
    ]);
    expect(events.filter(({ transition }) => transition?.to.kind === "succeeded")).toHaveLength(1);
    expect(b.publisher.calls.filter((call) => call.startsWith("publish"))).toHaveLength(1);
    await until(() => ![...objects.objects.keys()].some((key) => key.startsWith("job-files/")), "files are removed");
  });

  it("go on at once with what their own process had in hand before it was killed", async () => {
    const a = await open("a");
    const { job } = await a.service.create("", specOf());
    await until(() => a.runner.started.length === 1, "a start");
    a.suspended = true;
    // The lock of its directory is what tells that it is gone: here it is released without anything else.
    await rm(join(directory, "a.lock"), { recursive: true });
    const again = await open("a", { times: { leaseMs: 3_600_000, heartbeatMs: 1000 } });
    await until(() => again.runner.started.length === 1, "it goes on");
    expect(again.service.get(job.id)).toMatchObject({ generation: 2 });
    finish(again);
    await until(() => stateOn(again, job.id) === "succeeded", "the end");
  });

  it("set their job aside when they end, and another goes on at once", async () => {
    const [a, b] = [await open("a"), await open("b", { times: { leaseMs: 3_600_000, heartbeatMs: 1000 } })];
    b.suspended = true;
    const { job } = await a.service.create("", specOf());
    await until(() => a.runner.started.length === 1, "a start");
    const closing = a.close();
    await closing;
    b.suspended = false;
    await until(() => b.runner.started.length === 1, "the other goes on");
    expect(b.service.get(job.id).killedServers).toBe(0);
    finish(b);
    await until(() => stateOn(b, job.id) === "succeeded", "the end");
  });

  it("hold a submitter to its jobs at work, and let submitters take turns", async () => {
    const a = await open("a", { atWorkPerSubmitter: 1 });
    const b = await open("b", { atWorkPerSubmitter: 1 });
    const first = await a.service.create("", specOf({ seed: 1 }), "ann");
    await until(() => a.runner.started.length + b.runner.started.length === 1, "ann's first");
    await a.service.create("", specOf({ seed: 2 }), "ann");
    const bobs = await a.service.create("", specOf({ seed: 3 }), "bob");
    await until(() => a.runner.started.length + b.runner.started.length === 2, "bob's");
    await new Promise((resolve) => setTimeout(resolve, 10 * POLL_MS));
    const begun = [a, b].flatMap(({ runner }) => runner.started.map((run) => run.job.id));
    expect(begun.sort()).toEqual([first.job.id, bobs.job.id].sort());
  });

  it("hold a submitter to its jobs at work when they claim at the same time, and do all of them", async () => {
    const instant = new SameInstant(objects, 2);
    const both = [
      await open("a", { store: instant, atWorkPerSubmitter: 1 }),
      await open("b", { store: instant, atWorkPerSubmitter: 1 }),
    ];
    const made = await Promise.all(both.map(({ service }, i) => service.create("", specOf({ seed: i }), "ann")));
    await instant.reached;
    for (const done of [1, 2]) {
      await until(() => both.reduce((sum, { runner }) => sum + runner.started.length, 0) === done, "one is at work");
      await new Promise((resolve) => setTimeout(resolve, 10 * POLL_MS));
      const working = both.filter(({ runner, service }) =>
        runner.started.some(({ job }) => service.get(job.id).owner !== undefined),
      );
      expect(working.length).toBe(1);
      finish(working[0]!);
      await until(
        () => both.every((each) => made.filter(({ job }) => stateOn(each, job.id) === "succeeded").length === done),
        "its end",
      );
    }
    const logs = await Promise.all(made.map(({ job }) => eventsOf(both[0]!, job.id)));
    const released = logs.flat().filter(({ kind }) => kind === "released");
    expect(released.map(({ summary }) => summary.replace(/.*: /, ""))).toEqual([
      "its submitter has as many jobs at work as it may",
    ]);
    for (const log of logs) expectWhole(log);
  });

  it("delete a job that has ended, for all; what a late owner writes of it stays unseen", async () => {
    const [a, b] = [await open("a"), await open("b")];
    const { job } = await a.service.create("r", specOf());
    await expect(b.service.refresh().then(() => b.service.delete(job.id))).rejects.toMatchObject({
      reason: "JOB_NOT_ENDED",
    });
    await until(() => a.runner.started.length + b.runner.started.length === 1, "a start");
    finish(a.runner.started.length > 0 ? a : b);
    await until(() => stateOn(b, job.id) === "succeeded", "the end");
    await b.service.delete(job.id);
    await until(() => stateOn(a, job.id) === undefined, "it is gone everywhere");
    expect([...objects.objects.keys()]).toEqual([]);
    await store.putPiece(job.id, 9, { form: 1, writer: "late", events: [] });
    await a.service.refresh();
    expect(a.service.list()).toEqual([]);
    await store.sweep(() => true);
    expect([...objects.objects.keys()]).toEqual([]);
  });

  it("set aside a job whose log is damaged; the others go on", async () => {
    const damaged: string[] = [];
    const a = await open("a");
    const { job } = await a.service.create("", specOf());
    await until(() => a.runner.started.length === 1, "a start");
    const key = [...objects.objects.keys()].find((name) => name.startsWith("job-logs/"))!;
    objects.objects.set(key, Buffer.from('{"form":1,"checksum":"00000000"}'));
    const b = await open("b", { onDamaged: (_, id) => damaged.push(id) });
    await b.service.refresh();
    expect([damaged, b.service.list()]).toEqual([[job.id], []]);
    await b.service.create("", specOf({ seed: 2 }));
    await until(() => b.runner.started.length === 1, "another job");
  });

  it("read little at a look, however many jobs wait, and hear of a change at the next", async () => {
    const a = await open("a");
    for (let seed = 0; seed < 40; seed++) await a.service.create("", specOf({ seed }));
    await until(() => a.runner.started.length === 1, "a start");
    const seen = { looks: 0, logs: 0 };
    const counted = new MemoryObjectStore();
    Object.assign(counted, { objects: objects.objects, cells: objects.cells });
    counted.get = async (key) => {
      if (key.startsWith("job-logs/")) seen.logs++;
      return objects.get(key);
    };
    counted.readRegister = async (key) => {
      if (key === "queue/notices") seen.looks++;
      return objects.readRegister(key);
    };
    const b = await open("b", { store: new StoredJobs(counted) });
    await until(() => b.runner.started.length === 1, "a start on the other");
    Object.assign(seen, { looks: 0, logs: 0 });
    await until(() => seen.looks > 100, "a hundred looks");
    // One for the job in hand, and one for the looks at all logs, of which each is paid for in looks without.
    expect(seen.logs / seen.looks).toBeLessThan(3);
    const { id } = b.service.list()[0]!;
    await a.service.cancel(id);
    const { looks } = seen;
    await until(() => stateOn(b, id) === "cancelled", "the other hears of it");
    expect(seen.looks - looks).toBeLessThan(20);
    expect([...a.defects, ...b.defects]).toEqual([]);
  });

  it("find out by themselves what no server gave notice of", async () => {
    const a = await open("a");
    // As a server of an earlier release, or one that was killed before it could tell.
    const tell = store.notices.tell.bind(store.notices);
    store.notices.tell = async () => {};
    const silent = await open("b", { pollMs: 3_600_000 });
    const { job } = await silent.service.create("", specOf());
    const busy = () => [a, silent].find(({ runner }) => runner.started.length > 0);
    await until(() => busy() !== undefined, "one takes it");
    store.notices.tell = tell;
    const other = busy() === a ? silent : a;
    finish(busy()!);
    await until(() => stateOn(busy()!, job.id) === "succeeded", "its end");
    await other.service.refresh(job.id);
    expect(stateOn(other, job.id)).toBe("succeeded");
  });

  it("believe a listing of signs that is behind in nothing that costs an owner its job", async () => {
    const a = await open("a");
    const { job } = await a.service.create("", specOf());
    await until(() => a.runner.started.length === 1, "a start");
    class Behind extends StoredJobs {
      override async signTags(): Promise<ReadonlyMap<string, string>> {
        return new Map([["a", "long ago"]]);
      }
    }
    const b = await open("b", { store: new Behind(objects) });
    await new Promise((resolve) => setTimeout(resolve, 2 * LEASE_MS));
    expect(b.service.get(job.id)).toMatchObject({ generation: 1, owner: { trainer: "a" } });
    finish(a);
  });
});
