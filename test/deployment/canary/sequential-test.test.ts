import { describe, expect, it } from "vitest";
import { evidenceAbove, rateInterval } from "../../../src/deployment/canary/sequential-test.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** The same evidence by numerical integration of the likelihood ratio over the rates above the bound. */
function integrated(events: number, trials: number, bound: number): number {
  const steps = 20_000;
  let sum = 0;
  for (let i = 0; i < steps; i++) {
    const rate = bound + ((i + 0.5) / steps) * (1 - bound);
    sum += Math.exp(events * Math.log(rate / bound) + (trials - events) * Math.log((1 - rate) / (1 - bound)));
  }
  return Math.log(sum / steps);
}

describe("evidenceAbove", () => {
  it.each([
    [0, 0, 0.3],
    [0, 10, 0.1],
    [1, 1, 0.1],
    [5, 5, 0.5],
    [3, 40, 0.1],
    [12, 40, 0.1],
    [40, 400, 0.1],
    [90, 100, 0.95],
    [400, 1000, 0.333],
  ])("of %i events in %i at a bound of %f is the integral", (events, trials, bound) => {
    expect(evidenceAbove(events, trials, bound)).toBeCloseTo(integrated(events, trials, bound), 5);
  });

  it("stays a number for millions", () => {
    for (const events of [0, 99_000, 100_000, 101_000, 1_000_000]) {
      expect(Number.isFinite(evidenceAbove(events, 1_000_000, 0.1)), String(events)).toBe(true);
    }
    expect(evidenceAbove(101_500, 1_000_000, 0.1)).toBeGreaterThan(evidenceAbove(100_000, 1_000_000, 0.1));
  });

  it("is none against a bound of 1, and endless where what must not happen did", () => {
    expect(evidenceAbove(5, 5, 1)).toBe(0);
    expect(evidenceAbove(1, 100, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(evidenceAbove(0, 100, 0)).toBeLessThanOrEqual(0);
  });

  it("exceeds ln(1 / alpha) in at most alpha of all sequences at the bound, looked at after every event", () => {
    const random = seededRandom(7);
    const alpha = 0.05;
    let alarms = 0;
    for (let run = 0; run < 1000; run++) {
      let events = 0;
      for (let trials = 1; trials <= 300; trials++) {
        if (random() < 0.2) events++;
        if (evidenceAbove(events, trials, 0.2) < Math.log(1 / alpha)) continue;
        alarms++;
        break;
      }
    }
    expect(alarms).toBeGreaterThan(0); // it is not so careful that it never says anything
    expect(alarms).toBeLessThanOrEqual(1000 * alpha);
  });
});

describe("rateInterval", () => {
  it("is everything without trials, and holds the rate of the trials", () => {
    expect(rateInterval(0, 0, 0.01)).toEqual({ low: 0, high: 1 });
    const { low, high } = rateInterval(30, 100, 0.01);
    expect(low).toBeGreaterThan(0.1);
    expect(low).toBeLessThan(0.3);
    expect(high).toBeGreaterThan(0.3);
    expect(high).toBeLessThan(0.5);
    expect(rateInterval(0, 100, 0.01).low).toBe(0);
    expect(rateInterval(100, 100, 0.01).high).toBe(1);
    // (n + 1) (1 - p)^n = alpha
    expect(rateInterval(0, 1000, 0.01).high).toBeCloseTo(1 - (0.01 / 1001) ** (1 / 1000), 9);
  });

  it("holds the true rate at all times together in at least 1 - alpha of all sequences", () => {
    const random = seededRandom(11);
    let missed = 0;
    for (let run = 0; run < 400; run++) {
      let events = 0;
      for (let trials = 1; trials <= 200; trials++) {
        if (random() < 0.1) events++;
        const { low, high } = rateInterval(events, trials, 0.1);
        if (low <= 0.1 && 0.1 <= high) continue;
        missed++;
        break;
      }
    }
    expect(missed).toBeLessThanOrEqual(40);
  });
});
