import { writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Model } from "../../../model/directory/model-directory.ts";
import { openModelDirectory } from "../../../model/directory/open-model-directory.ts";
import { makeDirectory } from "../../../platform/directories.ts";
import { makeReport } from "../../../report/make-report.ts";
import type { Engine } from "../../../runtime/engine.ts";
import { createEngine } from "../../../runtime/packed-engine.ts";
import type { Example } from "../../../tasks/datasets/examples.ts";
import { answeringHead, evaluateDataset } from "../../../tasks/evaluation/evaluate-dataset.ts";
import { taskModel } from "../../../tasks/plan.ts";
import { acceptedExamples } from "../../../training/data/rows/dataset-rows.ts";
import { digestOf } from "../../../training/data/validate-dataset.ts";
import { checkEvaluationData } from "../../../training/features/task-data.ts";
import { EMPTY_PLAN, type JobOutcome, type JobPlan } from "../../job-outcome.ts";
import { readingOf, splitRecipe } from "../../job-recipe.ts";
import { type JobControl, required, taskOf, WORK_DIRECTORY } from "../job-control.ts";
import type { ResolvedSpec } from "../resolved-spec.ts";

// The evaluation job: its run and its plan.

/** Measures a model on a data set, through the serving graph, and says where it is wrong. */
export async function evaluateJob(
  resolved: ResolvedSpec,
  { hooks, signal, beforeStep }: JobControl,
): Promise<JobOutcome> {
  const task = taskOf(resolved.spec.task);
  const { model, tasks, head, dataset } = await openEvaluation(resolved);
  hooks.phase("validated");
  const engine = await evaluationEngine(resolved, model);
  try {
    hooks.phase("prepared");
    hooks.activity("evaluating");
    const examples: Example[] = [];
    const evaluation = await evaluateDataset(engine, tasks, task, remembered(acceptedExamples(dataset), examples), {
      signal,
      onProgress: (count) => void beforeStep(count),
    });
    const { metrics } = evaluation;
    hooks.event({ kind: "eval_result", step: 0, metrics, best: true, seconds: 0 });
    hooks.phase("trained");
    const version = resolved.startVersion;
    if (version === undefined) return { kind: "finished", metrics };
    hooks.activity("making the report");
    const [data = ""] = dataset.paths;
    const report = await makeReport({
      ...{ task, head, examples, evaluation },
      model: { name: version, digest: model.digest },
      data: { name: basename(data), digest: await digestOf(dataset.paths) },
    });
    const path = join(resolved.directory, WORK_DIRECTORY, "report.json");
    await makeDirectory(dirname(path));
    await writeFile(path, JSON.stringify(report));
    return { kind: "finished", metrics, report: { version, path } };
  } finally {
    await engine.close();
  }
}

async function* remembered(examples: AsyncIterable<Example>, into: Example[]): AsyncGenerator<Example> {
  for await (const example of examples) {
    into.push(example);
    yield example;
  }
}

/** Examples that an evaluation is measured on. */
const SAMPLED_EXAMPLES = 64;

/** Says what an evaluation would take, from some of its examples. */
export async function planEvaluateJob(resolved: ResolvedSpec): Promise<JobPlan> {
  const { model, tasks, dataset } = await openEvaluation(resolved);
  const given = Object.entries(resolved.spec.recipe).map(([name, value]) => ({ name, value, origin: "given" }));
  const sample: Example[] = [];
  let examples = 0;
  for await (const example of acceptedExamples(dataset)) {
    if (examples++ < SAMPLED_EXAMPLES) sample.push(example);
  }
  const engine = await evaluationEngine(resolved, model);
  try {
    const from = performance.now();
    const { tokens } = await evaluateDataset(engine, tasks, taskOf(resolved.spec.task), sample);
    const share = examples / sample.length;
    return {
      ...EMPTY_PLAN,
      tokens: Math.round(share * tokens),
      peakMemoryBytes: process.memoryUsage.rss(),
      etaSeconds: (share * (performance.now() - from)) / 1000,
      settings: [{ name: "examples", value: String(examples), origin: "the data" }, ...given],
    };
  } finally {
    await engine.close();
  }
}

/** The model and the checked rows of an evaluation. */
export async function openEvaluation(resolved: ResolvedSpec) {
  const task = taskOf(resolved.spec.task);
  const path = required(resolved.eval ?? resolved.train, "eval");
  const start = required(resolved.start, "init");
  const model = await openModelDirectory(start.kind === "checkpoint" ? start.path : "");
  const reading = readingOf(splitRecipe(resolved.spec, "recipe.").own);
  const tasks = taskModel(model);
  const head = answeringHead(tasks, task, undefined);
  return { model, tasks, head, dataset: await checkEvaluationData({ task, path, ...reading }, head) };
}

/** The engine of an evaluation: the graph that would serve. */
export function evaluationEngine({ executor: { threads } }: ResolvedSpec, model: Model): Promise<Engine> {
  return createEngine(model, { device: "cpu", calibrationMs: 0, ...(threads === undefined ? {} : { threads }) });
}
