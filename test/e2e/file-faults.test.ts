import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { AlbertError } from "../../src/errors.ts";
import { JobStore } from "../../src/jobs/job-store.ts";
import { EventLog, readLog } from "../../src/jobs/log/event-log.ts";
import { toAlbertError } from "../../src/server/errors/status.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { Uploads } from "../../src/store/uploads.ts";
import { CheckpointStore } from "../../src/training/checkpoints.ts";
import { specOf } from "../jobs/fake-runner.ts";
import { type FileFault, failAt } from "../support/file-faults.ts";
import { watchFlushes } from "../support/flushes.ts";
import { SCRATCH } from "../support/scratch.ts";
import { expectSound } from "../support/sound.ts";
import { TestClock, workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop(SCRATCH);
const FAULTS: readonly FileFault[] = ["EIO", "lost", "ENOSPC", "short", "EMFILE"];
/** Each call fails in a run that says so; in others, and with another beginning in each run, every so many. */
const STRIDES: Readonly<Record<FileFault, number>> =
  process.env["ALBERT_TEST_FILE_FAULTS"] === "all"
    ? { EIO: 1, lost: 1, ENOSPC: 1, short: 1, EMFILE: 1 }
    : { EIO: 25, lost: 25, ENOSPC: 7, short: 2, EMFILE: 9 };
/** What is made again where a loss of power has damaged it: copies of what the store has, and files that nobody is told of. */
const MAY_BE_LOST = /^(content|name) of (cache|store\/tmp|uploads)(\/|$|,)/;
const sound = path("sound");
const place = path("place");
const clock = new TestClock();
const open = () => openStore(join(place, "store"), { cacheDirectory: join(place, "cache"), clock });

let first: string;
let second: string;
const rows = Buffer.from("sentence\tlabel\na film\t1\n".repeat(40));
const digest = createHash("sha256").update(rows).digest("hex");
const PLAN = { name: "rows.tsv", bytes: rows.length, digest };
const uploadsTo = (store: Store) =>
  new Uploads({ directory: join(place, "uploads"), datasets: store.datasets, maxBytes: 1e6 });
const ACCESS = {
  clock: () => 1000,
  checkFencing: async () => {},
  onChange: () => {},
  onDamaged: (error: AlbertError) => {
    throw error;
  },
};
const checkpoints = () =>
  CheckpointStore.open({
    directory: join(place, "checkpoints"),
    identity: { digests: {}, fingerprint: {} },
    keepLast: 1,
  });
const checkpointOf = (step: number) => {
  const tensor = new Map([["w", { shape: [8], data: new Float32Array(8).fill(step) }]]);
  const state = { parameters: tensor, adamM: tensor, adamV: tensor, ema: new Map(), globalStep: step };
  const watched = { steps: 0, examples: 0, lossSum: 0, predicted: [] };
  const progress = {
    step,
    seed: 1,
    attempt: 0,
    learningRateScale: 1,
    examplesSeen: step,
    tokensSeen: step,
    evaluationsSinceBest: 0,
    watched,
  };
  return { state, progress };
};

interface Operation {
  readonly what: string;
  readonly prepare?: () => Promise<void>;
  /** Does it, on files below `place`. Repeated after a fault, it must succeed. */
  readonly run: () => Promise<unknown>;
  /** What holds after a fault and after the repetition. */
  readonly check: (repeated: boolean) => Promise<void>;
  /** The least number of calls, so that a loop that injects nothing is noticed. */
  readonly calls: number;
}

async function withStore<T>(use: (store: Store) => Promise<T>): Promise<T> {
  const store = await open();
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

const versions = (store: Store) => store.versions.list("m").then((list) => list.map(({ version }) => version));

const OPERATIONS: readonly Operation[] = [
  {
    what: "a publication",
    calls: 100,
    run: () => withStore((store) => store.versions.publish("m", second)),
    check: (repeated) =>
      withStore(async (store) => {
        await expectSound(store, "m");
        expect(repeated ? [[1, 2]] : [[1], [1, 2]]).toContainEqual(await versions(store));
      }),
  },
  {
    what: "a promotion",
    calls: 30,
    run: () => withStore((store) => store.aliases.point("m", 1, { reason: "now" })),
    check: (repeated) =>
      withStore(async (store) => {
        await expectSound(store, "m");
        const { aliases } = await store.aliases.list("m");
        expect(aliases["champion"]!.version).toBe(1);
        expect(aliases["champion"]!.generation).toBeGreaterThanOrEqual(repeated ? 2 : 1);
      }),
  },
  {
    what: "an upload",
    calls: 50,
    run: () =>
      withStore(async (store) => {
        const uploads = uploadsTo(store);
        let { uploadId, receivedBytes } = await uploads.begin(PLAN);
        while (receivedBytes < rows.length) {
          ({ receivedBytes } = await uploads.append(
            uploadId,
            receivedBytes,
            rows.subarray(receivedBytes, receivedBytes + 400),
          ));
        }
        return uploads.commit(uploadId);
      }),
    check: (repeated) =>
      withStore(async (store) => {
        const list = await store.datasets.list();
        expect(list.map((dataset) => dataset.digest)).toEqual(repeated || list.length > 0 ? [digest] : []);
        if (list.length > 0) expect(readFileSync(await store.datasets.materialise(digest))).toEqual(rows);
      }),
  },
  {
    what: "a garbage collection",
    calls: 50,
    run: () => withStore((store) => store.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 })),
    check: (repeated) =>
      withStore(async (store) => {
        await expectSound(store, "old");
        await expectSound(store, "m");
        if (repeated) expect((await store.versions.list("old")).map(({ version }) => version)).toEqual([2]);
      }),
  },
  {
    what: "a repair",
    calls: 100,
    // Damage in files that share their blocks with no other: a blob of which the cache has a sound copy, and a report.
    async prepare() {
      const [version] = await withStore((store) => store.versions.list("old"));
      const { sha256 } = version!.files["config.json"]!;
      for (const file of [`blobs/${sha256.slice(0, 2)}/${sha256}`, "models/old/reports/000001/gate.json"]) {
        const damaged = join(place, "store/objects", file);
        const bytes = readFileSync(damaged);
        bytes[20]! ^= 1;
        rmSync(damaged);
        writeFileSync(damaged, bytes);
      }
    },
    run: () => withStore((store) => store.verify(true)),
    check: (repeated) =>
      withStore(async (store) => {
        await expectSound(store, "m");
        if (repeated) expect((await store.verify(false)).problems).toEqual([]);
      }),
  },
  {
    what: "the creation of a job and what its log takes",
    calls: 10,
    run: async () => {
      const store = await JobStore.open(join(place, "jobs"), ACCESS);
      try {
        const { record } = await store.create("same", specOf(), () => {});
        const { lastSequence } = record.job;
        for (let i = lastSequence; i < 3; i++) await record.append({ kind: "activity", summary: `number ${i}` });
      } finally {
        await store.close();
      }
    },
    check: async (repeated) => {
      const directory = join(place, "jobs");
      const jobs = (existsSync(directory) ? readdirSync(directory) : []).filter((name) => !name.startsWith("."));
      expect(jobs.length).toBeLessThanOrEqual(1);
      if (repeated) expect(jobs).toHaveLength(1);
      for (const job of jobs) {
        const log = await EventLog.open(join(place, "jobs", job, "events.log"));
        const summaries = (await log.events()).map(({ summary }) => summary);
        expect(summaries).toEqual(["number 0", "number 1", "number 2"].slice(0, repeated ? 3 : summaries.length));
        await log.close();
        expect(readLog(readFileSync(join(place, "jobs", job, "events.log"))).torn).toBe(false);
      }
    },
  },
  {
    what: "a checkpoint",
    calls: 20,
    run: async () => (await checkpoints()).write(checkpointOf(2)),
    check: async (repeated) => {
      const store = await checkpoints();
      const { progress, state, warnings } = (await store.loadNewest())!;
      expect(warnings).toEqual([]);
      expect(repeated ? [2] : [1, 2]).toContain(progress.step);
      expect(state.parameters.get("w")!.data[0]).toBe(progress.step);
    },
  },
];

