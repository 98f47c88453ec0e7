import { basename } from "node:path";
import { performance } from "node:perf_hooks";
import { AlbertError, invalidInput } from "../../errors.ts";
import type { Model } from "../../model/directory/model-directory.ts";
import { openModelDirectory } from "../../model/directory/open-model-directory.ts";
import type { Answerer } from "../../model/heads.ts";
import { type Comparison, compareModels, type GateRules, totals } from "../../report/comparison/compare.ts";
import { type Scored, scoreExamples } from "../../report/comparison/scored-examples.ts";
import type { EvaluationReport } from "../../report/evaluation-report.ts";
import { makeReport } from "../../report/make-report.ts";
import { createEngine, type EngineOptions } from "../../runtime/packed-engine.ts";
import type { Example } from "../../tasks/datasets/examples.ts";
import { lossBetween } from "../../tasks/evaluation/changed-answers.ts";
import { answeringHead, evaluateDataset } from "../../tasks/evaluation/evaluate-dataset.ts";
import type { DatasetEvaluation } from "../../tasks/evaluation/prediction.ts";
import { type TaskModel, taskModel } from "../../tasks/plan.ts";
import { acceptedExamples } from "../../training/data/rows/dataset-rows.ts";
import { compareWithBaseline, trivialBaseline } from "../../training/evaluation/findings.ts";
import type { Task } from "../../training/settings/recipes.ts";
import { type EvaluationData, type EvaluationSet, openEvaluationSet } from "./evaluation-data.ts";
import type { PrecisionLoss } from "./gate-report.ts";

// Lets one or two models answer one set. It runs on the gate's own thread and writes nothing.

/** One or two models, and what they are to answer: data that can cross to another thread. */
export interface GateEvaluation {
  readonly task: Task;
  /** Directory of the model that may take over. */
  readonly candidate: string;
  /** Directory of the model to compare with; absent: the candidate is measured alone. */
  readonly champion?: string;
  readonly data: EvaluationData;
  /** A file that the candidate was trained on, where it is not the one that it is evaluated on. */
  readonly training?: string;
  /** What would serve. */
  readonly engine: Pick<EngineOptions, "device" | "precision" | "threads">;
  readonly rules: GateRules;
  /** Whether it yields to other threads. */
  readonly background: boolean;
}

/** What an evaluation found. */
export interface GateEvaluationResult {
  /** Where the candidate is wrong; it does not name the version. */
  readonly evaluation: EvaluationReport;
  /** Official name of the metric that decides. */
  readonly metric: string;
  readonly candidateValue: number;
  readonly examples: number;
  /** sha256 of the set. */
  readonly dataset: string;
  /** Says so where the candidate answers no better than without reading the texts. */
  readonly trivial?: string;
  /** What the precision that would serve changes in the candidate's answers; absent where that is fp32. */
  readonly precisionLoss?: PrecisionLoss;
  /** Absent without a champion. */
  readonly champion?: { readonly comparison: Comparison } | { readonly incomparable: string };
}

/**
 * Lets both models answer the same set through the serving graph, and compares them.
 *
 * @param signal  aborting it ends the evaluation after the batch in hand
 * @throws AlbertError precondition (HEAD_MISSING) when the candidate has no head for the task; invalid-input for a set that
 *   does not fit it
 */
