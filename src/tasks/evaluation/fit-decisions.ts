import { invalidInput, invariant } from "../../errors.ts";
import type { Calibration, Model } from "../../model/directory/model-directory.ts";
import { contentsOf, type ModelContents } from "../../model/directory/write-model-directory.ts";
import type { Answerer, Head } from "../../model/heads.ts";
import type { ClassificationExample, Example, TaskName } from "../datasets/examples.ts";
import type { TaskModel } from "../plan.ts";
import { calibrateHead, type FitKind, whyUnfitted } from "./calibrate-head.ts";
import { evaluateDataset } from "./evaluate-dataset.ts";
import type { EvaluationOptions } from "./prediction.ts";
import type { SequenceRunner } from "./run-sequences.ts";

// What `albert calibrate`, jobs and training share: the fit of whatever a head decides, and what a manifest says of it.

/** A head, and the data that it is fitted to. */
export interface Fitting {
  readonly engine: SequenceRunner;
  readonly model: TaskModel;
  readonly task: TaskName;
  readonly head: Answerer;
  readonly examples: AsyncIterable<Example>;
  readonly options: EvaluationOptions;
}

export interface FittedDecisions {
  /** With its temperature or thresholds. */
  readonly head: Head;
  /** Metrics that change with the fit; of a SQuAD v2 head they hold its null threshold. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Whether texts may be answered otherwise than before, so that older metrics say nothing of the model. */
  readonly decidesAnew: boolean;
  readonly calibrated: Omit<Calibration, "from">;
}

/**
 * Fits a head's temperature, thresholds or null threshold to data that the model was not trained on.
 *
 * @throws AlbertError invalid-input for a head without anything to fit, and as `calibrateHead`
 */
export async function fitDecisions(fitting: Fitting, kind: FitKind): Promise<FittedDecisions> {
  const { engine, model, task, head, options } = fitting;
  const refusal = whyUnfitted(head, kind);
  if (refusal !== undefined) throw invalidInput([refusal]);
  if (head.kind === "classification") {
    const examples = fitting.examples as AsyncIterable<ClassificationExample>; // whose kind the head's kind decides
    const { head: fitted, ...rest } = await calibrateHead({ engine, model, task, examples, options }, head, kind);
    const decidesAnew = fitted.kind === "classification" && fitted.thresholds !== undefined;
    return { head: fitted, metrics: rest.after, decidesAnew, calibrated: { task, ...rest } };
  }
  invariant(head.kind === "span-answerability", "only heads with something to fit come here");
  const { metrics, examples } = await evaluateDataset(engine, model, task, fitting.examples, options);
  const { exact = 0, f1 = 0, null_score_diff_threshold: threshold = 0 } = metrics;
  const after = { exact, f1, null_score_diff_threshold: threshold };
  return { head, metrics: after, decidesAnew: false, calibrated: { task, examples, before: {}, after } };
}

/** What a model is written from with a fit: the same weights, under a new name. */
export function calibratedContents(model: Model, name: string, fitted: FittedDecisions): ModelContents {
  const { metrics, ...contents } = contentsOf(model);
  return {
    ...{ ...contents, name },
    heads: model.heads.map((one) => (one.name === fitted.head.name ? fitted.head : one)),
    metrics: { ...(fitted.decidesAnew ? {} : metrics), ...fitted.metrics },
    lineage: { ...contents.lineage, calibrated: { from: model.digest, ...fitted.calibrated } },
  };
}