/** The same operation with one call failing, for every call, each on files as they were before. */
describe.each(OPERATIONS)(
  "$what, when one call to the file system fails,",
  { timeout: 300_000 },
  ({ prepare, run, check, calls }) => {
    beforeAll(async () => {
      if (first !== undefined) return;
      [first, second] = [await modelDirectory(), await modelDirectory()];
      reset();
      await withStore(async (store) => {
        await store.versions.publish("m", first);
        await store.aliases.point("m", 1, { reason: "first" });
        for (let i = 0; i < 2; i++) await store.versions.publish("old", await modelDirectory());
      });
      await withStore(async (store) => {
        const [version] = await store.versions.list("old");
        await store.versions.materialise(version!);
        await store.versions.attachReport("old", 1, "gate", { verdict: "pass" });
      });
      await (await checkpoints()).write(checkpointOf(1));
      cpSync(place, sound, { recursive: true });
    });

    const reset = () => {
      rmSync(place, { recursive: true, force: true });
    };

    it("is on the disk when it has happened, and no file has its name before its content is", async () => {
      reset();
      cpSync(sound, place, { recursive: true });
      await prepare?.();
      const flushes = watchFlushes(place);
      await run();
      expect(flushes.stop().filter((line) => !MAY_BE_LOST.test(line))).toEqual([]);
      expect(flushes.count()).toBeGreaterThan(0);
    });

    it.each(FAULTS)("happens or not, says why, and can be repeated: %s", async (fault) => {
      const stride = STRIDES[fault];
      for (let k = 1 + Math.floor(Math.random() * stride); ; k += stride) {
        reset();
        cpSync(sound, place, { recursive: true });
        await prepare?.();
        const failing = failAt(k, fault, place);
        const error = await run().then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        failing.stop();
        const where = `${fault} at call ${k}: ${failing.failed()}`;
        if (failing.calls() < k) {
          expect(error).toBeUndefined();
          if (fault === "EIO") expect(failing.calls()).toBeGreaterThan(calls);
          return;
        }
        if (error !== undefined) {
          expect(toAlbertError(error, () => {}).reason, `${where}: ${(error as Error).stack}`).not.toBe("BUG");
        }
        try {
          await check(false);
          clock.time += 180_000; // what a collection that failed left has expired
          await run();
          await check(true);
        } catch (failure) {
          throw new Error(where, { cause: failure });
        }
      }
    });
  },
);
