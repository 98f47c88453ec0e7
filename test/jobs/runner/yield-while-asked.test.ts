import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { FLAGS } from "../../../src/jobs/runner/thread-messages.ts";
import { yieldWhileAsked } from "../../../src/jobs/runner/yield-while-asked.ts";

const flagsOf = (set: readonly number[]) => {
  const flags = new Int32Array(new SharedArrayBuffer(4 * (1 + Math.max(...Object.values(FLAGS)))));
  for (const flag of set) flags[flag] = 1;
  return flags;
};

describe("a thread that is asked to yield", () => {
  it("goes on at once where it is not asked, or is to stop", () => {
    expect(yieldWhileAsked(flagsOf([]))).toBe(0);
    expect(yieldWhileAsked(flagsOf([FLAGS.yield, FLAGS.stop]))).toBe(0);
  });

  it.each(["yield", "stop"] as const)("sleeps until the flag %s changes, and tells for how long", async (flag) => {
    const flags = flagsOf([FLAGS.yield]);
    const change = `const { workerData: [flags, flag] } = require("node:worker_threads");
      setTimeout(() => Atomics.store(flags, flag, 1 - flags[flag]), 60);`;
    const other = new Worker(change, { eval: true, workerData: [flags, FLAGS[flag]] });
    const from = performance.now();
    const milliseconds = yieldWhileAsked(flags);
    expect(milliseconds).toBeGreaterThan(50);
    expect(milliseconds).toBeLessThanOrEqual(performance.now() - from);
    await other.terminate();
  });
});
