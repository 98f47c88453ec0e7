import { invariant } from "../../errors.ts";
import { type Answerer, headsOf } from "../../model/heads.ts";
import type { Parameters } from "../../model/tensor.ts";
import { createEngine } from "../../runtime/packed-engine.ts";
import type { TaskName } from "../../tasks/datasets/examples.ts";
import { evaluateDataset } from "../../tasks/evaluation/evaluate-dataset.ts";
import { type Fitting, fitDecisions } from "../../tasks/evaluation/fit-decisions.ts";
import type { DatasetEvaluation } from "../../tasks/evaluation/prediction.ts";
import { offsetsOf } from "../features/records.ts";
import type { TaskData } from "../features/task-data.ts";
import { type Evaluator, encodingOf, type PreparedFineTune } from "../fine-tune.ts";
import type { FinalEvaluation } from "./final-evaluation.ts";

/**
 * Evaluates through the serving graph: the weights go into an engine like any model that serves, so that the numbers of
 * a run are those its model will show.
 */
export async function openTaskEvaluator(prepared: PreparedFineTune): Promise<Evaluator> {
  const { data, spec } = prepared;
  const { eval: own, mismatched } = data;
  invariant(own !== undefined, "an evaluator needs evaluation data");
  const { task } = spec.data;
  let last: { readonly step: number; readonly evaluation: DatasetEvaluation } | undefined;
  const evaluateOwn = async (parameters: Parameters, step: number, head: Answerer) => {
    const evaluation = await evaluateWeights(prepared, { parameters, head }, { task, data: own });
    last = { step, evaluation };
    return evaluation;
  };
  return {
    async run(parameters, step) {
      return (await evaluateOwn(parameters, step, prepared.head)).metrics;
    },
    fit: (parameters, kind) =>
      withWeights(prepared, { parameters, head: prepared.head }, (serving) =>
        fitDecisions({ ...serving, task, head: prepared.head, examples: own.examples() }, kind),
      ),
    async final(parameters, step, head) {
      const known = last?.step === step && head === prepared.head ? last.evaluation : undefined;
      const evaluation = known ?? (await evaluateOwn(parameters, step, head));
      const evaluations: FinalEvaluation[] = [{ ...evaluation, name: "" }];
      if (mismatched !== undefined) {
        const further = await evaluateWeights(prepared, { parameters, head }, { task: "mnli-mm", data: mismatched });
        evaluations.push({ ...further, name: "mnli-mm" });
      }
      return evaluations;
    },
    async close() {},
  };
}

/** Weights with the head that answers. */
interface Answering {
  readonly parameters: Parameters;
  readonly head: Answerer;
}

function evaluateWeights(
  prepared: PreparedFineTune,
  answering: Answering,
  { task, data }: { readonly task: TaskName; readonly data: TaskData },
): Promise<DatasetEvaluation> {
  return withWeights(prepared, answering, ({ engine, model, options }) =>
    evaluateDataset(engine, model, task, data.examples(), options),
  );
}

/** An engine that has weights, for as long as they are used. */
async function withWeights<T>(
  prepared: PreparedFineTune,
  { parameters, head }: Answering,
  use: (serving: Pick<Fitting, "engine" | "model" | "options">) => Promise<T>,
): Promise<T> {
  const {
    spec,
    start,
    resolved: { settings },
  } = prepared;
  const { threads } = spec.executor;
  const engine = await createEngine(
    { config: start.config, heads: headsOf(head), parameters },
    { device: "cpu", calibrationMs: 0, ...(threads === undefined ? {} : { threads }) },
  );
  try {
    const { maxSeqLength: maxSequenceLength } = settings;
    const model = { tokenizer: start.tokenizer, heads: headsOf(head), maxSequenceLength, ...encodingOf(prepared) };
    const options = {
      docStride: settings.docStride,
      maxQueryLength: settings.maxQueryLength,
      maxQaLength: settings.maxQaLength,
      nBestSize: settings.nBestSize,
      maxAnswerLength: settings.maxAnswerLength,
      offsets: offsetsOf(start.tokenizer),
    };
    return await use({ engine, model, options });
  } finally {
    await engine.close();
  }
}
