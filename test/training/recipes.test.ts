import { describe, expect, it } from "vitest";
import { publishedConfig } from "../../src/model/published-configs.ts";
import { checkSelection } from "../../src/training/selection.ts";
import { recipeOf, stepsOf, TASKS, warmupStepsOf } from "../../src/training/settings/recipes.ts";
import { resolveSettings } from "../../src/training/settings/settings.ts";

const config = publishedConfig("base")!;

describe("recipes", () => {
  it("give the steps and warmups of the official SQuAD runs from their numbers of questions", () => {
    const v1 = recipeOf("squad-v1");
    const steps = stepsOf(v1.length, v1.examples!, v1.trainBatchSize);
    expect([steps, warmupStepsOf(v1.warmup, steps)]).toEqual([3649, 364]);
    const v2 = recipeOf("squad-v2");
    expect(stepsOf(v2.length, v2.examples!, v2.trainBatchSize)).toBe(8144);
  });

  it("know that RACE differs between the releases and nothing else does", () => {
    expect(recipeOf("race", "v1")).toMatchObject({ learningRate: 2e-5, dropout: 0.1 });
    expect(recipeOf("race", "v2")).toMatchObject({ learningRate: 1e-5, dropout: 0 });
    for (const task of TASKS.filter((name) => name !== "race")) {
      expect(recipeOf(task, "v1")).toEqual(recipeOf(task, "v2"));
    }
  });

  it("apply as published where nothing is given, and say so", () => {
    const { settings, reasons, warnings } = resolveSettings(
      recipeOf("sst-2"),
      {},
      { examples: 67_349, config, fromScratch: false },
    );
    expect(settings).toMatchObject({
      learningRate: 1e-5,
      trainStep: 20_935,
      warmupStep: 1256,
      trainBatchSize: 32,
      maxSeqLength: 512,
      saveCheckpointsSteps: 100,
    });
    expect(reasons.learningRate).toMatch(/sst-2 recipe \(run_glue\.sh/);
    expect(warnings).toEqual([]);
  });

  it("scale the warmup with the length of the run, and prefer what is given", () => {
    const { settings, reasons } = resolveSettings(
      recipeOf("sst-2"),
      { numTrainEpochs: 1, learningRate: 2e-5 },
      { examples: 3200, config, fromScratch: false },
    );
    expect(settings).toMatchObject({ trainStep: 100, warmupStep: 6, learningRate: 2e-5 });
    expect(reasons).toMatchObject({ learningRate: "given", trainStep: "1 epochs of 3200 examples" });
  });

  it("warn of rates, batches and lengths far from the published ones", () => {
    const { warnings } = resolveSettings(
      recipeOf("rte"),
      { learningRate: 1e-3, trainBatchSize: 512, trainStep: 800 },
      { examples: 100, config, fromScratch: false },
    );
    expect(warnings.join("\n")).toMatch(/learning rate 0.001.*batch size 512.*passes over 100 examples/s);
  });

  it("refuse every impossible setting at once", () => {
    expect(() =>
      resolveSettings(
        recipeOf("rte"),
        { trainBatchSize: 0, maxSeqLength: 1024, dropout: 1 },
        { examples: 10, config, fromScratch: false },
      ),
    ).toThrow(/train_batch_size.*dropout.*max_seq_length/);
  });
});

describe("the selection metric", () => {
  it("is refused with the metric that was meant when evaluation does not report it", () => {
    const check = (metric: string) => () => checkSelection({ metric, goal: "highest" }, ["exact_match", "f1"]);
    expect(check("f1")).not.toThrow();
    expect(check("eval_f1")).toThrow(/did you mean f1\?/);
    expect(check("exact_mach")).toThrow(/did you mean exact_match\?/);
    expect(check("loss")).toThrow(/reports exact_match, f1, not loss$/);
  });
});
