import { expect, it } from "vitest";
import { EMPTY_FIELDS, jobSpecOf, readingRecipe, recipeOf } from "../../src/console/views/jobs/job-request.ts";
import { JobKind, PromotePolicy, SweepMethod } from "../../src/gen/albert/v1/training_pb.js";

const taught = {
  ...{ ...EMPTY_FIELDS, model: "m", steps: "10", columns: " text=body ", skipInvalid: "2", fit: "threshold" },
  ...{ seeds: "3", publish: "median", unfreezeEpochs: "0.5", settings: "label_smoothing = 0.1\n\nseeds=5" },
};

it("a form says what a model is taught, with every setting by its name", () => {
  expect(readingRecipe(taught)).toEqual({ columns: "text=body", skip_invalid: "0.02" });
  expect(recipeOf(taught)).toEqual({
    ...{ columns: "text=body", skip_invalid: "0.02", train_step: "10", calibrate: "threshold", seeds: "5" },
    ...{ publish: "median", unfreeze_epochs: "0.5", label_smoothing: "0.1" },
  });
  expect(jobSpecOf(taught, { dataset: "d" })).toMatchObject({
    ...{ kind: JobKind.FINE_TUNE, train: { dataset: "d" }, promote: PromotePolicy.AUTO_IF_BETTER },
  });
  expect(jobSpecOf({ ...taught, furtherShare: "25" }, { dataset: "d", further: "e" })).toMatchObject({
    ...{ trainWeight: 75, furtherTrain: [{ source: { dataset: "e" }, weight: 25 }] },
  });
  expect(jobSpecOf({ ...taught, teacher: "t@1" }, { dataset: "d", texts: "u" })).toMatchObject({
    ...{ kind: JobKind.DISTIL, teacher: "t@1", unlabelled: { dataset: "u" } },
  });
});

it("a form says which settings are tried, and how", () => {
  const tried = { ...taught, vary: "learning_rate = log:1e-5..1e-3\n\ndropout=0,0.1", trials: "5" };
  expect(jobSpecOf(tried, { dataset: "d" })).toMatchObject({
    ...{ kind: JobKind.SWEEP, train: { dataset: "d" }, recipe: { train_step: "10" } },
    sweep: { method: SweepMethod.RANDOM, vary: { learning_rate: "log:1e-5..1e-3", dropout: "0,0.1" }, trials: 5 },
  });
  const all = jobSpecOf({ ...tried, method: "grid" }, { dataset: "d" });
  expect(all).toMatchObject({ sweep: { method: SweepMethod.GRID, trials: 0 } });
});

it("a form says what is fitted and what is stored in fewer bytes, on which data, and nothing of training", () => {
  const fitted = jobSpecOf({ ...taught, purpose: "calibrate", promote: false }, { dataset: "d" });
  expect(fitted).toEqual({
    ...{
      kind: JobKind.CALIBRATE,
      model: "m",
      task: "classification",
      eval: { dataset: "d" },
      promote: PromotePolicy.MANUAL,
    },
    recipe: { columns: "text=body", skip_invalid: "0.02", fit: "threshold" },
  });
  const stored = jobSpecOf({ ...EMPTY_FIELDS, model: "m", purpose: "convert" }, { dataset: "d" });
  expect(stored).toMatchObject({ kind: JobKind.CONVERT, eval: { dataset: "d" }, recipe: { weights: "int8" } });
  const quantise = { ...EMPTY_FIELDS, model: "m", purpose: "quantise", maxLoss: "0.2" } as const;
  expect(jobSpecOf(quantise, { dataset: "d", further: "f" })).toMatchObject({
    ...{ kind: JobKind.QUANTISE, train: { dataset: "f" }, eval: { dataset: "d" }, recipe: { max_loss: "0.002" } },
  });
  expect(jobSpecOf({ ...quantise, maxLoss: "" }, { dataset: "d" })).toMatchObject({
    train: { dataset: "d" },
    recipe: {},
  });
});
