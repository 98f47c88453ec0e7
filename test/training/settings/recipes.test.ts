import { describe, expect, it } from "vitest";
import type { Head } from "../../../src/model/heads.ts";
import { publishedConfig } from "../../../src/model/published-configs.ts";
import { defaultMetric, goalOf, metricsOf, possibleMetrics } from "../../../src/training/evaluation/head-metrics.ts";
import { checkSelection } from "../../../src/training/evaluation/selection.ts";
import { recipeOf, TASKS } from "../../../src/training/settings/recipes.ts";
import { resolveSettings } from "../../../src/training/settings/resolve.ts";
import { recipeSteps, warmupStepsOf } from "../../../src/training/settings/run-length.ts";

const config = publishedConfig("base")!;
const small = publishedConfig("2x128")!;
const base = { config, fromScratch: false };

describe("recipes", () => {
  it("give the steps and warmups of the official SQuAD runs from their numbers of questions", () => {
    const v1 = recipeOf("squad-v1");
    const windows = { examples: 88_641, questions: v1.examples! };
    const [steps] = recipeSteps(v1, windows, v1.trainBatchSize, false);
    expect([steps, warmupStepsOf(v1.warmup, steps)]).toEqual([3649, 364]);
    const v2 = recipeOf("squad-v2");
    expect(recipeSteps(v2, { examples: 132_000, questions: v2.examples! }, v2.trainBatchSize, false)[0]).toBe(8144);
  });

  it("pass over other data of SQuAD's layout as often as they say", () => {
    const recipe = recipeOf("squad-v2");
    const [steps, why] = recipeSteps(recipe, { examples: 110, questions: 100 }, recipe.trainBatchSize, false);
    expect([steps, why]).toEqual([9, "3 passes over 110 examples"]); // 3 steps of 48, 48 and 14 windows, three times
  });

  it("pass over small sets of one's own more often, within bounds", () => {
    const recipe = recipeOf("classification");
    const stepsFor = (examples: number) => recipeSteps(recipe, { examples }, 32, false)[0];
    expect(stepsFor(100_000)).toBe(5 * 3125);
    expect(stepsFor(3000)).toBe(5 * 94);
    expect(stepsFor(640)).toBe(20 * 20);
    expect(stepsFor(64)).toBe(30 * 2);
  });

  it("know that RACE differs between the releases and nothing else does", () => {
    expect(recipeOf("race", "v1")).toMatchObject({ learningRate: 2e-5, dropout: 0.1 });
    expect(recipeOf("race", "v2")).toMatchObject({ learningRate: 1e-5, dropout: 0 });
    for (const task of TASKS.filter((name) => name !== "race")) {
      expect(recipeOf(task, "v1")).toEqual(recipeOf(task, "v2"));
    }
  });

  it("apply as published where nothing is given, and say so", () => {
    const { settings, reasons, warnings } = resolveSettings(recipeOf("sst-2"), {}, { examples: 67_349, ...base });
    expect(settings).toMatchObject({
      learningRate: 1e-5,
      trainStep: 20_935,
      warmupStep: 1256,
      trainBatchSize: 32,
      maxSeqLength: 512,
      saveCheckpointsSteps: 100,
      optimizer: "adamw-official",
    });
    expect(reasons.learningRate).toMatch(/sst-2 recipe \(run_glue\.sh/);
    expect(warnings).toEqual([]);
  });

  it("scale the warmup with the length of the run, and prefer what is given", () => {
    const given = { numTrainEpochs: 1, learningRate: 2e-5 };
    const { settings, reasons } = resolveSettings(recipeOf("sst-2"), given, { examples: 3200, ...base });
    expect(settings).toMatchObject({ trainStep: 100, warmupStep: 6, learningRate: 2e-5 });
    expect(reasons).toMatchObject({ learningRate: "given", trainStep: "1 pass over 3200 examples" });
  });

  it("warn of rates, batches and lengths far from the published ones", () => {
    const given = { learningRate: 1e-3, trainBatchSize: 512, trainStep: 800 };
    const { warnings } = resolveSettings(recipeOf("rte"), given, { examples: 100, ...base });
    expect(warnings.join("\n")).toMatch(/learning rate 0.001.*batch size 512.*passes over 100 examples/s);
  });

  it("refuse every impossible setting at once", () => {
    const given = { trainBatchSize: 0, maxSeqLength: 1024, dropout: 1 };
    expect(() => resolveSettings(recipeOf("rte"), given, { examples: 10, ...base })).toThrow(
      /train_batch_size.*dropout.*max_seq_length/,
    );
  });

  it("let one run of a graph take as many steps as lie between two checkpoints, and no more", () => {
    const together = (iterationsPerLoop: number) =>
      resolveSettings(
        recipeOf("rte"),
        { iterationsPerLoop, saveCheckpointsSteps: 20, trainStep: 100, warmupStep: 10 },
        { examples: 10, ...base },
      ).settings.iterationsPerLoop;
    expect(together(20)).toBe(20);
    expect(() => together(21)).toThrow(/iterations_per_loop.*at most save_checkpoints_steps \(20\)/);
  });
});

describe("passes over the data", () => {
  it("see every example as often as asked, whatever the sizes of data and batch", () => {
    for (const examples of [1, 7, 31, 32, 33, 200, 1001]) {
      for (const trainBatchSize of [1, 8, 32, 64]) {
        for (const numTrainEpochs of [1, 2, 3, 7]) {
          const { settings } = resolveSettings(
            recipeOf("classification"),
            { numTrainEpochs, trainBatchSize },
            { examples, ...base },
          );
          expect(settings.trainStep).toBe(numTrainEpochs * Math.ceil(examples / trainBatchSize));
        }
      }
    }
  });

  it("may be a part of one, and are at least a step", () => {
    const stepsOf = (numTrainEpochs: number) =>
      resolveSettings(recipeOf("classification"), { numTrainEpochs }, { examples: 320, ...base }).settings.trainStep;
    expect([stepsOf(0.5), stepsOf(2.5), stepsOf(0.001)]).toEqual([5, 25, 1]);
  });

  it("are refused by their own name where they are too many steps", () => {
    const given = { numTrainEpochs: 100_000, trainBatchSize: 1 };
    expect(() => resolveSettings(recipeOf("classification"), given, { examples: 1_000_000, ...base })).toThrow(
      /num_train_epochs.*gives 100000000000 steps/,
    );
  });
});

describe("the learning rate", () => {
  const rateOf = (facts: Partial<Parameters<typeof resolveSettings>[2]>, given = {}) =>
    resolveSettings(recipeOf("classification"), given, { examples: 3000, ...base, ...facts });

  it("is the recipe's for published sizes, and fits smaller models by rule", () => {
    expect(rateOf({}).settings.learningRate).toBe(2e-5);
    expect(rateOf({ config: publishedConfig("xxlarge")! }).settings.learningRate).toBe(1e-5);
    expect(rateOf({ config: small }).settings.learningRate).toBe(7.2e-4);
    expect(rateOf({ config: small }).fitting.source).toBe("rule");
  });

  it("is what the model's maker measured, where there is that", () => {
    const { settings, reasons } = rateOf({ config: small, hints: { learningRate: 1.5e-3 } });
    expect(settings.learningRate).toBe(1.5e-3);
    expect(reasons.learningRate).toMatch(/manifest/);
  });

  it("is warned of against the model's own, not the recipe's", () => {
    const hints = { learningRate: 1e-3 };
    expect(rateOf({ config: small, hints }, { learningRate: 5e-4 }).warnings).toEqual([]);
    expect(rateOf({ config: small, hints }, { learningRate: 2e-5 }).warnings[0]).toMatch(
      /far from 0.001 \(the model's/,
    );
  });
});

describe("the metric", () => {
  const own = recipeOf("classification");
  const labels = ["a", "b", "c"];
  const heads: Head[] = [
    { name: "c", kind: "classification", problemType: "single-label", labels },
    { name: "c", kind: "classification", problemType: "multi-label", labels },
    { name: "c", kind: "classification", problemType: "regression", labels: ["score"] },
    { name: "q", kind: "span" },
    { name: "q", kind: "span-answerability" },
    { name: "m", kind: "multiple-choice" },
  ];

  it("is by default one that an evaluation of the head reports", () => {
    for (const head of heads) {
      for (const task of ["classification", "qa", "multiple-choice"] as const) {
        expect(metricsOf(head)).toContain(defaultMetric(recipeOf(task), head)[0]);
      }
    }
    expect(heads.slice(0, 3).map((head) => defaultMetric(own, head)[0])).toEqual([
      "eval_accuracy",
      "eval_accuracy",
      "pearson",
    ]);
  });

  it("is better when lower where it is a loss or an error", () => {
    expect(["eval_loss", "MSE", "pearson", "eval_accuracy"].map(goalOf)).toEqual([
      "lowest",
      "lowest",
      "highest",
      "highest",
    ]);
  });

  it("can be judged by the task alone, before any data is read", () => {
    expect(possibleMetrics(own, "regression")).not.toContain("eval_accuracy");
    expect(possibleMetrics(own)).toContain("f1");
    expect(possibleMetrics(recipeOf("qa"))).toEqual(expect.arrayContaining(["exact_match", "exact", "f1"]));
  });

  it("is refused with the metric that was meant when evaluation does not report it", () => {
    const check = (metric: string) => () => checkSelection({ metric, goal: "highest" }, ["exact_match", "f1"]);
    expect(check("f1")).not.toThrow();
    expect(check("eval_f1")).toThrow(/did you mean f1\?/);
    expect(check("exact_mach")).toThrow(/did you mean exact_match\?/);
    expect(check("loss")).toThrow(/reports exact_match, f1, not loss$/);
  });
});
