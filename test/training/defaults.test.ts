import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GENERATED_SETS } from "../../scripts/recipe-grid/generated-sets.ts";
import { STARTS, tryFineTune } from "../../scripts/recipe-grid/try-fine-tune.ts";

// Half a minute of an idle machine's time; the limit only has to survive a busy one. The whole grid of sets, models and rates is
// scripts/recipe-grid, with its output in docs/results/own-data-defaults.md.
describe("the defaults of a fine-tune on one's own data", { timeout: 600_000 }, () => {
  let work: string;
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), "albert-defaults-"));
  });
  afterEach(() => rm(work, { recursive: true, force: true }));

  const opinions = GENERATED_SETS.find(({ name }) => name === "opinions")!;

  it.each(["multiple-choice", "random"] as const)("learn a small set, from %s", async (model) => {
    const { accuracy, findings } = await tryFineTune(opinions, STARTS[model], {}, work);
    // No rate reaches more than all, so this is at least 95 % of what the best one would.
    expect(accuracy).toBeGreaterThanOrEqual(0.95);
    expect(findings.filter(({ reason }) => reason === "TRIVIAL_BASELINE")).toEqual([]);
  });

  it("are not the rate of a large model, with which a small one learns nothing, as the run then says", async () => {
    const given = { learningRate: 2e-5, numTrainEpochs: 5 };
    const { accuracy, findings } = await tryFineTune(opinions, STARTS["multiple-choice"], given, work);
    expect(accuracy).toBeLessThan(0.65);
    expect(findings.map(({ reason }) => reason)).toContain("TRIVIAL_BASELINE");
  });
});
