import { describe, expect, it } from "vitest";
import { CanaryTrials, NO_COUNTS } from "../../../src/serving/traffic/canary-trials.ts";

describe("CanaryTrials", () => {
  it("counts each key once, whatever becomes of its later requests", () => {
    const trials = new CanaryTrials();
    trials.begin("challenger", 0.1)!.failed();
    expect(trials.begin("challenger", 0.1)).toBeUndefined();
    trials.begin("champion", 0.7)!.answered(5);
    expect(trials.counts).toEqual({ ...NO_COUNTS, challengerRequests: 1, challengerFailed: 1, championRequests: 1 });
  });

  it("learns from the champion what slow is, and counts from then on for both", () => {
    const trials = new CanaryTrials();
    let place = 0;
    const answered = (arm: "champion" | "challenger", tookMs: number) => trials.begin(arm, place++)!.answered(tookMs);
    for (let i = 1; i <= 50; i++) answered("champion", i);
    expect(trials.counts).toMatchObject({ championTimed: 0, championSlow: 0 });
    for (const tookMs of [46, 47, 48, 49, 1]) answered("challenger", tookMs);
    for (const tookMs of [45, 100]) answered("champion", tookMs);
    const counts = { challengerTimed: 5, challengerSlow: 3, championTimed: 2, championSlow: 1 };
    expect(trials.counts).toMatchObject(counts);
  });

  it("counts comparisons", () => {
    const trials = new CanaryTrials();
    trials.begin("challenger", 0.1)!.compared(true);
    trials.begin("challenger", 0.2)!.compared(false);
    expect(trials.counts).toMatchObject({ compared: 2, disagreed: 1 });
  });

  it("forgets the oldest keys, so that it stays small", () => {
    const trials = new CanaryTrials();
    for (let i = 0; i <= 100_000; i++) trials.begin("champion", i);
    expect(trials.begin("champion", 100_000)).toBeUndefined();
    expect(trials.begin("champion", 0)).toBeDefined();
  });
});
