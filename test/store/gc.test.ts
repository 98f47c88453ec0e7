import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { DirectoryObjectStore } from "../../src/store/objects/directory-object-store.ts";
import { createStore } from "../../src/store/store.ts";
import { TestClock, workshop } from "../support/stores.ts";

const { path, modelDirectory } = workshop();
const RULES = { keepVersions: 1, keepAliasChanges: 0 };
const HOUR = 3_600_000;
let made = 0;

/** A store of three versions, of which a collection removes two. */
async function filled() {
  const directory = path(`collected-${made++}`);
  const clock = new TestClock();
  const objects = await DirectoryObjectStore.open(directory);
  const store = createStore({ objects, cacheDirectory: path(`cache-${made}`), clock });
  for (let i = 0; i < 3; i++) await store.versions.publish("m", await modelDirectory());
  /** Calls `act` before each deletion of a version or a blob. */
  const beforeDeletions = (act: (key: string) => Promise<void>) => {
    const remove = objects.delete.bind(objects);
    vi.spyOn(objects, "delete").mockImplementation(async (key) => {
      if (/^(models|blobs)\//.test(key)) await act(key);
      return remove(key);
    });
  };
  const marker = async () => {
    const { bytes, tag } = (await objects.readRegister("collecting"))!;
    return { tag, ...(JSON.parse(Buffer.from(bytes).toString()) as { readonly until: number }) };
  };
  return { beforeDeletions, clock, directory, marker, objects, store };
}

describe("a garbage collection", () => {
  it("clears away expired references and what killed writers left, unless it only says what it would do", async () => {
    const { clock, directory, objects, store } = await filled();
    await store.references.set("gone", "a test", { versions: [], datasets: [] }, HOUR);
    clock.time += 2 * HOUR;
    const half = join(directory, "tmp", "half-written");
    writeFileSync(half, "");
    utimesSync(half, 0, 0);
    const left = async () => {
      const references: string[] = [];
      for await (const { key } of objects.list("holds/")) references.push(key);
      return [references.length, readdirSync(join(directory, "tmp")).length];
    };
    await store.collectGarbage({ ...RULES, dryRun: true });
    expect(await left()).toEqual([1, 1]);
    await store.collectGarbage(RULES);
    expect(await left()).toEqual([0, 0]);
    await store.close();
  });

  it("never deletes while its marker has less than half of its time left, however slow deleting is", async () => {
    const { beforeDeletions, clock, marker, store } = await filled();
    const left: number[] = [];
    beforeDeletions(async () => {
      left.push((await marker()).until - clock.now());
      clock.time += 40_000;
    });
    await store.collectGarbage(RULES);
    expect(left.length).toBeGreaterThan(2);
    expect(Math.min(...left)).toBeGreaterThanOrEqual(30_000);
    await store.close();
  });

  it("removes nothing more once another has taken over from it", async () => {
    const { beforeDeletions, clock, marker, objects, store } = await filled();
    let deletions = 0;
    beforeDeletions(async () => {
      if (++deletions > 1) return;
      clock.time += 2 * HOUR; // the process was suspended
      const other = { id: "other", until: clock.now() + HOUR };
      await objects.writeRegister("collecting", Buffer.from(JSON.stringify(other)), (await marker()).tag);
    });
    await expect(store.collectGarbage(RULES)).rejects.toMatchObject({ reason: "STORE_COLLECTING" });
    expect(deletions).toBe(1);
    await store.close();
  });
});
