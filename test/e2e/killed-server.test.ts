import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectAdmin } from "../../src/client/admin-client.ts";
import { connectAlbert } from "../../src/client/albert-client.ts";
import { JobKind, JobState, PromotePolicy, type JobEvent as WireEvent } from "../../src/gen/albert/v1/training_pb.js";
import { isTerminal } from "../../src/jobs/job-state.ts";
import { readLog } from "../../src/jobs/log/event-log.ts";
import { RandomStream } from "../../src/model/random.ts";
import { openStore } from "../../src/store/open-store.ts";
import { ALL_HEADS, writeTinyModel } from "../support/models/tiny-model-directory.ts";
import { moodRows } from "../support/mood-rows.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { expectSound } from "../support/sound.ts";

/** Kills that must hit an unfinished job; each takes two to four seconds. */
const KILLS = Number(process.env["SERVER_KILLS"] ?? 5);
/** Kills after which a job is left to itself. */
const KILLS_OF_ONE_JOB = 8;
const MODEL = "reviews";
/** What happens to a model once, however often the server dies over it. */
const ONCE = ["published", "gate_result", "promoted"];

const STATES: Readonly<Record<string, JobState>> = JobState;

/** When to kill: so many milliseconds at most after the server began, or after something happened to the job. */
const INSTANTS: readonly { readonly after?: string; readonly withinMs: number }[] = [
  { after: "checkpoint_written", withinMs: 400 },
  { after: "published", withinMs: 600 },
  { after: "gate_result", withinMs: 300 },
  { after: "EVALUATING", withinMs: 60 },
  { withinMs: 4000 },
];

const SPEC = {
  kind: JobKind.FINE_TUNE,
  model: MODEL,
  task: "classification",
  train: { path: "train.jsonl" },
  eval: { path: "dev.jsonl" },
  recipe: {
    train_step: "60",
    learning_rate: "0.01",
    train_batch_size: "16",
    max_seq_length: "16",
    save_checkpoints_steps: "5",
  },
  seed: 7n,
  promote: PromotePolicy.AUTO_IF_BETTER,
};

