import { describe, expect, it } from "vitest";
import { AlbertError } from "../../src/errors.ts";
import { checkJobSpec } from "../../src/jobs/check-job-spec.ts";
import type { JobSpec } from "../../src/jobs/job-spec.ts";
import { LARGEST_COUNT, LARGEST_SEED } from "../../src/training/settings/value-type.ts";

const dataset = (digit: string) => ({ kind: "dataset", digest: digit.repeat(64) }) as const;
const GOOD: JobSpec = {
  kind: "fine-tune",
  model: "m",
  task: "classification",
  init: "",
  train: dataset("a"),
  recipe: {},
  seed: 0,
  promote: "manual",
  priority: 0,
  maxWallSeconds: 0,
  maxSteps: 0,
  labels: {},
};

/** The fields that a specification is refused for. */
function refused(changes: Partial<Record<keyof JobSpec, unknown>>): string[] {
  try {
    checkJobSpec({ ...GOOD, ...changes } as JobSpec);
    return [];
  } catch (error) {
    if (!(error instanceof AlbertError)) throw error;
    expect(error.code).toBe("invalid-input");
    return error.violations.map(({ field }) => field);
  }
}

describe("the check of a job's specification", () => {
  it.each([
    ["spec.priority", "priority", [-1000, 0, 1000], [-1001, 1001, 0.5, Number.NaN]],
    ["spec.seed", "seed", [0, LARGEST_SEED], [-1, 0.5, LARGEST_SEED + 1]],
    ["spec.max_steps", "maxSteps", [0, LARGEST_COUNT], [-1, 0.5, LARGEST_COUNT + 1]],
    [
      "spec.max_wall_seconds",
      "maxWallSeconds",
      [0, 0.5, LARGEST_COUNT],
      [-1, LARGEST_COUNT + 1, Number.NaN, Number.POSITIVE_INFINITY],
    ],
    ["spec.task", "task", ["qa", "sst-2"], ["", "chess"]],
    [
      "spec.train.dataset",
      "train",
      [dataset("0"), { kind: "path", path: "x" }],
      [dataset("A"), dataset("0".repeat(2))],
    ],
    ["spec.eval.dataset", "eval", [undefined, dataset("0")], [dataset("g")]],
    ["spec.train", "train", [], [undefined]],
    ["spec.recipe.random_init", "recipe", [], [{ random_init: "huge", vocabulary: "v" }]],
    ["spec.recipe.vocabulary", "recipe", [], [{ random_init: "base-v2" }]],
    ["spec.teacher", "teacher", [undefined, ""], ["m@1"]],
    ["spec.unlabelled", "unlabelled", [undefined], [dataset("a")]],
  ] as const)("bounds %s", (field, key, accepted, beyond) => {
    for (const value of accepted) expect(refused({ [key]: value }), String(value)).toEqual([]);
    for (const value of beyond) expect(refused({ [key]: value }), String(value)).toEqual([field]);
  });

  it("asks for what each kind of job needs, and for no more", () => {
    expect(refused({ kind: "evaluate", train: undefined })).toEqual(["spec.eval"]);
    expect(refused({ kind: "evaluate", train: undefined, eval: dataset("b") })).toEqual([]);
    expect(refused({ kind: "convert", train: undefined })).toEqual(["spec.eval"]);
    expect(refused({ kind: "quantise", train: undefined })).toEqual(["spec.train", "spec.eval"]);
    expect(refused({ kind: "quantise", eval: dataset("b"), recipe: { max_loss: "2", weights: "int8" } })).toEqual([
      ...["spec.recipe.max_loss", "spec.recipe.weights"],
    ]);
    expect(refused({ kind: "convert", train: undefined, eval: dataset("b"), recipe: { weights: "int4" } })).toEqual([
      "spec.recipe.weights",
    ]);
    expect(refused({ kind: "calibrate", train: undefined })).toEqual(["spec.eval"]);
    expect(refused({ kind: "calibrate", train: undefined, eval: dataset("b"), recipe: { fit: "bias" } })).toEqual([
      "spec.recipe.fit",
    ]);
    expect(refused({ kind: "pretrain", task: "" })).toEqual([]);
    expect(refused({ kind: "pretrain", task: "", train: undefined })).toEqual(["spec.train"]);
  });

  it("takes further training data with weights, where something is trained on a task", () => {
    const further = [{ source: dataset("b"), weight: 2 }];
    expect(refused({ mix: { weight: 1, further } })).toEqual([]);
    expect(refused({ mix: { weight: 3, further: [] } })).toEqual(["spec.train_weight"]);
    expect(refused({ mix: { weight: -1, further: [{ source: dataset("x"), weight: 0 }] } })).toEqual([
      ...["spec.train_weight", "spec.further_train[0].weight", "spec.further_train[0].source.dataset"],
    ]);
    expect(refused({ kind: "pretrain", task: "", mix: { weight: 1, further } })).toEqual(["spec.further_train"]);
  });

  it("names every wrong field at once", () => {
    expect(refused({ model: "a/b", seed: -1, priority: 2000, recipe: { learning_rate: "fast" } })).toEqual([
      "spec.model",
      "spec.seed",
      "spec.priority",
      "spec.recipe.learning_rate",
    ]);
  });
});

