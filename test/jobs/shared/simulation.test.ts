import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import type { JobIdentity } from "../../../src/jobs/job.ts";
import { queuedEvent } from "../../../src/jobs/job-event.ts";
import { isTerminal } from "../../../src/jobs/job-state.ts";
import { stateChange } from "../../../src/jobs/log/job-record.ts";
import {
  type Claim,
  claimEvents,
  holds,
  releaseEvents,
  requeueEvents,
  wasTaken,
} from "../../../src/jobs/shared/claims.ts";
import { LeaseWatch } from "../../../src/jobs/shared/lease-watch.ts";
import { OwnedJob, SharedJob } from "../../../src/jobs/shared/shared-job.ts";
import { RandomStream } from "../../../src/model/random.ts";
import { StoredJobs, type TrainerSign } from "../../../src/store/jobs/stored-jobs.ts";
import type { ObjectStore } from "../../../src/store/objects/object-store.ts";
import { MemoryObjectStore } from "../../store/objects/memory-object-store.ts";
import { specOf } from "../fake-runner.ts";

// Servers that share a job, on the program's own code, in a world whose every event is drawn from a seed: in which order the store does
// what, which answers and writes are lost, who is suspended or killed when, and how fast each clock runs.

const SERVERS = 3;
const STEPS = 6;
const LEASE_MS = 50;
const RUNS = Number(process.env["QUEUE_SIMULATIONS"] ?? 400);

/** What one server waits for: an operation on the store, or time. */
interface Pending {
  readonly server: number;
  readonly life: number;
  readonly run: () => void;
  /** Earliest moment, on the world's clock. */
  readonly atMs: number;
}

class World {
  readonly random: RandomStream;
  readonly objects = new MemoryObjectStore();
  readonly rates: readonly number[];
  readonly versions: string[] = [];
  nowMs = 0;
  /** Present life of each server; what belongs to an earlier one never goes on. */
  readonly lives = Array.from({ length: SERVERS }, () => 0);
  readonly suspendedUntil = Array.from({ length: SERVERS }, () => 0);
  #pending: Pending[] = [];
  readonly happened = { kills: 0, suspensions: 0, lost: 0, releases: 0, refused: 0 };

  constructor(seed: number) {
    this.random = new RandomStream([seed, 77]);
    this.rates = Array.from({ length: SERVERS }, () => 0.8 + this.random.below(5) / 10);
  }

  /** A server's own steady clock, which runs as fast as it likes. */
  clock(server: number): number {
    return this.nowMs * this.rates[server]!;
  }

  /** Goes on when the scheduler says so; never, where the server has been killed since. */
  turn(server: number, delayMs = 0): Promise<void> {
    const life = this.lives[server]!;
    return new Promise((resolve) => {
      this.#pending.push({ server, life, run: resolve, atMs: this.nowMs + delayMs });
    });
  }

  /** Lets one thing happen. */
  async step(): Promise<void> {
    this.nowMs += this.random.below(3);
    this.#pending = this.#pending.filter(({ server, life }) => life === this.lives[server]);
    const ready = this.#pending.filter(
      ({ server, atMs }) => atMs <= this.nowMs && this.suspendedUntil[server]! <= this.nowMs,
    );
    if (ready.length === 0) {
      this.nowMs += 5;
      return;
    }
    const chosen = ready[this.random.below(ready.length)]!;
    this.#pending.splice(this.#pending.indexOf(chosen), 1);
    chosen.run();
    // Everything that follows without the store or time happens now.
    for (let i = 0; i < 40; i++) await Promise.resolve();
  }

  /** The store as one server sees it, over a network that may lose what is sent and what is answered. */
  storeOf(server: number): StoredJobs {
    const { objects } = this;
    const lost = () => {
      this.happened.lost++;
      return new AlbertError("unavailable", "no answer", { reason: "STORE_UNAVAILABLE" });
    };
    const over = async <T>(run: () => Promise<T>): Promise<T> => {
      await this.turn(server);
      if (this.random.below(25) === 0) throw lost();
      const result = await run();
      await this.turn(server);
      if (this.random.below(25) === 0) throw lost();
      return result;
    };
    const seen: ObjectStore = {
      get: (key) => over(() => objects.get(key)),
      fetch: (key, path) => over(() => objects.fetch(key, path)),
      head: (key) => over(() => objects.head(key)),
      putIfAbsent: (key, body) => over(() => objects.putIfAbsent(key, body)),
      delete: (key) => over(() => objects.delete(key)),
      list: (prefix) => objects.list(prefix),
      listRegisters: (prefix) => objects.listRegisters(prefix),
      readRegister: (key) => over(() => objects.readRegister(key)),
      writeRegister: (key, bytes, tag) => over(() => objects.writeRegister(key, bytes, tag)),
      sweep: async () => {},
      close: async () => {},
    };
    return new StoredJobs(seen);
  }
}

