import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { openRelease } from "../../src/platform/native/release-memory.ts";
import { returnMemory } from "../../src/server/return-memory.ts";
import { missing } from "../support/fixtures.ts";

const MIB = 2 ** 20;

/** A process whose memory is set by hand; a release brings it to `floor` and takes `releaseMs`. */
function watched({ canRelease = true, releaseMs = 10 } = {}) {
  const state = { resident: 300 * MIB, floor: 280 * MIB, ms: 0, releases: 0, ended: false };
  const told: object[] = [];
  let look = () => {};
  const release = async () => {
    state.releases++;
    state.ms += releaseMs;
    state.resident = Math.min(state.resident, state.floor);
    return releaseMs;
  };
  const end = returnMemory(
    { debug: (fields: object) => void told.push(fields) },
    {
      resident: () => state.resident,
      openRelease: async () => (canRelease ? release : undefined),
      now: () => state.ms,
      every: (milliseconds, callback) => {
        expect(milliseconds).toBe(20_000);
        look = callback;
        return () => {
          state.ended = true;
        };
      },
    },
  );
  const pass = async (looks: number, change: (index: number) => void = () => {}) => {
    for (let index = 0; index < looks; index++) {
      change(index);
      state.ms += 20_000;
      look();
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  };
  return { state, told, pass, end };
}

it("gives memory back within a minute after a peak, and what a start left over, and then leaves it", async () => {
  const { state, told, pass, end } = watched();
  await pass(2);
  expect(told).toEqual([{ from_bytes: 300 * MIB, to_bytes: 280 * MIB, milliseconds: 10 }]);
  await pass(10, (index) => {
    state.resident = (280 + 6 * index) * MIB;
  });
  expect(state.releases, "54 MiB more are not worth it").toBe(1);
  state.resident = 700 * MIB;
  await pass(2);
  expect(state).toMatchObject({ releases: 2, resident: 280 * MIB });
  await pass(20);
  expect(state.releases).toBe(2);
  end();
  expect(state.ended).toBe(true);
});

it("waits while memory grows", async () => {
  const { state, pass } = watched();
  await pass(2);
  await pass(10, () => {
    state.resident += 50 * MIB;
  });
  expect(state.releases).toBe(1);
  await pass(1);
  expect(state.releases).toBe(2);
});

it("measures from the lowest since: memory that fell by itself and was taken again is given back too", async () => {
  const { state, pass } = watched();
  await pass(2);
  state.resident = 100 * MIB;
  await pass(1);
  state.resident = 200 * MIB;
  await pass(2);
  expect(state.releases).toBe(2);
});

it("spends at most a five-hundredth of the time where the load takes the memory again at once", async () => {
  const { state, pass } = watched({ releaseMs: 200 });
  await pass(180, () => {
    state.resident = 700 * MIB;
  });
  const [spent, all] = [200 * state.releases, 180 * 20_000];
  expect(spent).toBeGreaterThan(all / 1000);
  expect(spent).toBeLessThanOrEqual(all / 500);
});

it("does nothing where memory cannot be released", async () => {
  const { state, told, pass } = watched({ canRelease: false });
  await pass(10);
  expect([state.releases, told]).toEqual([0, []]);
});

it.skipIf(missing("a malloc that releases (glibc, and the package koffi)", await openRelease()))(
  "gives back garbage that nobody collected, which lay in pieces between others in use",
  () => {
    const script = `
    import { openRelease } from ${JSON.stringify(new URL("../../src/platform/native/release-memory.ts", import.meta.url).href)};
    setTimeout(() => {}, 60_000); // nothing else keeps this process
    const release = await openRelease();
    let blocks = Array.from({ length: 60_000 }, (_, index) => Buffer.allocUnsafeSlow(1000 + (index % 3000)).fill(1));
    const kept = blocks.filter((_, index) => index % 20 === 0);
    blocks = [];
    const before = process.memoryUsage.rss();
    await release();
    const after = process.memoryUsage.rss();
    if (globalThis.gc !== undefined) throw new Error("gc is exposed");
    console.log(JSON.stringify({ before, after, kept: kept.every((block) => block.every((byte) => byte === 1)) }));
    process.exit();
  `;
    const args = ["--import", "tsx", "--input-type=module", "-e", script];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect(stderr).toBe("");
    const { before, after, kept } = JSON.parse(stdout);
    expect(before - after).toBeGreaterThan(60 * MIB);
    expect(kept).toBe(true);
  },
);
