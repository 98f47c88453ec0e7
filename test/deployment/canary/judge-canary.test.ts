import { describe, expect, it } from "vitest";
import { DEFAULT_CONDITIONS, type Judgement, judgeCanary } from "../../../src/deployment/canary/judge-canary.ts";
import { type CanaryCounts, NO_COUNTS } from "../../../src/serving/traffic/canary-trials.ts";
import type { CanaryConditions } from "../../../src/store/traffic-rules.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** How a version behaves: the probability that a request fails, that an answer is slow, that it is another than the champion's. */
interface Behaviour {
  readonly fails: number;
  readonly slow: number;
  readonly differs?: number;
}

/** Requests between two looks. */
const LOOK_EVERY = 20;
const USUAL: Behaviour = { fails: 0.01, slow: 0.1, differs: 0.02 };

/** One canary over `requests` requests, looked at again and again. @returns the first verdict, and after how many requests */
function simulate(
  random: () => number,
  {
    champion = USUAL,
    challenger,
    percent = 10,
    requests,
    conditions = DEFAULT_CONDITIONS,
    worldFails = () => 0,
  }: {
    readonly champion?: Behaviour;
    readonly challenger: Behaviour;
    readonly percent?: number;
    readonly requests: number;
    readonly conditions?: CanaryConditions;
    /** Probability that a request fails whichever version answers it. */
    readonly worldFails?: (request: number) => number;
  },
): { readonly judgement: Judgement; readonly after: number } {
  const counts: { -readonly [K in keyof CanaryCounts]: number } = { ...NO_COUNTS };
  let judgement = judgeCanary(counts, conditions, percent);
  for (let i = 1; i <= requests; i++) {
    const arm = random() * 100 < percent ? "challenger" : "champion";
    const { fails, slow, differs = 0 } = arm === "challenger" ? challenger : champion;
    counts[`${arm}Requests`]++;
    if (random() < fails + worldFails(i)) counts[`${arm}Failed`]++;
    else {
      counts[`${arm}Timed`]++;
      if (random() < slow) counts[`${arm}Slow`]++;
      if (arm === "challenger") {
        counts.compared++;
        if (random() < differs) counts.disagreed++;
      }
    }
    if (i % LOOK_EVERY > 0) continue;
    judgement = judgeCanary(counts, conditions, percent);
    if (judgement.verdict !== "undecided") return { judgement, after: i };
  }
  return { judgement, after: requests };
}