const IDENTITY: JobIdentity = { id: "job", requestId: "", spec: specOf(), specDigest: "d", createdMs: 0 };

/** One life of a server: it looks at the job, takes it when it may, works on it, and judges whoever has it. */
async function live(world: World, server: number): Promise<void> {
  const store = world.storeOf(server);
  const trainer = `t${server}`;
  const options = {
    ...{ store, clock: () => Math.round(world.clock(server)), steadyClock: () => world.clock(server) },
    onChange: () => {},
    wait: (milliseconds: number) => world.turn(server, milliseconds / 100),
  };
  const tries = async <T>(run: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await run();
      } catch (error) {
        if (!(error instanceof AlbertError) || error.code !== "unavailable") throw error;
        await world.turn(server, 1);
      }
    }
  };
  const shared = await tries(() => SharedJob.open("", IDENTITY, options));
  const leases = new LeaseWatch(LEASE_MS, () => world.clock(server));
  const begun = shared.job;
  if (begun.owner?.trainer === trainer) {
    await tries(() =>
      shared.change((job) => releaseEvents(job, begun.generation!, { why: "ended", killed: true }, 1e9)),
    );
  }
  while (!isTerminal(shared.job.state)) {
    await world.turn(server, 3);
    await tries(() => shared.refresh());
    const { owner, generation = 0 } = shared.job;
    if (owner !== undefined && owner.trainer !== trainer) {
      const beganMs = leases.nowMs;
      const tag = await tries(() => store.signTag(owner.trainer));
      if (!leases.isGone("job", `${generation}/${tag ?? ""}`, beganMs)) continue;
      const released = await tries(() =>
        shared.change((job) => releaseEvents(job, generation, { why: "silent", killed: true }, 1e9)),
      );
      if (released !== undefined) world.happened.releases++;
      continue;
    }
    await tries(() => shared.change((job) => requeueEvents(job, 1e9)));
    const claimed = await tries(() => shared.change((job) => claimEvents(job, { trainer, host: trainer })));
    if (claimed === undefined) {
      // An answer that was lost may have been that of this server's own claim.
      const { owner: now, generation: newest = 0 } = shared.job;
      if (now?.trainer === trainer) await work(world, server, store, shared, { trainer, generation: newest });
      continue;
    }
    await work(world, server, store, shared, { trainer, generation: claimed.generation! });
  }
}

/** Works under a claim until the job ends or the claim is lost. */
async function work(world: World, server: number, store: StoredJobs, shared: SharedJob, claim: Claim): Promise<void> {
  let lost = false;
  const record = new OwnedJob(shared, claim, new AbortController().signal, () => {
    lost = true;
    world.happened.refused++;
  });
  const signs = async () => {
    for (let beat = 1; !lost && holds(shared.job, claim); beat++) {
      const known = await store.sign(claim.trainer).catch(() => undefined);
      const sign: TrainerSign = {
        ...{ form: 1, trainer: claim.trainer, host: "h", pid: 1, atMs: 0 },
        beat: (known?.sign?.beat ?? 0) + beat,
      };
      await store.giveSign(sign, known?.tag).catch(() => false);
      await world.turn(server, LEASE_MS / 5);
    }
  };
  void signs();
  try {
    // The run of a real server is no faster than the log: it makes the steps after its last checkpoint.
    while (holds(shared.job, claim)) {
      const { state, kept = [], modelVersion } = shared.job;
      await world.turn(server, 2);
      if (state.kind === "queued") await record.transition({ kind: "begin" });
      else if (state.kind === "validating") await record.transition({ kind: "validated" });
      else if (state.kind === "preparing") await record.transition({ kind: "prepared" });
      else if (state.kind === "running" && kept.length < STEPS) {
        const files = [...kept, { path: `${kept.length + 1}`, sha256: "", bytes: 1, generation: claim.generation }];
        await record.append({ kind: "files_kept", summary: "", detail: { files } });
      } else if (state.kind === "running") await record.transition({ kind: "trained" });
      else if (state.kind === "evaluating" && modelVersion === "") {
        await world.turn(server, 2);
        // As `Versions.publish`: a version of the same job counts as its own.
        if (world.versions.length === 0) world.versions.push(`m@1 of generation ${claim.generation}`);
        await record.append({ kind: "published", summary: "", detail: { version: "m@1" } });
      } else if (state.kind === "evaluating") await record.transition({ kind: "succeed", result: { metrics: {} } });
      else if (state.kind === "cancelling") await record.transition({ kind: "stopped" });
      if (wasTaken(shared.job, claim)) return;
    }
  } catch (error) {
    if (!(error instanceof AlbertError) || error.reason !== "JOB_CLAIM_LOST") throw error;
  }
}

