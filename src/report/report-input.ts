import type { Answerer } from "../model/heads.ts";
import type { Example, TaskName } from "../tasks/datasets/examples.ts";
import type { DatasetEvaluation } from "../tasks/evaluation/prediction.ts";
import type { EvaluationReport } from "./evaluation-report.ts";

/** What a report is made of. */
export interface ReportInput {
  readonly task: TaskName;
  /** That answered. */
  readonly head: Answerer;
  /** In the order of the predictions. */
  readonly examples: readonly Example[];
  readonly evaluation: Pick<DatasetEvaluation, "predictions">;
  readonly model?: EvaluationReport["model"];
  readonly data?: Pick<EvaluationReport["data"], "name" | "digest">;
  /** What the model was trained on, where that is known. */
  readonly training?: AsyncIterable<Example> | Iterable<Example>;
  /** Rows of each list; default 100. */
  readonly rows?: number;
  /** Of the bootstrap; default 0. */
  readonly seed?: number;
}
