import { describe, expect, it } from "vitest";
import { PairedComparison } from "../../../src/serving/models/shadow.ts";
import { Latencies } from "../../../src/serving/models/swap-report.ts";

describe("PairedComparison", () => {
  const yes = (score: number) => ({ choice: "yes", score });

  it("counts pairs and disagreements", () => {
    const pairs = new PairedComparison();
    expect(pairs.add(yes(0.9), yes(0.8))).toBe(true);
    expect(pairs.add(yes(0.9), { choice: "no", score: 0.6 })).toBe(false);
    pairs.addFailure();
    expect(pairs.summary).toMatchObject({ compared: 2, disagreed: 1, failed: 1 });
  });

  it("shows no shift for equal scores and a large one for scores that moved", () => {
    const same = new PairedComparison();
    const moved = new PairedComparison();
    for (let i = 0; i < 200; i++) {
      same.add(yes(i / 200), yes(i / 200));
      moved.add(yes(i / 400), yes(0.5 + i / 400));
    }
    expect(same.summary.scoreShift).toBe(0);
    expect(moved.summary.scoreShift).toBeGreaterThan(0.25);
  });

  it("takes scores at and beyond both ends", () => {
    const pairs = new PairedComparison();
    for (const score of [0, 1, -1, 2]) pairs.add(yes(score), yes(score));
    expect(pairs.summary).toMatchObject({ compared: 4, scoreShift: 0 });
  });
});

describe("Latencies", () => {
  it("gives the nearest-rank percentile of a stretch of time", () => {
    const latencies = new Latencies();
    for (let i = 1; i <= 100; i++) latencies.record(i, i);
    expect(latencies.percentile(99, 0, 1000)).toBe(99);
    expect(latencies.percentile(99, 11, 21)).toBe(20);
    expect(latencies.percentile(50, 1, 4)).toBe(2);
    expect(latencies.percentile(99, 200, 300)).toBeUndefined();
  });

  it("forgets the oldest", () => {
    const latencies = new Latencies(10);
    for (let i = 1; i <= 25; i++) latencies.record(i, i);
    expect(latencies.percentile(1, 0, 1000)).toBe(16);
  });
});