describe("a canary that is judged", () => {
  it("is taken back in at most alpha of 1,000 cases where there is no difference, whatever happens to both", () => {
    // Ratios of 1 leave no room at all: every false alarm that the test can raise is raised here.
    const conditions = { ...DEFAULT_CONDITIONS, alpha: 0.05, errorRatio: 1, slowRatio: 1, minRequests: 1e9 };
    const random = seededRandom(2024);
    const champion = { fails: 0.03, slow: 0.1, differs: 0.1 }; // as often as may be
    // Now and then everything fails for a while, and every other run has an even split.
    const worldFails = (request: number) => (request % 500 > 450 ? 0.3 : 0);
    let alarms = 0;
    for (let run = 0; run < 1000; run++) {
      const percent = run % 2 === 0 ? 10 : 50;
      const { judgement } = simulate(random, {
        ...{ champion, challenger: champion, percent, requests: 1000, conditions, worldFails },
      });
      if (judgement.verdict === "worse") alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(50);
    expect(alarms).toBeGreaterThan(0);
  }, 120_000);

  const worse: readonly (readonly [string, string, Behaviour, number])[] = [
    ["errs in every tenth request", "failed", { ...USUAL, fails: 0.1 }, 3000],
    ["errs always", "failed", { ...USUAL, fails: 1 }, 200],
    ["is slow", "slow", { ...USUAL, slow: 0.8 }, 1000],
    ["decides otherwise", "differs", { ...USUAL, differs: 0.4 }, 1500],
  ];
  it.each(worse)("is taken back when it %s", (_, name, challenger, within) => {
    const random = seededRandom(5);
    for (let run = 0; run < 50; run++) {
      const { judgement, after } = simulate(random, { challenger, requests: 20_000 });
      expect(judgement.verdict).toBe("worse");
      expect(after).toBeLessThanOrEqual(4 * within);
      const decided = judgement.criteria.filter(({ doubt }) => doubt >= 1);
      expect(decided.map((criterion) => criterion.name)).toContain(name);
      expect(judgement.reason).toMatch(/^worse than the champion: \d+ of \d+ /);
    }
  });

  it("is good once it is shown that it is not worse, and not before its requests", () => {
    const random = seededRandom(3);
    const { judgement, after } = simulate(random, { challenger: USUAL, requests: 60_000 });
    expect(judgement.verdict).toBe("good");
    expect(after).toBeGreaterThanOrEqual(9000);
    expect(judgement.reason).toMatch(/^as good as the champion in \d+ requests: \d+ of \d+ failed \(champion/);
    const many = simulate(random, {
      challenger: USUAL,
      requests: 5000,
      conditions: { ...DEFAULT_CONDITIONS, minRequests: 100_000 },
    });
    expect(many.judgement).toMatchObject({
      verdict: "undecided",
      reason: expect.stringMatching(/of 100000 requests$/),
    });
  });

  it("is good without comparisons where answers decide nothing", () => {
    const counts = { ...NO_COUNTS, championRequests: 9000, championTimed: 9000, championSlow: 900 };
    const arm = { challengerRequests: 1000, challengerTimed: 1000, challengerSlow: 90 };
    expect(judgeCanary({ ...counts, ...arm }, DEFAULT_CONDITIONS, 10).verdict).toBe("good");
  });

  it("is promoted in at most alpha of 1,000 cases where it fails by more than may be", () => {
    const random = seededRandom(9);
    const conditions = { ...DEFAULT_CONDITIONS, alpha: 0.05, errorRatio: 1e6, slowRatio: 1e6, minRequests: 100 };
    const champion = { fails: 0.01, slow: 0.1 };
    let promoted = 0;
    for (let run = 0; run < 1000; run++) {
      // 2.1 points more, where 2 may be.
      const challenger = { fails: 0.031, slow: 0.1 };
      const { judgement } = simulate(random, { champion, challenger, percent: 50, requests: 1000, conditions });
      if (judgement.verdict === "good") promoted++;
    }
    expect(promoted).toBeLessThanOrEqual(50);
  }, 120_000);

  it("is judged by disagreement alone where the champion answers nothing", () => {
    const counts = { ...NO_COUNTS, challengerRequests: 500, challengerFailed: 500 };
    const { verdict, criteria } = judgeCanary(counts, DEFAULT_CONDITIONS, 100);
    expect(verdict).toBe("undecided");
    for (const { doubt } of criteria) expect(doubt).toBeCloseTo(0, 9);
    expect(judgeCanary({ ...NO_COUNTS, championFailed: 5, championRequests: 9 }, DEFAULT_CONDITIONS, 0).verdict).toBe(
      "undecided",
    );
    const differing = judgeCanary({ ...counts, compared: 100, disagreed: 60 }, DEFAULT_CONDITIONS, 100);
    expect(differing.verdict).toBe("worse");
  });

  describe("by what people say of answers", () => {
    const good = { ...NO_COUNTS, championRequests: 9000, championTimed: 9000, championSlow: 900 };
    const counts = { ...good, challengerRequests: 1000, challengerTimed: 1000, challengerSlow: 90 };
    const judged = (wrong: number, of: number) => ({
      champion: { events: 60, of: 200 },
      challenger: { events: wrong, of },
    });
    const judge = (wrong: number, of: number, more: Partial<CanaryConditions> = {}) =>
      judgeCanary(counts, { ...DEFAULT_CONDITIONS, ...more }, 10, judged(wrong, of));

    it("is taken back where it is wrong more often", () => {
      const { verdict, reason, criteria } = judge(150, 200);
      expect(verdict).toBe("worse");
      expect(reason).toBe("worse than the champion: 150 of 200 judged wrong (champion 60 of 200)");
      expect(criteria.at(-1)).toMatchObject({ name: "wrong", champion: { events: 60, of: 200 }, cleared: false });
      expect(judge(8, 10).verdict).toBe("good"); // ten answers show nothing, and are no reason to wait
    });

    it("is good where it is not, and says how many were judged", () => {
      const { verdict, reason, criteria } = judge(30, 200);
      expect(verdict).toBe("good");
      expect(reason).toMatch(/, 30 of 200 judged wrong \(champion 60 of 200\)$/);
      expect(criteria.at(-1)).toMatchObject({ doubt: 0, cleared: true });
      expect(judgeCanary(counts, DEFAULT_CONDITIONS, 10).reason).not.toContain("judged");
    });

    it("waits for as many answers as the conditions ask for", () => {
      expect(judge(0, 20, { minJudged: 50 })).toMatchObject({
        verdict: "undecided",
        reason: "people judged 20 of 50 answers",
      });
      expect(judge(8, 50, { minJudged: 50 }).verdict).toBe("good");
    });

    it("may be wrong as often as its ratio lets it", () => {
      expect(judge(150, 200, { wrongRatio: 3 }).verdict).toBe("good");
    });
  });
});
