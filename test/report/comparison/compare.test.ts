import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deriveSeed, RandomStream } from "../../../src/model/random.ts";
import { compareModels, GATE_RULES, type GateMetric, type ScoredSet } from "../../../src/report/comparison/compare.ts";
import { mcnemar } from "../../../src/report/comparison/mcnemar.ts";

const ACCURACY: GateMetric = {
  name: "eval_accuracy",
  fullScale: 1,
  width: 2,
  value: ([right, count]) => right! / count!,
};

function answers(right: Uint8Array): ScoredSet {
  const terms = Float64Array.from([...right].flatMap((value) => [value, 1]));
  return { examples: right.length, right, scores: Float64Array.from(right), terms };
}

/** Answers of a model that is right with the given chance, independently of any other. */
function drawn(examples: number, chance: number, ...seed: readonly (string | number)[]): ScoredSet {
  const random = new RandomStream(deriveSeed("test", ...seed));
  return answers(Uint8Array.from({ length: examples }, () => (random.below(1_000_000) < chance * 1_000_000 ? 1 : 0)));
}

describe("the gate", () => {
  it("passes a candidate that answers as the champion does, but does not call it better", () => {
    const same = drawn(400, 0.8, "same");
    const report = compareModels(ACCURACY, same, same);
    expect(report).toMatchObject({ verdict: "pass", better: false, difference: [0, 0], mcnemarP: 1, examples: 400 });
  });

  it("does not call a difference of nothing better, where no answer is right or wrong either", () => {
    const { right: _, ...scored } = drawn(400, 0.8, "same");
    const report = compareModels(ACCURACY, scored, scored);
    expect(report).toMatchObject({ verdict: "pass", better: false, difference: [0, 0] });
    expect(report.mcnemarP).toBeUndefined();
  });

  it("fails or prefers one of two equally good models no more often than its level allows", () => {
    const rounds = 200;
    let failed = 0;
    let better = 0;
    for (let round = 0; round < rounds; round++) {
      const rules = { ...GATE_RULES, resamples: 200, seed: round };
      const report = compareModels(ACCURACY, drawn(300, 0.8, "a", round), drawn(300, 0.8, "b", round), rules);
      if (report.verdict === "fail") failed++;
      if (report.better) better++;
    }
    // One-sided level 2.5 % of 200 is 5; 13 or more would happen once in about a thousand times.
    expect(failed).toBeLessThan(13);
    expect(better).toBeLessThan(13);
  });

  it("fails a candidate that is worse by more than the margin", () => {
    const report = compareModels(ACCURACY, drawn(1000, 0.9, "good"), drawn(1000, 0.8, "bad"));
    expect(report).toMatchObject({ verdict: "fail", better: false });
    expect(report.difference[1]).toBeLessThan(0);
    expect(report.findings).toHaveLength(1);
  });

  it("prefers a candidate that is better beyond chance", () => {
    const report = compareModels(ACCURACY, drawn(1000, 0.8, "old"), drawn(1000, 0.9, "new"));
    expect(report).toMatchObject({ verdict: "pass", better: true });
    expect(report.mcnemarP).toBeLessThan(0.001);
    expect(report.difference[0]).toBeLessThan(report.candidateValue - report.championValue);
    expect(report.difference[1]).toBeGreaterThan(report.candidateValue - report.championValue);
  });

  it("gives a 95 % interval, as wide as a normal distribution's on a large set", () => {
    const [champion, candidate] = [drawn(2000, 0.7, "old"), drawn(2000, 0.75, "new")];
    const paired = Array.from(champion.right!, (right, i) => candidate.right![i]! - right);
    const mean = paired.reduce((sum, value) => sum + value, 0) / paired.length;
    const variance = paired.reduce((sum, value) => sum + (value - mean) ** 2, 0) / paired.length;
    const { difference } = compareModels(ACCURACY, champion, candidate, { ...GATE_RULES, resamples: 2000 });
    const half = 1.96 * Math.sqrt(variance / paired.length);
    expect((mean - difference[0]) / half).toBeCloseTo(1, 0.8);
    expect((difference[1] - mean) / half).toBeCloseTo(1, 0.8);
  });

  it("decides nothing on a tiny set, however clear it looks", () => {
    const wrong = answers(new Uint8Array(GATE_RULES.minExamples - 1));
    const right = answers(new Uint8Array(GATE_RULES.minExamples - 1).fill(1));
    expect(compareModels(ACCURACY, wrong, right)).toMatchObject({ verdict: "inconclusive", better: false });
    expect(compareModels(ACCURACY, right, wrong)).toMatchObject({ verdict: "inconclusive", better: false });
  });

  it("is inconclusive when the interval holds both better and too much worse", () => {
    const report = compareModels(ACCURACY, drawn(100, 0.8, "x"), drawn(100, 0.8, "y"));
    expect(report.verdict).toBe("inconclusive");
  });

  it("does not prefer a candidate by its interval alone: five wins and no loss may be chance", () => {
    const before = answers(Uint8Array.from({ length: 50 }, (_, i) => (i < 40 ? 1 : 0)));
    const after = answers(Uint8Array.from({ length: 50 }, (_, i) => (i < 45 ? 1 : 0)));
    const comparison = compareModels(ACCURACY, before, after);
    expect(comparison).toMatchObject({ verdict: "pass", better: false, mcnemarP: 0.0625 });
    expect(comparison.difference[0]).toBeGreaterThan(0);
    const sixth = answers(Uint8Array.from({ length: 50 }, (_, i) => (i < 46 ? 1 : 0)));
    expect(compareModels(ACCURACY, before, sixth)).toMatchObject({
      better: true,
      mcnemarP: expect.closeTo(0.03125, 12),
    });
  });

  it("gives the same report for the same answers", () => {
    const [one, other] = [drawn(200, 0.7, 1), drawn(200, 0.75, 2)];
    expect(compareModels(ACCURACY, one, other)).toEqual(compareModels(ACCURACY, one, other));
  });

  it("scales its margin to percentages", () => {
    const percent: GateMetric = { ...ACCURACY, name: "f1", fullScale: 100, value: ([sum, n]) => (100 * sum!) / n! };
    const before = answers(Uint8Array.from({ length: 1000 }, (_, i) => (i < 800 ? 1 : 0)));
    const after = answers(Uint8Array.from({ length: 1000 }, (_, i) => (i < 799 ? 1 : 0)));
    expect(compareModels(percent, before, after)).toMatchObject({ verdict: "pass", better: false });
  });
});

describe("McNemar's exact test", () => {
  const discordant = (gained: number, lost: number) =>
    mcnemar(
      Uint8Array.from({ length: gained + lost }, (_, i) => (i < gained ? 0 : 1)),
      Uint8Array.from({ length: gained + lost }, (_, i) => (i < gained ? 1 : 0)),
    );

  it("knows the tables of the binomial distribution", () => {
    expect(discordant(0, 0)).toBe(1);
    expect(discordant(0, 6)).toBeCloseTo(2 / 64, 12);
    expect(discordant(2, 8)).toBeCloseTo((2 * (1 + 10 + 45)) / 1024, 12);
    expect(discordant(20_000, 20_000)).toBe(1);
    expect(discordant(19_000, 21_000)).toBeGreaterThan(0);
  });

  it("does not care which model is called the old one", () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), (gained, lost) => {
        expect(discordant(gained, lost)).toBe(discordant(lost, gained));
      }),
      { numRuns: 50 },
    );
  });
});