describe("a server that is killed with SIGKILL while a job goes on", () => {
  const base = mkdtempSync(join(tmpdir(), "albert-killed-"));
  const running = new Set<ServerProcess>();
  /** Of every server that ran. */
  const pids: number[] = [];
  let model: string;
  beforeAll(async () => {
    mkdirSync(join(base, "data"));
    writeFileSync(join(base, "data/train.jsonl"), moodRows(200, 0));
    writeFileSync(join(base, "data/dev.jsonl"), moodRows(80, 200));
    model = await writeTinyModel(ALL_HEADS.slice(0, 1));
  });
  afterAll(async () => {
    for (const server of running) await server.kill();
    rmSync(base, { recursive: true, force: true });
  });

  const start = (place: string): ServerProcess => {
    const server = startServerProcess({
      models: { load: `${MODEL}=${model}` },
      store: { directory: place },
      training: { dataset_roots: join(base, "data"), threads: 1, priority: "normal" },
      runtime: { device: "cpu", intra_threads: 1 },
    });
    running.add(server);
    pids.push(server.pid);
    void server.ended.then(() => running.delete(server));
    return server;
  };

  /** Lets a server go on with the job, which the first one of a place creates, until the job or the server ends. */
  const work = (place: string, seen: WireEvent[]) => {
    const server = start(place);
    const before = seen.length;
    let wake = () => {};
    const watched = async () => {
      const { admin: address } = await server.ready;
      const admin = connectAdmin(address, { maxAttempts: 1 });
      try {
        const { job, replayed } = await admin.training.createJob({ requestId: "only", spec: SPEC });
        expect(replayed).toBe(before > 0);
        const updates = admin.training.watchJob({ jobId: job!.id, afterSequence: seen.length });
        for await (const { update } of updates) {
          if (update.case !== "event") continue;
          seen.push(update.value);
          wake();
        }
      } finally {
        admin.close();
      }
    };
    const jobEnded = watched();
    jobEnded.catch(() => {}); // the server was killed; where it was not, whoever awaits the job meets the error
    /** Resolves after an event of this process; after one that happens once, when an earlier process had it, at its evaluation. */
    const happened = async (name: string) => {
      const names = ONCE.includes(name) && seen.some((event) => nameOf(event) === name) ? "EVALUATING" : name;
      while (!seen.slice(before).some((event) => nameOf(event) === names)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    return { server, jobEnded, happened };
  };

  it("finishes it by itself: the same weights, a whole log, a sound store", {
    timeout: 600_000 + KILLS * 10_000,
  }, async () => {
    const undisturbed = join(base, "undisturbed");
    const expected = await finish(undisturbed, []);
    const random = new RandomStream([Date.now() >>> 0, process.pid]);
    const hits: string[] = [];
    for (let run = 0, attempt = 0; hits.length < KILLS; run++) {
      const place = join(base, `killed-${run}`);
      const seen: WireEvent[] = [];
      for (let kills = 0; hits.length < KILLS && kills < KILLS_OF_ONE_JOB; attempt++) {
        const { after = seen.length > 0 ? undefined : "PREPARING", withinMs } = INSTANTS[attempt % INSTANTS.length]!;
        const { server, jobEnded, happened } = work(place, seen);
        const ended = jobEnded.catch(() => {});
        if (after !== undefined) await Promise.race([ended, happened(after)]);
        await Promise.race([ended, wait(random.below(withinMs))]);
        await server.kill();
        await ended;
        const { events } = readLog(await readFile(await logOf(place)));
        const last = events.at(-1)!;
        if (last.transition !== undefined && isTerminal(last.transition.to)) break;
        hits.push(last.transition?.to.kind ?? last.kind);
        kills++;
      }
      expect(await finish(place, seen), hits.join(", ")).toEqual(expected);
    }
    console.info(`${hits.length} kills of the whole server, when the job's log ended with: ${hits.join(", ")}`);
  });

  /** Lets a place's job come to its end, and checks everything that is left. @returns the files of its model */
  async function finish(place: string, seen: WireEvent[]) {
    const { server, jobEnded } = work(place, seen);
    await jobEnded;
    const client = connectAlbert((await server.ready).public, { maxAttempts: 1 });
    const { labels, meta } = await client.classify({ text: "good day 7" });
    expect([meta!.version, labels[0]!.label]).toEqual(["2", "positive"]);
    client.close();
    expect(await server.stop()).toBe(0);
    const left = readdirSync(tmpdir()).filter((name) => pids.some((pid) => name.includes(`-${pid}-`)));
    expect(left.filter((name) => /^albert-(session|plan|import)-/.test(name))).toEqual([]);

    const { events, torn } = readLog(await readFile(await logOf(place)));
    expect(torn).toBe(false);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
    expect(seen.map(({ sequence, summary }) => [sequence, summary])).toEqual(
      events.map(({ sequence, summary }) => [sequence, summary]),
    );
    const trail = events.map(({ summary }) => summary).join("\n");
    for (const once of ONCE) {
      expect(events.filter(({ kind }) => kind === once).length, `${once} of\n${trail}`).toBe(1);
    }
    expect(events.filter(({ transition }) => transition !== undefined && isTerminal(transition.to)).length).toBe(1);
    expect(events.at(-1)!.transition!.to, trail).toMatchObject({
      kind: "succeeded",
      result: { modelVersion: `${MODEL}@2` },
    });

    const store = await openStore(place);
    await expectSound(store, MODEL);
    const versions = await store.versions.list(MODEL);
    expect(versions.map(({ version }) => version)).toEqual([1, 2]);
    const { aliases } = await store.aliases.list(MODEL);
    expect(aliases["champion"]).toMatchObject({ version: 2, generation: 2 });
    expect(aliases["previous"]).toMatchObject({ version: 1 });
    expect(await store.versions.report(MODEL, 2, "gate")).toMatchObject({ verdict: "pass", better: true });
    expect(await store.versions.report(MODEL, 2, "gate.2")).toBeUndefined();
    await store.close();
    const { "manifest.json": _, ...files } = versions[1]!.files; // the manifest names the job, whose id differs
    return files;
  }
});

/** The state the job came into, or what else happened. */
function nameOf({ kind, transition }: WireEvent): string {
  if (transition === undefined) return kind;
  return Object.keys(STATES).find((name) => STATES[name] === transition.to)!;
}

async function logOf(place: string): Promise<string> {
  const [job] = (await readdir(join(place, "jobs"))).filter((name) => !name.startsWith("."));
  return join(place, "jobs", job!, "events.log");
}
