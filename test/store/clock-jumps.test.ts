import { beforeEach, describe, expect, it } from "vitest";
import { createStore, type Store } from "../../src/store/store.ts";
import { SCRATCH } from "../support/scratch.ts";
import { expectSound } from "../support/sound.ts";
import { TestClock, workshop } from "../support/stores.ts";
import { MemoryObjectStore } from "./objects/memory-object-store.ts";

const { path, modelDirectory } = workshop(SCRATCH);
const HOUR = 3_600_000;
const RULES = { keepVersions: 9, keepAliasChanges: 9 };
let caches = 0;

describe.each([5, -5])("a clock that jumps by %s hours", (hours) => {
  let objects: MemoryObjectStore;
  let clock: TestClock;
  let store: Store;
  const jump = () => {
    clock.time += hours * HOUR;
  };
  beforeEach(async () => {
    objects = new MemoryObjectStore();
    clock = new TestClock();
    store = createStore({ objects, cacheDirectory: path(`cache-${caches++}`), clock });
    await store.versions.publish("m", await modelDirectory());
    await store.aliases.point("m", 1, { reason: "first" });
  });

  it("lets nobody wait for a collection that was killed before", async () => {
    await new Promise<void>((marked) => {
      const killed = store.collectGarbage({
        ...RULES,
        roots() {
          marked();
          return new Promise(() => {});
        },
      });
      killed.catch(() => {});
    });
    jump();
    const before = clock.time;
    await store.aliases.point("m", 1, { reason: "goes on" });
    await store.collectGarbage(RULES);
    expect(clock.time).toBe(before);
  });

  it("during a publication lets it be refused, and it can be repeated", async () => {
    const directory = await modelDirectory();
    const { putIfAbsent } = objects;
    let jumped = false;
    objects.putIfAbsent = async (key, body) => {
      if (key.startsWith("blobs/") && !jumped) {
        jumped = true;
        jump();
      }
      return putIfAbsent.call(objects, key, body);
    };
    await expect(store.versions.publish("m", directory)).rejects.toMatchObject({ reason: "STORE_LEASE_EXPIRED" });
    expect(await store.versions.publish("m", directory)).toMatchObject({ version: 2 });
    await store.collectGarbage(RULES);
    await expectSound(store, "m");
  });

  it("during a collection is noticed before the next thing is removed, so that others see that it lives", async () => {
    for (let i = 0; i < 2; i++) await store.versions.publish("m", await modelDirectory());
    let marks = 0;
    const { writeRegister } = objects;
    objects.writeRegister = async (key, bytes, tag) => {
      if (key === "collecting") marks++;
      return writeRegister.call(objects, key, bytes, tag);
    };
    await store.collectGarbage({
      keepVersions: 1,
      keepAliasChanges: 9,
      async roots() {
        jump();
        return [];
      },
    });
    expect(marks).toBe(3); // its beginning, the jump and its end
    expect((await store.versions.list("m")).map(({ version }) => version)).toEqual([1, 3]);
    await expectSound(store, "m");
  });
});