describe("the check of a contrastive fine-tune", () => {
  it("knows its settings and the metrics that pairs may have", () => {
    const recipe = { similarity_scale: "10", pooling: "cls", metric: "recall_at_5" };
    expect(refused({ task: "contrastive", recipe })).toEqual([]);
    expect(refused({ task: "contrastive", recipe: { metric: "spearman" } })).toEqual([]);
    expect(refused({ task: "contrastive", recipe: { metric: "eval_accuracy" } })).toEqual(["spec.recipe.metric"]);
    expect(refused({ task: "contrastive", recipe: { triplet_margin: "3" } })).toEqual(["spec.recipe.triplet_margin"]);
  });
});

describe("the check of a distillation", () => {
  const distil = (changes: Partial<Record<keyof JobSpec, unknown>>) =>
    refused({ kind: "distil", teacher: "m@1", ...changes });

  it("takes a teacher, texts without labels, and the settings of both tables", () => {
    const recipe = { student: "2x128", temperature: "3", hidden_weight: "1", "relation-weight": "1", train_step: "5" };
    expect(distil({ recipe, unlabelled: dataset("b") })).toEqual([]);
    expect(distil({ recipe: { student: '{"hidden_size": 8}' } })).toEqual([]);
    expect(distil({ init: "m@2" })).toEqual([]);
    expect(distil({ task: "contrastive" })).toEqual(["spec.task"]);
  });

  it("takes a teacher for a pretraining too, and its student", () => {
    const pretrain = (changes: object) => refused({ kind: "pretrain", task: "", ...changes });
    expect(pretrain({ teacher: "m@1", recipe: { student: "2x128", temperature: "3" } })).toEqual([]);
    expect(pretrain({ teacher: "m@1", init: "m@2" })).toEqual([]);
    expect(pretrain({ recipe: { student: "2x128" } })).toEqual(["spec.teacher"]);
    expect(pretrain({ teacher: "m@1", unlabelled: dataset("b") })).toEqual(["spec.unlabelled"]);
  });

  it.each([
    ["no teacher", { teacher: undefined }, ["spec.teacher"]],
    ["no training data", { train: undefined }, ["spec.train"]],
    ["a damaged digest", { unlabelled: dataset("x") }, ["spec.unlabelled.dataset"]],
    ["an unknown architecture", { recipe: { student: "huge" } }, ["spec.recipe.student"]],
    ["a student that starts twice", { recipe: { student: "base" }, init: "m@2" }, ["spec.init"]],
    [
      "settings beyond their bounds",
      { recipe: { temperature: "0", train_step: "0" } },
      ["spec.recipe.temperature", "spec.recipe.train_step"],
    ],
    ["an unknown setting", { recipe: { hiden_weight: "1" } }, ["spec.recipe.hiden_weight"]],
  ])("refuses %s", (_, changes, fields) => {
    expect(distil(changes)).toEqual(fields);
  });
});
