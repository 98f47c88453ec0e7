import { describe, expect, it } from "vitest";
import { evidenceAbove, evidenceOfMore, rateInterval } from "../../../src/deployment/canary/sequential-test.ts";
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

describe("evidenceOfMore", () => {
  /** The same, with the likeliest rates within the bound looked for on a grid, which can only miss some of their likelihood. */
  function byGrid(one: { events: number; of: number }, other: { events: number; of: number }, ratio: number): number {
    const likelihood = ({ events, of }: typeof one, rate: number) =>
      events * Math.log(rate) + (of - events) * Math.log(1 - rate);
    const mixed = (trials: typeof one) => {
      const steps = 4000;
      let sum = 0;
      for (let i = 0; i < steps; i++) sum += Math.exp(likelihood(trials, (i + 0.5) / steps)) / steps;
      return Math.log(sum);
    };
    let best = Number.NEGATIVE_INFINITY;
    for (let i = 1; i < 500; i++) {
      for (let j = 1; j < 500; j++) {
        if (i > ratio * j) continue;
        best = Math.max(best, likelihood(one, i / 500) + likelihood(other, j / 500));
      }
    }
    return mixed(one) + mixed(other) - best;
  }

  it.each([
    [10, 20, 5, 20, 1],
    [18, 20, 8, 20, 1.25],
    [5, 20, 10, 20, 1],
    [19, 20, 3, 30, 1.5],
    [3, 4, 0, 40, 2],
  ])(
    "of %i in %i against %i in %i, times %f, is the mixed likelihood over the largest within",
    (e1, n1, e2, n2, ratio) => {
      const [one, other] = [
        { events: e1, of: n1 },
        { events: e2, of: n2 },
      ];
      const found = evidenceOfMore(one, other, ratio);
      expect(found).toBeLessThanOrEqual(byGrid(one, other, ratio) + 1e-6);
      expect(found).toBeGreaterThan(byGrid(one, other, ratio) - 0.05);
    },
  );

  it("is none where one of the two was never tried, or where none failed", () => {
    expect(evidenceOfMore({ events: 9, of: 9 }, { events: 0, of: 0 }, 1)).toBe(0);
    expect(evidenceOfMore({ events: 0, of: 0 }, { events: 1, of: 9 }, 1)).toBe(0);
    expect(evidenceOfMore({ events: 0, of: 9 }, { events: 0, of: 9 }, 1)).toBeLessThan(0);
    expect(evidenceOfMore({ events: 9, of: 9 }, { events: 9, of: 9 }, 1)).toBeLessThan(0);
  });

  it("exceeds ln(1 / alpha) in at most alpha of all cases at the bound, whoever chooses what is tried", () => {
    const random = seededRandom(8);
    const alpha = 0.1;
    let alarms = 0;
    for (let run = 0; run < 300; run++) {
      const [one, other] = [
        { events: 0, of: 0 },
        { events: 0, of: 0 },
      ];
      for (let trials = 1; trials <= 200; trials++) {
        // Somebody tries the one as long as it looks good, and the other as long as it looks bad.
        const suspected = one.events / Math.max(1, one.of) < other.events / Math.max(1, other.of);
        const [which, rate] = random() < (suspected ? 0.8 : 0.2) ? ([one, 0.375] as const) : ([other, 0.3] as const);
        which.of++;
        if (random() < rate) which.events++;
        if (evidenceOfMore(one, other, 1.25) < Math.log(1 / alpha)) continue;
        alarms++;
        break;
      }
    }
    expect(alarms).toBeLessThanOrEqual(300 * alpha);
  });
});
