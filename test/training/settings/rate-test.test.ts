import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FittingRate } from "../../../src/training/settings/fitting-rate.ts";
import { highestRate, judgeRate, testedRate } from "../../../src/training/settings/rate-test.ts";
import type { OpenExecutor } from "../../../src/training/step/training-step.ts";
import { exampleRecords, freshState, openLogisticRegression, recordSource } from "../logistic-regression.ts";
import { OBJECTIVES, tinySpec } from "../tiny-training.ts";

const guess = (rate: number): FittingRate => ({ rate, why: "a guess", source: "rule" });
/** Losses at rates 1e-5 ... 1e-1 that fall from `from` on and explode at `bound`. */
const losses = (from: number, bound: number) =>
  Array.from({ length: 49 }, (_, i) => {
    const rate = 1e-5 * 10 ** (i / 12);
    const fallen = Math.max(0, Math.log10(rate / from));
    return { rate, loss: rate < bound ? 1.5 - 0.5 * Math.min(2, fallen) : 1.5 + 4 * Math.log10(rate / bound) };
  });

describe("a range test of learning rates", () => {
  it("finds the highest rate at which the loss falls", () => {
    const found = highestRate(losses(1e-4, 1e-2))!;
    expect(found / 1e-2).toBeGreaterThan(0.5);
    expect(found / 1e-2).toBeLessThan(1.5);
  });

  it("says nothing where the loss never falls or is no number", () => {
    expect(highestRate(losses(1, 1e-9))).toBeUndefined();
    expect(highestRate([{ rate: 1e-3, loss: Number.NaN }])).toBeUndefined();
    expect(judgeRate(guess(1e-3), [])).toEqual(guess(1e-3));
  });

  it("keeps a guess that fits, and replaces one that is far too high or low", () => {
    const tried = losses(1e-4, 1e-2);
    const highest = highestRate(tried)!;
    expect(judgeRate(guess(2e-3), tried)).toMatchObject({ rate: 2e-3, source: "test" });
    for (const rate of [1e-5, 2e-2]) {
      const judged = judgeRate(guess(rate), tried);
      expect(judged.rate / (highest / 4)).toBeCloseTo(1, 1);
      expect(judged.why).toMatch(new RegExp(`not ${rate} \\(a guess\\)`));
    }
  });
});

describe("a run's range test", () => {
  let work: string;
  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), "albert-rates-"));
  });
  afterAll(() => rm(work, { recursive: true, force: true }));

  const initial = freshState();
  const run = (rate: number, identity: Record<string, string>) => {
    let steps = 0;
    const test = {
      openExecutor: async (...[, state]: Parameters<OpenExecutor>) => {
        const executor = openLogisticRegression(state);
        const step = (...args: Parameters<typeof executor.step>) => {
          steps++;
          return executor.step(...args);
        };
        return { ...executor, step };
      },
      executor: { kind: "onnx", device: "cpu" } as const,
      stepSpec: tinySpec(OBJECTIVES["classification"]!),
      initial,
      source: recordSource(exampleRecords(100), 5, 8),
      seed: 1,
      work,
      identity,
    };
    return testedRate(guess(rate), test).then((fitting) => ({ fitting, steps }));
  };

  it("raises a rate that is far too low, and leaves the starting weights alone", async () => {
    const { fitting, steps } = await run(1e-3, { data: "a" });
    expect([fitting.rate > 2e-3, fitting.source]).toEqual([true, "test"]);
    expect(steps).toBe(48);
    expect([...initial.parameters.get("weights")!.data].every((value) => value === 0)).toBe(true);
  });

  it("is remembered for a resumed run, and made anew for other data", async () => {
    const first = await run(1e-3, { data: "a" });
    expect(first.steps).toBe(0);
    expect((await run(1e-3, { data: "b" })).steps).toBe(48);
  });

  it("is made anew where what it found is damaged", async () => {
    const file = join(work, "range-test.json");
    for (const damage of [(text: string) => text.replace("{", "["), (text: string) => text.replace(/\d/, "x")]) {
      await writeFile(file, damage(await readFile(file, "utf8")));
      expect((await run(1e-3, { data: "b" })).steps).toBe(48);
      expect((await run(1e-3, { data: "b" })).steps).toBe(0);
    }
  });
});
