import { invariant } from "../errors.ts";
import type { Head } from "../model/heads.ts";
import type { Parameters } from "../model/tensor.ts";
import { createEngine } from "../runtime/create-engine.ts";
import { evaluateDataset } from "../tasks/evaluation/evaluate-dataset.ts";
import type { Evaluator, PreparedFineTune } from "./fine-tune.ts";
import { offsetsOf } from "./records.ts";

/**
 * Evaluates through the serving graph: the weights go into an engine like any model that serves, so that the numbers of
 * a run are those its model will show.
 */
export async function openTaskEvaluator(prepared: PreparedFineTune): Promise<Evaluator> {
  const { data, spec, start, head, resolved } = prepared;
  const evalData = data.eval;
  invariant(evalData !== undefined, "an evaluator needs evaluation data");
  const { settings } = resolved;
  const { threads } = spec.executor;
  return {
    metricNames: metricsOf(head),
    async run(parameters: Parameters) {
      const engine = await createEngine(
        { config: start.config, heads: [head], parameters },
        { device: "cpu", calibrationMs: 0, ...(threads === undefined ? {} : { threads }) },
      );
      try {
        const model = { tokenizer: start.tokenizer, heads: [head], maxSequenceLength: settings.maxSeqLength };
        const { metrics } = await evaluateDataset(engine, model, spec.data.task, evalData.examples(), {
          docStride: settings.docStride,
          maxQueryLength: settings.maxQueryLength,
          maxQaLength: settings.maxQaLength,
          nBestSize: settings.nBestSize,
          maxAnswerLength: settings.maxAnswerLength,
          offsets: offsetsOf(start.tokenizer),
        });
        return metrics;
      } finally {
        await engine.close();
      }
    },
    async close() {},
  };
}

/** Metrics that an evaluation of this head always reports, official names. */
export function metricsOf(head: Head): readonly string[] {
  switch (head.kind) {
    case "classification":
      switch (head.problemType) {
        case "single-label":
          return [
            "eval_accuracy",
            "eval_loss",
            "matthew_corr",
            ...(head.labels.length === 2 ? ["f1"] : []),
            "f1_macro",
          ];
        case "regression":
          return ["pearson", "spearman", "MSE", "eval_loss"];
        case "multi-label":
          return ["eval_accuracy", "eval_loss", "f1_micro", "f1_macro"];
      }
      break;
    case "multiple-choice":
      return ["eval_accuracy", "eval_loss"];
    case "span":
      return ["exact_match", "f1"];
    case "span-answerability":
      return ["exact", "f1", "null_score_diff_threshold"];
    case "masked-lm":
    case "sentence-order":
      return [];
  }
}
