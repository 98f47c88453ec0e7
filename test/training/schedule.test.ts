import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkSchedule, learningRateAt, type Schedule } from "../../src/training/schedule.ts";
import { fixture, missing } from "../support/fixtures.ts";

const optimizer = fixture("optimizer");

describe.skipIf(missing("fixtures/optimizer", optimizer))("the official schedule", () => {
  const cases = optimizer === undefined ? [] : readdirSync(optimizer, { withFileTypes: true });
  for (const entry of cases.filter((candidate) => candidate.isDirectory())) {
    it(`gives every recorded learning rate of ${entry.name} bit for bit`, () => {
      const recorded = JSON.parse(readFileSync(join(optimizer!, entry.name, "steps.json"), "utf8"));
      const schedule: Schedule = {
        shape: "official",
        learningRate: recorded.init_lr,
        totalSteps: recorded.num_train_steps,
        warmupSteps: recorded.num_warmup_steps,
        power: recorded.poly_power,
      };
      const rates = recorded.steps.map((row: { step: number }) => learningRateAt(schedule, row.step));
      expect(rates).toEqual(recorded.steps.map((row: { learning_rate: number }) => row.learning_rate));
    });
  }
});

describe("learning rates", () => {
  const paper: Schedule = { shape: "official", learningRate: 0.00176, totalSteps: 125_000, warmupSteps: 3125 };

  it("drop at the end of the official warmup, as the published code does", () => {
    expect(learningRateAt(paper, 3124)).toBeCloseTo(0.00175944, 8);
    expect(learningRateAt(paper, 3125)).toBeCloseTo(0.001716, 8);
  });

  it("reach the nominal rate after a rebased warmup and fall to 0", () => {
    const rebased: Schedule = { ...paper, shape: "rebased" };
    expect(learningRateAt(rebased, 3125)).toBe(Math.fround(0.00176));
    expect(learningRateAt(rebased, 125_000)).toBe(0);
    expect(learningRateAt({ ...paper, shape: "cosine" }, 125_000)).toBe(0);
    expect(learningRateAt({ ...paper, shape: "constant" }, 200_000)).toBe(Math.fround(0.00176));
  });

  it("start at 0 with a warmup and at the nominal rate without", () => {
    expect(learningRateAt(paper, 0)).toBe(0);
    expect(learningRateAt({ ...paper, warmupSteps: 0 }, 0)).toBe(Math.fround(0.00176));
  });

  it("stay between 0 and the nominal rate in every shape", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("official", "rebased", "cosine", "constant" as const),
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 0, max: 999 }),
        fc.integer({ min: 0, max: 2000 }),
        (shape, totalSteps, warmup, step) => {
          const rate = learningRateAt(
            { shape: shape as Schedule["shape"], learningRate: 0.01, totalSteps, warmupSteps: warmup % totalSteps },
            step,
          );
          expect(rate).toBeGreaterThanOrEqual(0);
          expect(rate).toBeLessThanOrEqual(Math.fround(0.01));
        },
      ),
    );
  });

  it("are refused with every wrong field named", () => {
    expect(() => checkSchedule({ shape: "official", learningRate: -1, totalSteps: 0, warmupSteps: -2 })).toThrow(
      /learning_rate.*train_step.*warmup_step/,
    );
    expect(() => checkSchedule({ shape: "official", learningRate: 1e-4, totalSteps: 10, warmupSteps: 10 })).toThrow(
      /leave nothing/,
    );
  });
});
