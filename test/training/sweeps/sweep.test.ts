import { describe, expect, it } from "vitest";
import { AlbertError } from "../../../src/errors.ts";
import { planSweep, runsOf, type SweepSpec, stepsAt } from "../../../src/training/sweeps/sweep.ts";

const FIELDS = { method: "method", vary: "vary.", trials: "trials", reduction: "reduction" };
const RATE = { learning_rate: "log:1e-5..1e-3" };

function plan(spec: Partial<SweepSpec>, fixed: Readonly<Record<string, string>> = {}, seed = 1) {
  return planSweep({ method: "random", vary: RATE, trials: 0, reduction: 0, ...spec }, fixed, seed, FIELDS);
}

function refusal(spec: Partial<SweepSpec>, fixed: Readonly<Record<string, string>> = {}): string {
  try {
    plan(spec, fixed);
  } catch (error) {
    if (error instanceof AlbertError) return error.message;
    throw error;
  }
  return "";
}

describe("a sweep", () => {
  it("over a grid has a trial for each combination, in the order of the names and values", () => {
    const { trials, varied, rungs } = plan({
      method: "grid",
      vary: { train_batch_size: "int:2..3", "head-dropout": "0,0.1", class_weights: "balanced|a=2,b=1" },
    });
    expect(varied).toEqual(["class_weights", "head_dropout", "train_batch_size"]);
    expect(trials).toHaveLength(8);
    expect(trials[0]).toEqual({
      number: 1,
      settings: { class_weights: "balanced", head_dropout: "0", train_batch_size: "2" },
    });
    expect(trials[7]?.settings).toEqual({ class_weights: "a=2,b=1", head_dropout: "0.1", train_batch_size: "3" });
    expect(rungs).toEqual([{ share: 1, trials: 8 }]);
  });

  it("draws the same trials by the same seed, others by another, and the first of many are those of few", () => {
    const vary = { ...RATE, dropout: "0..0.2", train_batch_size: "16|32|64" };
    const nine = plan({ vary }).trials;
    expect(nine).toHaveLength(9);
    expect(plan({ vary }).trials).toEqual(nine);
    expect(plan({ vary, trials: 4 }).trials).toEqual(nine.slice(0, 4));
    // Where no number is asked for, as many as there are.
    expect(plan({ vary: { head_only: "true,false" } }).trials).toHaveLength(2);
    expect(plan({ vary }, {}, 2).trials).not.toEqual(nine);
    // What one setting is does not depend on which others are varied.
    expect(plan({}).trials.map(({ settings }) => settings["learning_rate"])).toEqual(
      nine.map(({ settings }) => settings["learning_rate"]),
    );
  });

  it("draws evenly: choices, numbers, whole numbers with both ends, and orders of magnitude", () => {
    const vary = { ...RATE, dropout: "0..0.5", train_batch_size: "log:1..64", num_train_epochs: "int:1..3" };
    const drawn = plan({ vary, trials: 256 }).trials.map(({ settings }) => settings);
    const numbers = (name: string) => drawn.map((settings) => Number(settings[name]));
    const share = (name: string, isIn: (value: number) => boolean) => numbers(name).filter(isIn).length / drawn.length;
    for (const value of numbers("learning_rate")) expect(value >= 1e-5 && value <= 1e-3).toBe(true);
    // Five standard deviations of the share of 256 are 0.16 at most.
    expect(Math.abs(share("learning_rate", (value) => value < 1e-4) - 0.5)).toBeLessThan(0.16);
    expect(Math.abs(share("dropout", (value) => value < 0.25) - 0.5)).toBeLessThan(0.16);
    expect(Math.abs(share("num_train_epochs", (value) => value === 3) - 1 / 3)).toBeLessThan(0.16);
    expect(numbers("train_batch_size").every((value) => Number.isInteger(value) && value >= 1 && value <= 64)).toBe(
      true,
    );
    expect(share("train_batch_size", (value) => value <= 8)).toBeGreaterThan(0.4);
  });

  it("by halving lets one of so many go on, to so many times the steps", () => {
    const { rungs } = plan({ method: "halving", trials: 20 });
    expect(rungs.map(({ trials }) => trials)).toEqual([20, 6, 2]);
    expect(rungs.map(({ share }) => share)).toEqual([1 / 9, 1 / 3, 1]);
    expect(rungs.map((rung) => stepsAt(rung, 90))).toEqual([10, 30, 90]);
    expect(rungs.map((rung) => stepsAt(rung, 4))).toEqual([1, 2, 4]);
    expect(runsOf({ rungs })).toBeCloseTo(20 / 9 + 6 * (2 / 9) + 2 * (2 / 3), 12);
    expect(plan({ method: "halving", trials: 8, reduction: 2 }).rungs.map(({ trials }) => trials)).toEqual([
      8, 4, 2, 1,
    ]);
  });

  it.each<[string, Partial<SweepSpec>, RegExp, Readonly<Record<string, string>>?]>([
    ["no setting", { vary: {} }, /^vary: name at least one setting/],
    ["an unknown setting", { vary: { learning_rat: "1,2" } }, /vary\.learning_rat: .*did you mean learning_rate/],
    ["the seed", { vary: { seed: "1,2" } }, /vary\.seed: cannot be varied: all trials hold out the same examples/],
    ["the metric", { vary: { metric: "eval_f1,eval_loss" } }, /vary\.metric: cannot be varied/],
    [
      "a value out of bounds",
      { vary: { dropout: "0,1.5" } },
      /vary\.dropout: expected a number >= 0 and below 1, got "1.5"/,
    ],
    ["a range out of bounds", { vary: { dropout: "0..1.5" } }, /vary\.dropout: expected a number .*got "1.5"/],
    ["a range backwards", { vary: { dropout: "0.2..0.1" } }, /from a smaller to a larger number, got 0.2\.\.0.1/],
    ["a logarithm of zero", { vary: { dropout: "log:0..0.1" } }, /above 0 on a logarithmic scale, got log:0\.\.0.1/],
    ["a fraction of a whole number", { vary: { train_batch_size: "1..2.5" } }, /an integer from 1 to 65536, got "2.5"/],
    ["a value twice", { vary: { dropout: "0.1,0.1" } }, /expected different values/],
    ["a range for a choice", { vary: { optimizer: "lamb..lars" } }, /vary\.optimizer: expected one of/],
    ["an empty space", { vary: { dropout: " " } }, /vary\.dropout: expected values such as/],
    ["a setting that is fixed too", {}, /vary\.learning_rate: is varied and fixed/, { "learning-rate": "1e-4" }],
    ["a range in a grid", { method: "grid" }, /vary\.learning_rate: a grid needs single values/],
    ["a grid with a number of trials", { method: "grid", trials: 3 }, /trials: a grid has a trial for each/],
    [
      "a grid of more combinations than a sweep has",
      { method: "grid", vary: { train_batch_size: "int:1..20", warmup_step: "int:1..20" } },
      /method: expected at most 256 combinations/,
    ],
    ["too many trials", { trials: 257 }, /trials: expected an integer from 1 to 256, got 257/],
    ["too few trials to halve", { method: "halving", trials: 2 }, /trials: expected an integer from 3 to 256, got 2/],
    [
      "a reduction of nothing",
      { method: "halving", reduction: 1 },
      /reduction: expected an integer from 2 to 10, got 1/,
    ],
    ["a reduction without halving", { reduction: 3 }, /reduction: belongs to the method halving, got 3 with random/],
    [
      "halving of several runs",
      { method: "halving" },
      /method: judges runs that go on.*leave folds out/,
      { folds: "3" },
    ],
    ["more trials than there are", { vary: { head_only: "true,false" }, trials: 3 }, /about 2, got 3/],
  ])("refuses %s", (_, spec, message, fixed = {}) => {
    expect(refusal(spec, fixed)).toMatch(message);
  });

  it("names everything that is wrong at once", () => {
    const text = refusal({ vary: { dropout: "2", seed: "1" }, trials: 999 });
    for (const part of ["vary.dropout", "vary.seed", "trials"]) expect(text).toContain(part);
  });
});
