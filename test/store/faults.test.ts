import { open } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DirectoryObjectStore } from "../../src/store/objects/directory-object-store.ts";
import type { ObjectStore } from "../../src/store/objects/object-store.ts";
import { S3ObjectStore } from "../../src/store/objects/s3-object-store.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { missing } from "../support/fixtures.ts";
import { installedS3Server, type S3Server, startS3Server } from "../support/s3-server.ts";
import { SCRATCH } from "../support/scratch.ts";
import { expectSound } from "../support/sound.ts";
import { TestClock, workshop } from "../support/stores.ts";
import { type Fault, FaultyObjectStore } from "./objects/faulty-object-store.ts";
import { MemoryObjectStore } from "./objects/memory-object-store.ts";

const { path, modelDirectory } = workshop(SCRATCH);
const HOUR = 3_600_000;
let caches = 0;

/** A place for a store that nothing was written to, and the same place seen by a process that meets a fault. */
interface World {
  readonly objects: ObjectStore;
  /** From now on the k-th write fails. */
  failing(k: number): { readonly objects: ObjectStore; readonly writes: () => number };
}

interface Kind {
  readonly what: string;
  readonly skip?: boolean;
  readonly open: (fault: Fault) => Promise<World>;
  /** Releases whatever the worlds shared. */
  readonly close?: () => Promise<void>;
}

/** A world whose faults lie between the store and its objects. */
function wrapped(objects: ObjectStore, fault: Fault): World {
  return {
    objects,
    failing: (k) => {
      const faulty = new FaultyObjectStore(objects, k, fault);
      return { objects: faulty, writes: () => faulty.writes };
    },
  };
}

/** A directory on a disk that fails to flush. With "after", what should have been flushed is there all the same. */
async function flushFailing(fault: Fault): Promise<World> {
  const objects = await DirectoryObjectStore.open(path(`place-${places++}`));
  const handle = await open(import.meta.filename);
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  return {
    objects,
    failing(k) {
      let writes = 0;
      const { sync } = prototype;
      vi.spyOn(prototype, "sync").mockImplementation(async function (this: unknown) {
        writes++;
        if (writes !== k || fault === "after") await sync.call(this);
        if (writes === k) throw Object.assign(new Error("EIO"), { code: "EIO" });
      });
      return { objects, writes: () => writes };
    },
  };
}

let s3: Promise<S3Server> | undefined;
let places = 0;
const KINDS: readonly Kind[] = [
  { what: "memory", open: async (fault) => wrapped(new MemoryObjectStore(), fault) },
  {
    what: "a directory",
    open: async (fault) => wrapped(await DirectoryObjectStore.open(path(`place-${places++}`)), fault),
  },
  { what: "a directory on a disk that fails to flush", open: flushFailing },
  {
    what: "S3",
    skip: missing("an S3 server (versitygw or minio)", installedS3Server),
    async open(fault) {
      s3 ??= startS3Server();
      const { location } = await s3;
      return wrapped(await S3ObjectStore.open({ ...location, prefix: `faults-${places++}` }), fault);
    },
    close: async () => (await s3)?.close(),
  },
];

/** Runs `operation` with the k-th write failing, for every k it has, and then `check` on the healthy store. */
async function forEveryWrite(
  { open: openWorld }: Kind,
  fault: Fault,
  prepare: (store: Store) => Promise<unknown>,
  operation: (store: Store) => Promise<unknown>,
  check: (store: Store, failed: boolean, objects: ObjectStore, clock: TestClock) => Promise<void>,
): Promise<number> {
  for (let k = 1; ; k++) {
    const { objects, failing } = await openWorld(fault);
    const clock = new TestClock();
    const cacheDirectory = path(`cache-${caches++}`);
    const healthy = createStore({ objects, cacheDirectory, clock });
    await prepare(healthy);
    const faulty = failing(k);
    const failed = await operation(createStore({ objects: faulty.objects, cacheDirectory, clock })).then(
      () => false,
      () => true,
    );
    const writes = faulty.writes();
    vi.restoreAllMocks();
    await expectSound(healthy, "m");
    await check(healthy, failed, objects, clock);
    await objects.close();
    if (writes < k) return k - 1;
  }
}

async function keysOf(objects: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list(prefix)) keys.push(key);
  return keys;
}

const FAULTS = ["before", "after"] as const;

for (const kind of KINDS) {
  describe.skipIf(kind.skip)(
    `in ${kind.what}, when the k-th write of an operation fails, for every k,`,
    { timeout: 120_000 },
    () => {
      let first: string;
      let second: string;
      beforeAll(async () => {
        [first, second] = [await modelDirectory(), await modelDirectory()];
      });
      afterAll(() => kind.close?.());

      it.each(FAULTS)(
        "a publish leaves a whole version or none, and can be repeated (%s it happened)",
        async (fault) => {
          const writes = await forEveryWrite(
            kind,
            fault,
            (store) => store.versions.publish("m", first),
            (store) => store.versions.publish("m", second),
            async (store, failed, objects, clock) => {
              const before = await store.versions.list("m");
              if (!failed) expect(before).toHaveLength(2);
              const repeated = await store.versions.publish("m", second);
              expect(repeated.version).toBe(2);
              expect(await store.versions.list("m")).toHaveLength(2);
              await expectSound(store, "m");
              clock.time += 3 * HOUR; // whatever lease was left has expired
              await store.collectGarbage({ keepVersions: 9, keepAliasChanges: 0 });
              expect(await keysOf(objects, "leases/")).toEqual([]);
              await expectSound(store, "m");
            },
          );
          expect(writes).toBeGreaterThan(4); // lease, changed files, record, end of lease
        },
      );

      it.each(FAULTS)("a promotion happens whole or not at all (%s it happened)", async (fault) => {
        const writes = await forEveryWrite(
          kind,
          fault,
          async (store) => {
            for (const directory of [first, second]) await store.versions.publish("m", directory);
            await store.aliases.point("m", 1, { reason: "before" });
          },
          (store) => store.aliases.point("m", 2, { expectedGeneration: 1, reason: "now" }),
          async (store, failed) => {
            const { aliases } = await store.aliases.list("m");
            const versions = [aliases["champion"]?.version, aliases["previous"]?.version];
            expect([
              [1, undefined],
              [2, 1],
            ]).toContainEqual(versions);
            if (!failed) expect(versions).toEqual([2, 1]);
          },
        );
        expect(writes).toBeGreaterThan(2);
      });

      it.each(FAULTS)(
        "a garbage collection removes nothing that is needed, and the next one finishes its work (%s it happened)",
        async (fault) => {
          const writes = await forEveryWrite(
            kind,
            fault,
            async (store) => {
              for (const directory of [first, second]) await store.versions.publish("m", directory);
              await store.aliases.point("m", 2, { reason: "x" });
            },
            (store) => store.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 }),
            async (store, _failed, objects, clock) => {
              clock.time += HOUR; // a marker that was left has expired
              await store.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 });
              expect((await store.versions.list("m")).map(({ version }) => version)).toEqual([2]);
              const files = Object.keys((await store.versions.get("m", 2)).files);
              expect(await keysOf(objects, "blobs/")).toHaveLength(files.length);
            },
          );
          expect(writes).toBeGreaterThan(4);
        },
      );
    },
  );
}
