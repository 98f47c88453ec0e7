import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planChunks, predictBatchMs } from "../../../src/runtime/batch/sub-batches.ts";
import { CostModel, runShape } from "../../../src/runtime/profile/cost-model.ts";
import { findTokenBudget } from "../../../src/runtime/profile/token-budget.ts";

/** Milliseconds of an imaginary device. */
type Device = (lengths: readonly number[]) => number;
const linear: Device = (lengths) => {
  const { tokens, scores } = runShape(lengths);
  return 2 + 0.1 * tokens + 0.00005 * scores;
};

function taught(device: Device = linear): CostModel {
  const cost = new CostModel();
  for (const lengths of [[8], [64], [16, 16, 16], [256], [512, 512], [30, 40, 50]]) {
    cost.observe(runShape(lengths), device(lengths));
  }
  return cost;
}

const lengthsOf = fc.array(fc.integer({ min: 1, max: 512 }), { minLength: 1, maxLength: 24 });

describe("a cost model", () => {
  it("learns a device's fixed, per-token and attention cost", () => {
    const cost = taught();
    fc.assert(
      fc.property(lengthsOf, (lengths) => {
        expect(cost.predict(runShape(lengths)) / linear(lengths)).toBeCloseTo(1, 3);
      }),
    );
  });

  it("never predicts less for more, however noisy its observations", () => {
    const observation = fc.record({ lengths: lengthsOf, ms: fc.double({ min: 0.01, max: 1e4, noNaN: true }) });
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 20 }), lengthsOf, (observations, lengths) => {
        const cost = new CostModel();
        for (const { lengths, ms } of observations) cost.observe(runShape(lengths), ms);
        const less = cost.predict(runShape(lengths));
        expect(less).toBeGreaterThanOrEqual(0);
        expect(cost.predict(runShape([...lengths, 100]))).toBeGreaterThanOrEqual(less);
      }),
    );
  });

  it("follows a device that changes its speed, and shrugs at a single slow run", () => {
    const cost = taught();
    cost.observe(runShape([64]), 100 * linear([64]));
    expect(cost.predict(runShape([64])) / linear([64])).toBeLessThan(2);
    for (let run = 0; run < 500; run++) cost.observe(runShape([64]), 3 * linear([64]));
    expect(cost.predict(runShape([64])) / linear([64])).toBeGreaterThan(2.8);
  });

  it("ignores times that no clock gives", () => {
    const cost = taught();
    const before = cost.predict(runShape([64]));
    for (const ms of [0, -1, Number.NaN]) cost.observe(runShape([64]), ms);
    expect(cost.predict(runShape([64]))).toBe(before);
  });
});

describe("a batch's runs", () => {
  it("hold every sequence once, and no run more tokens than allowed", () => {
    const cost = taught();
    fc.assert(
      fc.property(lengthsOf, fc.integer({ min: 1, max: 2000 }), (lengths, maxTokens) => {
        const chunks = planChunks(lengths, cost, maxTokens);
        expect(chunks.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index));
        for (const chunk of chunks) {
          const tokens = chunk.reduce((sum, index) => sum + lengths[index]!, 0);
          expect(chunk.length === 1 || tokens <= maxTokens).toBe(true);
        }
      }),
    );
  });

  it("are never predicted to take longer than one run for all", () => {
    const cost = taught();
    fc.assert(
      fc.property(lengthsOf, (lengths) => {
        const split = predictBatchMs(lengths, cost, Number.POSITIVE_INFINITY);
        expect(split).toBeLessThanOrEqual(cost.predict(runShape(lengths)) * (1 + 1e-9));
      }),
    );
  });

  it("keep a long text from padding many short ones", () => {
    const lengths = [16, 512, ...Array.from({ length: 15 }, () => 16)];
    expect(planChunks(lengths, taught(), 4096).map((chunk) => chunk.length)).toEqual([1, 16]);
  });

  it("are one where the device has no fixed price to save", () => {
    expect(planChunks([5, 5, 5], new CostModel(), 1024)).toEqual([[0, 1, 2]]);
  });
});

describe("calibration", () => {
  const budgetOn = async (device: Device, maxTokens = 4096, budgetMs = 60_000) =>
    findTokenBudget(async (lengths) => device(lengths), { maxLength: 512, maxTokens, budgetMs, cost: new CostModel() });

  it("finds the smallest batch that keeps a wide device busy", async () => {
    const tokensOf = (lengths: readonly number[]) => lengths.reduce((sum, length) => sum + length, 0);
    expect(await budgetOn((lengths) => Math.max(10, tokensOf(lengths) * (10 / 1024)))).toBe(1024);
    expect(await budgetOn((lengths) => Math.max(10, tokensOf(lengths) * (10 / 1024)), 512)).toBe(512);
  });

  it("is content with little where batches gain nothing", async () => {
    expect(await budgetOn((lengths) => lengths.reduce((sum, length) => sum + length, 0))).toBe(64);
  });

  it("does not measure when it has no time", async () => {
    let runs = 0;
    const device: Device = (lengths) => {
      runs += 1;
      return 100 * lengths.length;
    };
    expect(await budgetOn(device, 4096, 0)).toBe(256);
    expect(runs).toBe(2);
  });
});
