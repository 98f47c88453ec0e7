import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { type Fault, FaultyObjectStore } from "./faulty-object-store.ts";
import { MemoryObjectStore } from "./memory-object-store.ts";
import { expectSound } from "./sound.ts";
import { TestClock, workshop } from "./stores.ts";

const { path, modelDirectory } = workshop();
const HOUR = 3_600_000;
let caches = 0;

/** Runs `operation` with the k-th write failing, for every k it has, and then `check` on the healthy store. */
async function forEveryWrite(
  fault: Fault,
  prepare: (store: Store) => Promise<unknown>,
  operation: (store: Store) => Promise<unknown>,
  check: (store: Store, failed: boolean, memory: MemoryObjectStore, clock: TestClock) => Promise<void>,
): Promise<number> {
  for (let k = 1; ; k++) {
    const memory = new MemoryObjectStore();
    const clock = new TestClock();
    const cacheDirectory = path(`cache-${caches++}`);
    const healthy = createStore({ objects: memory, cacheDirectory, clock });
    await prepare(healthy);
    const faulty = new FaultyObjectStore(memory, k, fault);
    const failed = await operation(createStore({ objects: faulty, cacheDirectory, clock })).then(
      () => false,
      () => true,
    );
    await expectSound(healthy, "m");
    await check(healthy, failed, memory, clock);
    if (faulty.writes < k) return k - 1;
  }
}

describe.each(["before", "after"] as const)(
  "when the k-th write of an operation fails (%s it happened), for every k,",
  (fault) => {
    let first: string;
    let second: string;
    beforeAll(async () => {
      [first, second] = [await modelDirectory(), await modelDirectory()];
    });

    it("a publish leaves a whole version or none, and can be repeated", async () => {
      const writes = await forEveryWrite(
        fault,
        (store) => store.versions.publish("m", first),
        (store) => store.versions.publish("m", second),
        async (store, failed, memory, clock) => {
          const before = await store.versions.list("m");
          if (!failed) expect(before).toHaveLength(2);
          const repeated = await store.versions.publish("m", second);
          expect(repeated.version).toBe(2);
          expect(await store.versions.list("m")).toHaveLength(2);
          await expectSound(store, "m");
          clock.time += 3 * HOUR; // whatever lease was left has expired
          await store.collectGarbage({ keepVersions: 9, keepAliasChanges: 0 });
          expect([...memory.objects.keys()].filter((key) => key.startsWith("leases/"))).toEqual([]);
          await expectSound(store, "m");
        },
      );
      expect(writes).toBeGreaterThan(4); // lease, changed files, record, end of lease
    });

    it("a promotion happens whole or not at all", async () => {
      const writes = await forEveryWrite(
        fault,
        async (store) => {
          for (const directory of [first, second]) await store.versions.publish("m", directory);
          await store.aliases.promote("m", 1, { reason: "before" });
        },
        (store) => store.aliases.promote("m", 2, { expectedGeneration: 1, reason: "now" }),
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

    it("a garbage collection removes nothing that is needed, and the next one finishes its work", async () => {
      const writes = await forEveryWrite(
        fault,
        async (store) => {
          for (const directory of [first, second]) await store.versions.publish("m", directory);
          await store.aliases.promote("m", 2, { reason: "x" });
        },
        (store) => store.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 }),
        async (store, _failed, memory, clock) => {
          clock.time += HOUR; // a marker that was left has expired
          await store.collectGarbage({ keepVersions: 1, keepAliasChanges: 0 });
          expect((await store.versions.list("m")).map(({ version }) => version)).toEqual([2]);
          const files = Object.keys((await store.versions.get("m", 2)).files);
          expect([...memory.objects.keys()].filter((key) => key.startsWith("blobs/"))).toHaveLength(files.length);
        },
      );
      expect(writes).toBeGreaterThan(4);
    });
  },
);

describe("a process that is killed while it publishes and promotes", () => {
  it("leaves a store whose every version and alias is whole", async () => {
    const directories = await Promise.all([modelDirectory(), modelDirectory(), modelDirectory()]);
    const script = join(import.meta.dirname, "publishing-process.ts");
    for (let run = 0; run < 3; run++) {
      const args = ["--import", "tsx", script, path("killed"), ...directories];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      await once(child.stdout, "data");
      await setTimeout(Math.random() * 60); // the instant is random, nothing waits for it
      child.kill("SIGKILL");
      await once(child, "exit");
      const store = await openStore(path("killed"));
      expect((await store.versions.list("m")).length).toBeGreaterThan(0);
      await expectSound(store, "m");
    }
    const store = await openStore(path("killed"));
    for (const directory of directories) await store.versions.publish("m", directory);
    expect(await store.versions.list("m")).toHaveLength(3);
  });
});
