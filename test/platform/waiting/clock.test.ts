import { performance } from "node:perf_hooks";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/platform/waiting/clock.ts";

describe("the system's clock", () => {
  it("calls what is due, in whatever order it was asked for, and nothing that was taken back", async () => {
    const called: string[] = [];
    const asked = performance.now();
    const times = new Map<string, number>();
    await new Promise<void>((resolve) => {
      const at = (name: string, delayMs: number) =>
        systemClock.after(delayMs, () => {
          called.push(name);
          times.set(name, performance.now() - asked);
          if (called.length === 4) resolve();
        });
      at("last", 120);
      at("second", 40);
      const takeBack = at("never", 20);
      at("third", 80);
      at("infinite", Number.POSITIVE_INFINITY);
      at("far", 2 ** 40)();
      at("first", 0);
      takeBack();
      takeBack();
    });
    expect(called).toEqual(["first", "second", "third", "last"]);
    for (const [name, ms] of Object.entries({ second: 40, third: 80, last: 120 })) {
      expect(times.get(name)).toBeGreaterThanOrEqual(ms);
    }
  });

  it("lets what is due at the same moment take back what comes after it", async () => {
    const called: string[] = [];
    await new Promise<void>((resolve) => {
      let takeBack = () => {};
      systemClock.after(10, () => {
        called.push("first");
        takeBack();
      });
      takeBack = systemClock.after(10, () => called.push("taken back"));
      systemClock.after(30, resolve);
    });
    expect(called).toEqual(["first"]);
  });
});
