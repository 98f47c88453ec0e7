import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openTaskEvaluator } from "../../src/training/evaluation/evaluate.ts";
import type { Finding } from "../../src/training/evaluation/findings.ts";
import { openExecutor } from "../../src/training/executors/open-executor.ts";
import { prepareFineTune, runFineTune } from "../../src/training/fine-tune.ts";
import type { StartSpec } from "../../src/training/starting-model.ts";
import { csvOf, type GeneratedSet } from "./generated-sets.ts";

const models = resolve(import.meta.dirname, "../../models");
/** What is fine-tuned: each bundled model, and random weights of the architecture of the smallest. */
export const STARTS = {
  sentiment: { kind: "checkpoint", path: join(models, "sentiment") },
  "question-answering": { kind: "checkpoint", path: join(models, "question-answering") },
  "sentence-encoder": { kind: "checkpoint", path: join(models, "sentence-encoder") },
  "multiple-choice": { kind: "checkpoint", path: join(models, "multiple-choice") },
  random: { kind: "random", architecture: "2x128", vocabulary: join(models, "multiple-choice/spiece.model") },
} as const satisfies Record<string, StartSpec>;

/** Rows for evaluation, which come after those for training. */
const EVALUATED = 200;

/** One fine-tune that was tried. */
export interface Tried {
  readonly accuracy: number;
  readonly seconds: number;
  readonly learningRate: number;
  readonly steps: number;
  readonly findings: readonly Finding[];
}

/**
 * Fine-tunes on a generated set and evaluates once, at the end.
 *
 * @param work  empty directory for the run's files
 */
export async function tryFineTune(
  set: GeneratedSet,
  start: StartSpec,
  given: { readonly learningRate?: number; readonly numTrainEpochs?: number },
  work: string,
): Promise<Tried> {
  const [train, evaluation] = [join(work, "train.csv"), join(work, "eval.csv")];
  await writeFile(train, csvOf(set, 0, set.rows));
  await writeFile(evaluation, csvOf(set, set.rows, set.rows + EVALUATED));
  const from = performance.now();
  const spec = {
    data: { task: "classification", train, eval: evaluation, labelsFrom: "data" },
    version: "v2",
    start,
    // Short texts, wide micro-batches and one evaluation, for speed; everything else as it comes.
    given: { maxSeqLength: 32, tokenBudget: 8192, saveCheckpointsSteps: 100_000, ...given },
    executor: { kind: "onnx", device: "cpu", threads: 1 },
    work: join(work, "run"),
    cache: join(work, "features"),
  } as const;
  const prepared = await prepareFineTune(spec, undefined, openExecutor);
  try {
    const { metrics, findings } = await runFineTune(prepared, {
      openExecutor,
      openEvaluator: openTaskEvaluator,
      resume: false,
      onEvent: () => {},
      clock: () => performance.now(),
      logEvery: 1000,
    });
    const { learningRate, trainStep } = prepared.resolved.settings;
    return {
      accuracy: metrics["eval_accuracy"] ?? 0,
      seconds: (performance.now() - from) / 1000,
      learningRate,
      steps: trainStep,
      findings,
    };
  } finally {
    await prepared.close();
  }
}
