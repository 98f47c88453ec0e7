import { invariant } from "../../errors.ts";
import type { Parameters } from "../../model/tensor.ts";
import { createEngine } from "../../runtime/packed-engine.ts";
import type { TaskName } from "../../tasks/datasets/examples.ts";
import { evaluateDataset } from "../../tasks/evaluation/evaluate-dataset.ts";
import type { DatasetEvaluation } from "../../tasks/evaluation/prediction.ts";
import { offsetsOf } from "../features/records.ts";
import type { TaskData } from "../features/task-data.ts";
import type { Evaluator, PreparedFineTune } from "../fine-tune.ts";
import type { FinalEvaluation } from "./final-evaluation.ts";

/**
 * Evaluates through the serving graph: the weights go into an engine like any model that serves, so that the numbers of
 * a run are those its model will show.
 */
export async function openTaskEvaluator(prepared: PreparedFineTune): Promise<Evaluator> {
  const { data, spec } = prepared;
  const { eval: own, mismatched } = data;
  invariant(own !== undefined, "an evaluator needs evaluation data");
  let last: { readonly step: number; readonly evaluation: DatasetEvaluation } | undefined;
  const evaluateOwn = async (parameters: Parameters, step: number) => {
    const evaluation = await evaluateWeights(prepared, parameters, { task: spec.data.task, data: own });
    last = { step, evaluation };
    return evaluation;
  };
  return {
    async run(parameters, step) {
      return (await evaluateOwn(parameters, step)).metrics;
    },
    async final(parameters, step) {
      const evaluation = last?.step === step ? last.evaluation : await evaluateOwn(parameters, step);
      const evaluations: FinalEvaluation[] = [{ ...evaluation, name: "" }];
      if (mismatched !== undefined) {
        const further = await evaluateWeights(prepared, parameters, { task: "mnli-mm", data: mismatched });
        evaluations.push({ ...further, name: "mnli-mm" });
      }
      return evaluations;
    },
    async close() {},
  };
}

async function evaluateWeights(
  { spec, start, head, resolved: { settings } }: PreparedFineTune,
  parameters: Parameters,
  { task, data }: { readonly task: TaskName; readonly data: TaskData },
): Promise<DatasetEvaluation> {
  const { threads } = spec.executor;
  const engine = await createEngine(
    { config: start.config, heads: [head], parameters },
    { device: "cpu", calibrationMs: 0, ...(threads === undefined ? {} : { threads }) },
  );
  try {
    const model = { tokenizer: start.tokenizer, heads: [head], maxSequenceLength: settings.maxSeqLength };
    return await evaluateDataset(engine, model, task, data.examples(), {
      docStride: settings.docStride,
      maxQueryLength: settings.maxQueryLength,
      maxQaLength: settings.maxQaLength,
      nBestSize: settings.nBestSize,
      maxAnswerLength: settings.maxAnswerLength,
      offsets: offsetsOf(start.tokenizer),
    });
  } finally {
    await engine.close();
  }
}
