/**
 * Judges the defaults of fine-tuning: trains on each generated set from each starting model with the defaults, with other learning
 * rates, and with other rates and 8 passes, and prints the accuracies on rows that no run saw. What it printed is in
 * docs/results/own-data-defaults.md. --quick tries two other rates only.
 *
 *     node --import tsx scripts/recipe-grid/main.ts [--set NAME] [--model NAME] [--quick]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AlbertError } from "../../src/errors.ts";
import type { StartSpec } from "../../src/training/starting-model.ts";
import { GENERATED_SETS, type GeneratedSet } from "./generated-sets.ts";
import { STARTS, type Tried, tryFineTune } from "./try-fine-tune.ts";

const RATES = [1e-4, 3e-4, 1e-3, 3e-3];
const QUICK_RATES = [3e-4, 3e-3];
const PASSES = { numTrainEpochs: 8, rates: [2e-4, 7e-4, 2e-3] };

const { values: flags } = parseArgs({
  options: { set: { type: "string" }, model: { type: "string" }, quick: { type: "boolean", default: false } },
});
for (const set of GENERATED_SETS.filter(({ name }) => flags.set === undefined || flags.set === name)) {
  for (const [name, start] of Object.entries(STARTS)) {
    if (flags.model !== undefined && flags.model !== name) continue;
    const { accuracy, seconds, learningRate, steps } = await tried(set, start, {});
    const grid: [string, number][] = [["defaults", accuracy]];
    for (const rate of flags.quick ? QUICK_RATES : RATES) {
      const other = rate === learningRate ? accuracy : (await tried(set, start, { learningRate: rate })).accuracy;
      grid.push([String(rate), other]);
    }
    const { numTrainEpochs, rates } = PASSES;
    for (const rate of flags.quick ? [] : rates) {
      const other = await tried(set, start, { learningRate: rate, numTrainEpochs });
      grid.push([`${rate}/${numTrainEpochs} passes`, other.accuracy]);
    }
    const best = Math.max(...grid.map(([, value]) => value));
    const cells = grid.map(([cell, value]) => `${cell} ${value.toFixed(3)}`).join("  ");
    console.log(
      `${set.name}  ${name}: defaults ${accuracy.toFixed(3)} (rate ${learningRate}, ${steps} steps, ${seconds.toFixed(0)} s), ` +
        `${((100 * accuracy) / best).toFixed(1)} % of the best  ${cells}`,
    );
  }
}

async function tried(set: GeneratedSet, start: StartSpec, given: Parameters<typeof tryFineTune>[2]): Promise<Tried> {
  const work = await mkdtemp(join(tmpdir(), "recipe-grid-"));
  try {
    return await tryFineTune(set, start, given, work);
  } catch (error) {
    // A rate with which nothing is learnt ends so, and has no accuracy.
    if (!(error instanceof AlbertError) || error.reason !== "DIVERGED") throw error;
    return { accuracy: 0, seconds: 0, learningRate: given.learningRate ?? 0, steps: 0, findings: [] };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
