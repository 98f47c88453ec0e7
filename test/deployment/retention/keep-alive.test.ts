import { afterEach, expect, it, vi } from "vitest";
import { KeepAlive } from "../../../src/deployment/retention/keep-alive.ts";
import type { GcRoots } from "../../../src/store/references.ts";
import type { Store } from "../../../src/store/store.ts";

afterEach(() => vi.useRealTimers());

it("tells the store what is needed when that changes, again before it expires, and after a failure", async () => {
  vi.useFakeTimers();
  const told: string[] = [];
  let failing = false;
  const references = {
    set: async (holder: string, _: string, { versions }: GcRoots) => {
      if (failing) throw new Error("disk");
      told.push(`${holder} ${versions}`);
    },
    release: async (holder: string) => void told.push(`release ${holder}`),
  } as unknown as Store["references"];
  let versions: string[] = [];
  const errors: unknown[] = [];
  const holding = new KeepAlive({
    store: { references },
    holder: "h",
    description: "a test",
    roots: () => ({ versions, datasets: [] }),
    lastsMs: 3_600_000,
    onError: (error) => errors.push(error),
  });
  versions = ["m@1"];
  await Promise.all([holding.update(), holding.update()]);
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(told).toEqual(["h m@1"]);
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(told).toEqual(["h m@1", "h m@1"]);
  for (const hours of [5, -9]) {
    vi.setSystemTime(Date.now() + hours * 3_600_000); // others may take what the store was told for expired
    await vi.advanceTimersByTimeAsync(60_000);
  }
  expect(told.splice(2)).toEqual(["h m@1", "h m@1"]);
  versions = ["m@2"];
  failing = true;
  await holding.update();
  failing = false;
  await vi.advanceTimersByTimeAsync(60_000);
  versions = [];
  await holding.update();
  expect(told.slice(2)).toEqual(["h m@2", "release h"]);
  expect(errors).toHaveLength(1);
  await holding.close({ release: true });
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(told).toHaveLength(5);
});