export async function evaluateForGate(request: GateEvaluation, signal: AbortSignal): Promise<GateEvaluationResult> {
  const candidate = await openModelDirectory(request.candidate);
  const head = answeringHead(taskModel(candidate), request.task, undefined);
  const set = await openEvaluationSet(request.data, request.task, head);
  const own = await answer(request, candidate, set, signal);
  if (own.set.examples === 0) throw invalidInput([{ field: "dataset", description: "holds no examples" }]);
  const { name: metric, value, width } = own.metric;
  const candidateValue = value(totals(own.set, width));
  const rows = { count: own.set.examples, examples: set.examples };
  const baseline = await trivialBaseline(head, rows, rows);
  const trivial =
    baseline?.metric === metric ? compareWithBaseline(baseline, { [metric]: candidateValue })?.message : undefined;
  const precisionLoss = await precisionLossOf(request, candidate, set, own.evaluation, signal);
  const evaluation = await makeReport({
    ...{ task: request.task, head, examples: own.examples, evaluation: own.evaluation },
    data: { name: basename(request.data.path), digest: set.digest },
    ...(request.training === undefined ? {} : { training: trainingExamples(request, request.training, head) }),
  });
  const result = {
    evaluation,
    metric,
    candidateValue,
    examples: own.set.examples,
    dataset: set.digest,
    ...(trivial === undefined ? {} : { trivial }),
    ...(precisionLoss === undefined ? {} : { precisionLoss }),
  };
  if (request.champion === undefined) return result;
  const other = await answerIfAble(request, await openModelDirectory(request.champion), set, signal);
  if (!("metric" in other))
    return { ...result, champion: { incomparable: `cannot answer this set: ${other.message}` } };
  if (other.metric.name !== metric) {
    return { ...result, champion: { incomparable: `is measured by ${other.metric.name}` } };
  }
  return { ...result, champion: { comparison: compareModels(own.metric, other.set, own.set, request.rules) } };
}

/** Lets the candidate answer once more in fp32, and compares what would serve with that. */
async function precisionLossOf(
  request: GateEvaluation,
  candidate: Model,
  set: EvaluationSet,
  served: DatasetEvaluation,
  signal: AbortSignal,
): Promise<PrecisionLoss | undefined> {
  const { precision = "fp32" } = request.engine;
  if (precision === "fp32") return undefined;
  const exact = { ...request, engine: { ...request.engine, precision: "fp32" as const } };
  const { evaluation } = await answer(exact, candidate, set, signal);
  return { precision, ...lossBetween(request.task, evaluation, served) };
}

/** Rows that cannot be used do not matter here, nor do labels that the candidate does not have. */
function trainingExamples({ task, data: { reading } }: GateEvaluation, path: string, head: Answerer) {
  const problemType = head.kind === "classification" ? { problemType: head.problemType } : {};
  const read = { ...reading, acceptWindowsText: true, unlabelled: true, ...problemType };
  return acceptedExamples({ task, paths: [path], split: "train", ...read });
}

/** A model's answers, and what they contribute to the metric that decides. */
export interface Answered extends Scored {
  readonly examples: readonly Example[];
  readonly head: Answerer;
  /** That answering took. */
  readonly seconds: number;
  readonly evaluation: DatasetEvaluation;
}

/** What a champion answers, or why it cannot: it may have other heads, or other labels. */
async function answerIfAble(
  request: GateEvaluation,
  champion: Model,
  set: EvaluationSet,
  signal: AbortSignal,
): Promise<Answered | AlbertError> {
  try {
    return await answer(request, champion, set, signal);
  } catch (error) {
    if (error instanceof AlbertError && (error.code === "invalid-input" || error.code === "precondition")) return error;
    throw error;
  }
}

/** Lets a model answer a set, as it would where it serves. @throws AlbertError as `evaluateForGate` */
export async function answer(
  { task, engine: options }: Pick<GateEvaluation, "task" | "engine">,
  model: Model,
  set: EvaluationSet,
  signal: AbortSignal,
): Promise<Answered> {
  signal.throwIfAborted();
  const tasks: TaskModel = taskModel(model);
  const head = answeringHead(tasks, task, undefined);
  const seen: Example[] = [];
  async function* remembered() {
    for await (const example of set.examples()) {
      seen.push(example);
      yield example;
    }
  }
  const engine = await createEngine(model, options);
  try {
    const { nullThreshold } = tasks;
    const startedAt = performance.now();
    const evaluation = await evaluateDataset(engine, tasks, task, remembered(), {
      signal,
      ...(nullThreshold === undefined ? {} : { nullThreshold }), // the one it would serve with
    });
    const seconds = (performance.now() - startedAt) / 1000;
    const scored = scoreExamples(task, seen, evaluation, head.kind === "classification" ? head : undefined);
    return { ...scored, evaluation, examples: seen, head, seconds };
  } finally {
    await engine.close();
  }
}