describe("servers that share a job, in worlds drawn from seeds", { timeout: 300_000 }, () => {
  it(`end it once, with one version and a log without gap or fork, in ${RUNS} worlds`, async () => {
    const total = { kills: 0, suspensions: 0, lost: 0, releases: 0, refused: 0 };
    let most = 0;
    for (let seed = 0; seed < RUNS; seed++) {
      const world = new World(seed);
      const { random } = world;
      const store = new StoredJobs(world.objects);
      await SharedJob.begin({ store, clock: () => 0 }, IDENTITY, queuedEvent(undefined));
      await store.create(IDENTITY.id, IDENTITY);
      const failures: unknown[] = [];
      const start = (server: number) => void live(world, server).catch((error: unknown) => failures.push(error));
      for (let server = 0; server < SERVERS; server++) start(server);
      const options = { store, clock: () => 0, steadyClock: () => 0, onChange: () => {} };
      const seen = await SharedJob.open("", IDENTITY, options);
      const isCancelled = seed % 5 === 0;
      let cancelled = false;
      for (let step = 0; !isTerminal(seen.job.state); step++) {
        await world.step();
        expect(failures, `seed ${seed}`).toEqual([]);
        if (step > 60_000)
          throw new Error(`seed ${seed}: the job does not end; it is ${JSON.stringify(seen.job.state)}`);
        // Trouble ends some day, so that the job can.
        if (step < 3000 && random.below(120) === 0) {
          const server = random.below(SERVERS);
          if (random.below(2) === 0) {
            world.happened.suspensions++;
            world.suspendedUntil[server] = world.nowMs + random.below(4 * LEASE_MS);
          } else {
            world.happened.kills++;
            world.lives[server]!++;
            start(server);
          }
        }
        if (step % 10 === 0) await seen.refresh();
        if (isCancelled && !cancelled && step > 800 && !isTerminal(seen.job.state)) {
          cancelled = true;
          await seen.change(({ state }) =>
            isTerminal(state) || state.kind === "cancelling" ? undefined : [stateChange(state, { kind: "cancel" })],
          );
        }
      }
      // What was on its way arrives.
      for (let step = 0; step < 400; step++) await world.step();
      const { job } = await SharedJob.open("", IDENTITY, options);
      const events = [];
      for await (const event of seen.watch(0)) events.push(event);
      expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
      expect(job.lastSequence, `seed ${seed}`).toBe(events.length);
      expect(events.filter(({ transition }) => transition !== undefined && isTerminal(transition.to))).toHaveLength(1);
      let present = 0;
      let steps = 0;
      for (const { kind, detail } of events) {
        if (kind === "claimed") expect(detail?.["generation"]).toBe(++present);
        if (kind !== "files_kept") continue;
        const files = detail?.["files"] as { readonly generation: number }[];
        expect(files).toHaveLength(++steps);
        expect(files.at(-1)!.generation).toBe(present);
      }
      expect(world.versions.length).toBeLessThanOrEqual(1);
      if (job.state.kind === "succeeded") expect([steps, world.versions.length]).toEqual([STEPS, 1]);
      else expect(job.state.kind).toBe("cancelled");
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += world.happened[name];
      most = Math.max(most, job.generation ?? 0);
    }
    console.info(`${RUNS} worlds: ${JSON.stringify(total)}, generations up to ${most}`);
    expect(Math.min(...Object.values(total))).toBeGreaterThan(0);
  });
});
