import type { Answerer } from "../../model/heads.ts";
import type { OptimizerOptions } from "../step/training-step.ts";

// The published fine-tuning settings of every task.

/** Tasks that `albert train --task` knows. */
export const TASKS = [
  "sst-2",
  "mnli",
  "qnli",
  "qqp",
  "rte",
  "mrpc",
  "cola",
  "sts-b",
  "wnli",
  "squad-v1",
  "squad-v2",
  "race",
  "classification",
  "qa",
  "multiple-choice",
  "contrastive",
] as const;
export type Task = (typeof TASKS)[number];
/** Tasks that a head learns, and that a teacher with such a head can teach. */
export const HEAD_TASKS: readonly Task[] = TASKS.filter((task) => task !== "contrastive");

/** Which release of the published weights a recipe is for. Version 2 was trained without dropout. */
export type AlbertVersion = "v1" | "v2";

/** How long a run is: a number of steps, or passes over the examples. */
export type RunLength = { readonly steps: number } | { readonly epochs: number };
export type WarmupLength = { readonly steps: number } | { readonly proportion: number };

/** Published fine-tuning settings of one task. */
export interface Recipe {
  readonly task: Task;
  /** What answers the task: a kind of head, or vectors. */
  readonly headKind: Exclude<Answerer["kind"], "masked-lm" | "sentence-order">;
  readonly learningRate: number;
  readonly trainBatchSize: number;
  readonly length: RunLength;
  readonly warmup: WarmupLength;
  readonly maxSeqLength: number;
  /** Dropout of hidden states and attention (the configuration's two probabilities). */
  readonly dropout: number;
  /** Dropout before the head. SQuAD v1's head has none. */
  readonly headDropout: number;
  readonly optimizer: OptimizerOptions["kind"];
  readonly saveCheckpointsSteps: number;
  /** Official name of the metric that chooses the best checkpoint; more is better. */
  readonly metric: string;
  /** Training examples (questions) the numbers were published for; absent for a user's own data. */
  readonly examples?: number;
  /** Where the numbers come from. */
  readonly source: string;
}

const GLUE = "run_glue.sh and table 14 of the ALBERT paper";

type GlueRow = readonly [
  task: Task,
  learningRate: number,
  batch: number,
  steps: number,
  warmup: number,
  save: number,
  dropout: number,
  examples: number,
  metric: string,
];

const GLUE_ROWS: readonly GlueRow[] = [
  ["sst-2", 1e-5, 32, 20935, 1256, 100, 0, 67_349, "eval_accuracy"],
  ["mnli", 3e-5, 128, 10000, 1000, 100, 0, 392_702, "eval_accuracy"],
  ["qnli", 1e-5, 32, 33112, 1986, 200, 0, 104_743, "eval_accuracy"],
  ["qqp", 5e-5, 128, 14000, 1000, 100, 0.1, 363_846, "eval_accuracy"],
  ["rte", 3e-5, 32, 800, 200, 100, 0.1, 2_490, "eval_accuracy"],
  ["mrpc", 2e-5, 32, 800, 200, 100, 0, 3_668, "eval_accuracy"],
  ["cola", 1e-5, 16, 5336, 320, 100, 0, 8_551, "matthew_corr"],
  ["sts-b", 2e-5, 16, 3598, 214, 100, 0, 5_749, "pearson"],
  ["wnli", 2e-5, 16, 2000, 250, 100, 0.1, 635, "eval_accuracy"],
];

const ALL: readonly Recipe[] = [
  ...GLUE_ROWS.map(
    ([task, learningRate, trainBatchSize, steps, warmup, save, dropout, examples, metric]): Recipe => ({
      task,
      headKind: "classification",
      learningRate,
      trainBatchSize,
      length: { steps },
      warmup: { steps: warmup },
      maxSeqLength: 512,
      dropout,
      headDropout: 0.1,
      optimizer: "adamw-official",
      saveCheckpointsSteps: save,
      metric,
      examples,
      source: task === "wnli" ? "table 14 of the ALBERT paper" : GLUE,
    }),
  ),
  squad("squad-v1", "span", { learningRate: 5e-5, epochs: 2, maxSeqLength: 384, headDropout: 0, examples: 87_599 }),
  squad("squad-v2", "span-answerability", {
    learningRate: 3e-5,
    epochs: 3,
    maxSeqLength: 512,
    headDropout: 0.1,
    examples: 130_319,
  }),
  {
    task: "race",
    headKind: "multiple-choice",
    learningRate: 2e-5,
    trainBatchSize: 32,
    length: { steps: 12_000 },
    warmup: { steps: 1000 },
    maxSeqLength: 512,
    dropout: 0.1,
    headDropout: 0.1,
    optimizer: "adamw-official",
    saveCheckpointsSteps: 100,
    metric: "eval_accuracy",
    examples: 87_866,
    source: "run_race and table 14 of the ALBERT paper",
  },
  own("classification", "classification", "eval_accuracy", 128),
  own("qa", "span", "f1", 384),
  own("multiple-choice", "multiple-choice", "eval_accuracy", 256),
  own("contrastive", "vectors", "mrr", 128),
];

const RECIPES: ReadonlyMap<Task, Recipe> = new Map(ALL.map((recipe) => [recipe.task, recipe]));

/**
 * The published settings of a task. Between the releases only RACE differs: version 2 diverges at version 1's rate and
 * dropout, so it takes 1e-5 and none.
 */
export function recipeOf(task: Task, version: AlbertVersion = "v2"): Recipe {
  const recipe = RECIPES.get(task);
  if (recipe === undefined) throw new Error(`task ${task} has no recipe: this is a bug`);
  return task === "race" && version === "v2" ? { ...recipe, learningRate: 1e-5, dropout: 0 } : recipe;
}

function squad(
  task: Task,
  headKind: Recipe["headKind"],
  numbers: Pick<Recipe, "learningRate" | "maxSeqLength" | "headDropout"> & { epochs: number; examples: number },
): Recipe {
  const { epochs, ...rest } = numbers;
  return {
    task,
    headKind,
    ...rest,
    trainBatchSize: 48,
    length: { epochs },
    warmup: { proportion: 0.1 },
    dropout: 0,
    optimizer: "adamw-official",
    saveCheckpointsSteps: 1000,
    metric: "f1",
    source: "run_squad and table 14 of the ALBERT paper",
  };
}

/** For data of a user's own, where nothing is published: what is stable on small sets (Mosbach et al., 2021). */
function own(task: Task, headKind: Recipe["headKind"], metric: string, maxSeqLength: number): Recipe {
  return {
    task,
    headKind,
    learningRate: 2e-5,
    trainBatchSize: 32,
    length: { epochs: 5 },
    warmup: { proportion: 0.1 },
    maxSeqLength,
    dropout: 0,
    headDropout: headKind === "span" || headKind === "vectors" ? 0 : 0.1,
    optimizer: "adamw-corrected",
    saveCheckpointsSteps: 200,
    metric,
    source: "defaults for a user's own data: bias-corrected AdamW and more epochs, which are stable on small sets",
  };
}
