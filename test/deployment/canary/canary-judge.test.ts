import { describe, expect, it } from "vitest";
import { CanaryJudge, judgementOf } from "../../../src/deployment/canary/canary-judge.ts";
import { DEFAULT_CONDITIONS, type Judgement } from "../../../src/deployment/canary/judge-canary.ts";
import { judgedAnswers } from "../../../src/deployment/canary/judged-answers.ts";
import { NO_COUNTS } from "../../../src/serving/traffic/canary-trials.ts";
import type { Judgement as Said } from "../../../src/store/feedback/judgements.ts";
import { openStore } from "../../../src/store/open-store.ts";
import { workshop } from "../../support/stores.ts";

const { path } = workshop();
const BEGAN = 1_700_000_000_000;

/** What a person says of an answer of a version. */
const said = (version: string, number: number, isRight: boolean, more: Partial<Said> = {}): Said => ({
  ...{ form: 1, id: `${version}x${number}`, model: "m", version, head: "c", text: `text ${number}` },
  ...{ answer: "a", probability: 0.5, label: isRight ? "a" : "b", answeredMs: BEGAN + 1, judgedMs: BEGAN + number },
  ...more,
});

describe("what people judged of a canary", () => {
  const rule = { version: 2, champion: 1, changed: BEGAN };

  it("counts answers of the two since it began, and of a text what was said last", () => {
    const all = [
      said("1", 1, false),
      said("1", 2, true),
      said("2", 1, false),
      said("2", 1, true, { judgedMs: BEGAN + 9 }),
      said("2", 3, false),
      said("2", 4, false, { answeredMs: BEGAN - 1 }),
      said("3", 5, false),
    ];
    expect(judgedAnswers(all, rule)).toEqual({ champion: { events: 1, of: 2 }, challenger: { events: 1, of: 2 } });
  });

  it("takes it back without another request, once enough was said", async () => {
    const store = await openStore(path("judged"));
    const conditions = { ...DEFAULT_CONDITIONS, decide: "rollback" } as const;
    const whole = { id: "r1", generation: 1, mode: "canary", percent: 10, ...rule, conditions, reason: "" } as const;
    const decided: Judgement[] = [];
    const doubts: Record<string, number> = {};
    let listings = 0;
    const judge = new CanaryJudge({
      store: {
        aliases: { list: async () => ({ traffic: { generation: 1, rule: whole, history: [] } }) } as never,
        evidence: store.evidence,
        judgements: {
          list: (model: string) => {
            listings++;
            return store.judgements.list(model);
          },
        } as typeof store.judgements,
      },
      live: {
        list: () => [{ name: "m", traffic: { mode: "canary", rule: "r1" } }] as never,
        canaryCounts: () => NO_COUNTS,
      },
      canaries: { doubt: (_, criterion, doubt) => void Object.assign(doubts, { [criterion]: doubt }) },
      decide: async (_, __, judgement) => void decided.push(judgement),
      onError: (error) => {
        throw error;
      },
      intervalMs: 1,
      every: () => () => {},
    });
    const lookUntilListed = async () => {
      for (const before = listings; listings === before; ) await judge.look();
    };
    await judge.look();
    expect(doubts).toEqual({}); // nothing is known, and nothing was asked
    for (let looks = 1; looks < 15; looks++) await judge.look();
    expect(listings).toBe(1);
    for (let number = 0; number < 60; number++) {
      await store.judgements.add(said("1", number, number % 4 > 0));
      await store.judgements.add(said("2", number, number % 10 === 0));
      if (number === 9) {
        await lookUntilListed();
        expect(doubts["wrong"]).toBeGreaterThan(0);
        expect(decided).toEqual([]);
      }
    }
    await lookUntilListed();
    expect(decided).toHaveLength(1);
    expect(decided[0]).toMatchObject({
      verdict: "worse",
      reason: "worse than the champion: 54 of 60 judged wrong (champion 15 of 60)",
    });
    expect(await judgementOf(store, "m", whole)).toEqual(decided[0]);
    await lookUntilListed();
    expect(decided).toHaveLength(1);
    // A rule of an earlier release knows nothing of judged answers.
    const { wrongRatio: _, minJudged: __, ...before } = conditions;
    expect((await judgementOf(store, "m", { ...whole, conditions: before as typeof conditions }))?.verdict).toBe(
      "worse",
    );
    await store.close();
  });
});
